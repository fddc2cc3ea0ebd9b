package task

import (
	"time"

	"github.com/mobula/mobula/coreworker/ids"
	"github.com/mobula/mobula/coreworker/objects"
	"github.com/mobula/mobula/coreworker/sched"
)

// Type is Ray's TaskType.
type Type uint8

// Ray's numbers (docs/values.md lists where they come from).
const (
	Normal Type = iota
	ActorCreation
	ActorMethod
)

// Arg is one entry of Ray's flattened argument list.
type Arg struct {
	Value objects.Value
	Ref   ids.ObjectID // of a top-level reference; meaningful when IsRef
	IsRef bool
	Name  string // of one that is given by name, where Named: a keyword may be the empty text
	Named bool
}

// Group is a named concurrency group of an actor.
type Group struct {
	Name           string
	MaxConcurrency int
}

// Creation is what only an actor-creation task carries.
type Creation struct {
	MaxRestarts     int // -1 = for ever
	MaxConcurrency  int
	Asyncio         bool
	Groups          []Group
	Name, Namespace string
	Detached        bool
	MaxPendingCalls int // -1 = no limit
	Handle          []byte
	ClassName       string
	Placement       sched.Resources // needed to be placed; Spec.Resources is what it holds while it lives
	HasPlacement    bool
	OutOfOrder      bool
}

// Spec is a task as it was submitted. It never changes after that.
type Spec struct {
	Type       Type
	ID         ids.TaskID
	Parent     ids.TaskID
	Name       string
	Code       string // the function's own name, where Name was given by hand
	Function   ids.FunctionID
	Method     string
	Args       []Arg
	NumReturns int
	Resources  sched.Resources
	MaxRetries int    // -1 = for ever; of an actor method: max_task_retries
	Env        string // of the worker that runs it: Ray's runtime_env as JSON, "" = the session's. Equal texts share workers
	MaxCalls   int    // a worker leaves after so many calls of Function; 0 = it stays
	Actor      ids.ActorID
	Group      string
	Creation   *Creation
	// Items of a generator are objects of their own: return index+2. Streaming: the owner reads them as they come, and
	// holds the producer back while Backpressure of them (0 = any number) were not taken. Dynamic: return 1 lists them.
	Streaming    bool
	Dynamic      bool
	Backpressure int
	// ActorBackpressure is the same for all streams of an actor together.
	ActorBackpressure int
	// Told says that the parent could know that it is canceled when it made this call: a recursive cancel of it that came
	// before does not reach this task.
	Told bool
	// Node is where the task has to run, whatever bytes the user gave; empty for anywhere. Rather is where it runs if that is
	// there, and Spread is SPREAD: both ask for nothing where there is one machine.
	Node   []byte
	Rather []byte
	Spread bool
	// RetryExceptions says that an exception of the user's is tried again; the allowlist is a pickled tuple of classes, empty for any.
	// Who runs the task decides by them.
	RetryExceptions bool
	RetryAllowlist  []byte
	// Place is where it may run; Labels, of which one must fit the machine, become Place.Nowhere when it is submitted.
	Place  sched.Place
	Labels []sched.Selector
	// Capture has what it calls run in its group, too. The worker's side knows it; a cluster's worker has to be told.
	Capture bool
	// Who submitted it, and when by the core's clock. Set when it is submitted.
	Caller   ids.WorkerID
	Called   time.Duration
	NoEvents bool // enable_task_events=False: nothing is remembered of it once it has ended
	// Wire is the carrier's own encoding of this spec. The core never looks inside: it hands it to the carrier that
	// brings the task to its executor, so that a spec is not encoded twice.
	Wire any
}

// Returns calls fn with the id of each return object, in order.
func (s *Spec) Returns(fn func(ids.ObjectID)) {
	for i := range s.NumReturns {
		fn(s.ID.Return(uint32(i + 1)))
	}
}

// Inside lists the objects inside the values of its arguments.
func (s *Spec) Inside() (out []ids.ObjectID) {
	for i := range s.Args {
		if a := &s.Args[i]; !a.IsRef {
			out = append(out, a.Value.Contained...)
		}
	}
	return out
}

// Uses calls fn with each object that must outlive the task: its reference arguments and what is inside its values.
func (s *Spec) Uses(fn func(ids.ObjectID)) {
	for i := range s.Args {
		if a := &s.Args[i]; a.IsRef {
			fn(a.Ref)
		} else {
			for _, id := range a.Value.Contained {
				fn(id)
			}
		}
	}
}
