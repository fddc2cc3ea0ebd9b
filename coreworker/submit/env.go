package submit

import (
	"time"

	"github.com/mobula/mobula/coreworker/ids"
	"github.com/mobula/mobula/coreworker/objects"
	"github.com/mobula/mobula/coreworker/peer"
	"github.com/mobula/mobula/coreworker/sched"
	"github.com/mobula/mobula/coreworker/task"
)

// Env is what the submitters need of their core.
type Env interface {
	// Value returns an object that is there.
	Value(ids.ObjectID) (objects.Value, bool)
	// OnReady calls fn once, when the object is there (not before OnReady has returned), unless stopped first.
	OnReady(id ids.ObjectID, fn func()) (stop func())
	// Settle fixes the outcome of a task. The entry is out of the manager when it returns.
	Settle(e *task.Entry, v task.Verdict, r peer.Reply)
	// Witness is told how tasks fare; nil where nobody wants to know.
	Witness() Witness
	Now() time.Duration
	After(d time.Duration, fn func()) (stop func())
}

// Witness hears how the tasks of a core fare. It is called under the state lock and does not wait. That a worker has been given a task
// is the carrier's to tell.
type Witness interface {
	Submitted(*task.Entry)
	// Ready says that the task's arguments are there.
	Ready(*task.Entry)
	// Again says that this attempt has ended and is followed by another.
	Again(*task.Entry, peer.Reply)
	// Settled says that the task has its outcome; failure is no error where it has values.
	Settled(e *task.Entry, failure objects.Value, text string)
}

// Leaser gives workers to normal tasks.
type Leaser interface {
	// Request asks for a worker. Exactly one of Granted and Failed is called, possibly before Request returns; neither
	// after Cancel.
	Request(*Request)
	Cancel(*Request)
	Return(*Lease)
}

// Request is a wish for a worker.
type Request struct {
	Resources sched.Resources
	Place     sched.Place
	Env       string // task.Spec.Env
	Owner     ids.WorkerID
	Spec      *task.Spec // of one of the tasks that it is for: the first of its class
	// Needs are the arguments that lie in a cluster's stores, of each of the tasks that it is for.
	Needs   []ids.ObjectID
	Granted func(*Lease)
	Failed  func(peer.Reply)
}

// Lease is a worker that this submitter may use until it returns it.
type Lease struct {
	Executor peer.Executor
	// Wanted is set by the leaser when somebody else waits for what this lease holds.
	Wanted bool
	// Blocked is set by the leaser while the task that runs there waits for something: nothing is pushed behind it.
	Blocked bool
	// Calls counts, per function with a limit, what the worker has run, whoever leased it: kept by the leaser, the same map
	// for every lease of one worker.
	Calls map[ids.FunctionID]int
	// Spent is set by the submitter before it returns the lease: the worker has made its last call and is to leave.
	Spent bool
	// Lost is set by the submitter; the leaser calls it when the worker went, before the executor answers for its tasks.
	Lost func()
	// Grant is the leaser's own.
	Grant any

	inflight int
	limit    int           // of inflight
	since    time.Duration // when it was granted
	last     time.Duration // when it last took or ended a task
}
