package submit

import (
	"sort"

	"github.com/mobula/mobula/coreworker/ids"
	"github.com/mobula/mobula/coreworker/objects"
	"github.com/mobula/mobula/coreworker/peer"
	"github.com/mobula/mobula/coreworker/task"
)

// ActorState is where an actor stands, as its directory tells.
type ActorState uint8

// Ray's states that a caller can tell apart.
const (
	Pending ActorState = iota // not created yet
	Alive
	Restarting
	Dead
)

func (s ActorState) String() string { return [...]string{"pending", "alive", "restarting", "dead"}[s] }

// Target is what a caller sees of an actor.
type Target struct {
	State      ActorState
	Executor   peer.Executor // when Alive
	Death      objects.Value // when Dead: the error object that calls get
	OutOfOrder bool
}

// Directory knows where actors live.
type Directory interface {
	// Target returns what is known now. ok is false for an actor that nobody has ever heard of.
	Target(ids.ActorID) (t Target, ok bool)
}

// Actor is one process's queue of calls to one actor. Calls reach the actor in the order they were submitted; a call that
// waits for its arguments holds back the later ones, unless the actor takes calls out of order.
type Actor struct {
	env   Env
	dir   Directory
	id    ids.ActorID
	calls []*call // not pushed yet, by Seq
	out   map[ids.TaskID]*call
	seq   uint64
	// Settled is told whenever a call got its outcome: the actor may be out of scope with nothing left to do.
	Settled func()
}

type call struct {
	e        *task.Entry
	args     []objects.Value
	resolved bool
	stop     func()
	executor peer.Executor
}

// NewActor makes the queue.
func NewActor(env Env, dir Directory, id ids.ActorID) *Actor {
	return &Actor{env: env, dir: dir, id: id, out: map[ids.TaskID]*call{}}
}

// Submit takes a call that was just entered into the manager.
func (a *Actor) Submit(e *task.Entry) {
	a.seq++
	e.Seq = a.seq
	a.start(&call{e: e})
}

func (a *Actor) start(c *call) {
	c.e.State, c.resolved, c.executor = task.Waiting, false, nil
	i := sort.Search(len(a.calls), func(i int) bool { return a.calls[i].e.Seq > c.e.Seq })
	a.calls = append(a.calls, nil)
	copy(a.calls[i+1:], a.calls[i:])
	a.calls[i] = c
	stop := Resolve(a.env, c.e.Spec,
		func(args []objects.Value) {
			c.args, c.resolved, c.stop = args, true, nil
			c.e.State = task.Queued
			a.Changed()
		},
		func(v objects.Value) {
			a.take(c)
			a.settle(c, task.FailWith, peer.Reply{End: task.Failed, Error: v})
			a.Changed()
		})
	if c.e.State == task.Waiting {
		c.stop = stop
		a.Changed()
	}
}

// take removes a call that was not pushed from the queue.
func (a *Actor) take(c *call) {
	for i, o := range a.calls {
		if o == c {
			a.calls = append(a.calls[:i], a.calls[i+1:]...)
			return
		}
	}
}

func (a *Actor) settle(c *call, v task.Verdict, r peer.Reply) {
	a.env.Settle(c.e, v, r)
	if a.Settled != nil {
		a.Settled()
	}
}

// Changed pushes what can be pushed. The directory calls it when the actor's state changed.
func (a *Actor) Changed() {
	t, ok := a.dir.Target(a.id)
	if !ok {
		return
	}
	switch t.State {
	case Alive:
		a.pushReady(t)
	case Dead:
		for len(a.calls) > 0 {
			c := a.calls[0]
			a.calls = a.calls[1:]
			if c.stop != nil {
				c.stop()
			}
			a.settle(c, task.FailDead, peer.Reply{End: task.Died, Error: t.Death})
		}
	}
}

func (a *Actor) pushReady(t Target) {
	rest := a.calls[:0]
	all := a.calls
	a.calls = nil // pushing may settle calls and come back here
	for i, c := range all {
		if !c.resolved {
			if !t.OutOfOrder {
				rest = append(rest, all[i:]...)
				break
			}
			rest = append(rest, c)
			continue
		}
		c.e.State, c.executor = task.Pushed, t.Executor
		a.out[c.e.Spec.ID] = c
		t.Executor.PushTask(&peer.Push{Spec: c.e.Spec, Attempt: c.e.Attempt, Args: c.args,
			Done: func(r peer.Reply) { a.replied(c, r) }})
	}
	a.calls = append(rest, a.calls...)
}

func (a *Actor) replied(c *call, r peer.Reply) {
	delete(a.out, c.e.Spec.ID)
	v := task.Decide(c.e, r.End, r.Retryable)
	if v == task.Resubmit || v == task.Retry {
		if t, ok := a.dir.Target(a.id); ok && t.State == Dead {
			v, r = task.FailDead, peer.Reply{End: task.Died, Error: t.Death}
		}
	}
	switch v {
	case task.Retry:
		c.e.UseAttempt()
		a.start(c)
	case task.Resubmit:
		a.start(c)
	default:
		a.settle(c, v, r)
	}
}

// Cancel cancels a call that has no outcome (Ray: ActorTaskSubmitter::CancelTask). Not pushed: it ends here and no
// message is sent; nothing is left of it in the sequence, so later calls are not held up.
func (a *Actor) Cancel(e *task.Entry, recursive bool) {
	if c := a.out[e.Spec.ID]; c != nil {
		c.executor.CancelTask(peer.CancelRequest{Task: e.Spec.ID, Recursive: recursive})
		return
	}
	for _, c := range a.calls {
		if c.e == e {
			a.take(c)
			if c.stop != nil {
				c.stop()
			}
			a.settle(c, task.FailCancel, peer.Reply{End: task.NotStarted})
			a.Changed() // it may have held back the calls behind it
			return
		}
	}
}

// Load is the number of calls without an outcome.
func (a *Actor) Load() int { return len(a.calls) + len(a.out) }

// Queued is the number of calls that were not sent yet.
func (a *Actor) Queued() int { return len(a.calls) }

// Close forgets the calls that were not sent: the process that made them is gone.
func (a *Actor) Close() {
	for _, c := range a.calls {
		if c.stop != nil {
			c.stop()
		}
	}
	a.calls = nil
}
