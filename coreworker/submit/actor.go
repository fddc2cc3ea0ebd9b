package submit

import (
	"container/list"

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
//
// Submitting, pushing and canceling a call cost the same however many others wait.
type Actor struct {
	env    Env
	dir    Directory
	id     ids.ActorID
	calls  map[ids.TaskID]*call // all without an outcome
	queue  *list.List           // of *call: those that were not pushed, by Seq
	seq    uint64
	closed bool
	// Settled is told whenever a call got its outcome: the actor may be out of scope with nothing left to do.
	Settled func()
}

type call struct {
	e        *task.Entry
	args     []objects.Value
	resolved bool
	stop     func()        // ends the wait for arguments
	elem     *list.Element // in the queue
	executor peer.Executor // that has it
}

// NewActor makes the queue.
func NewActor(env Env, dir Directory, id ids.ActorID) *Actor {
	return &Actor{env: env, dir: dir, id: id, calls: map[ids.TaskID]*call{}, queue: list.New()}
}

// Submit takes a call that was just entered into the manager.
func (a *Actor) Submit(e *task.Entry) {
	a.seq++
	e.Seq = a.seq
	c := &call{e: e}
	a.calls[e.Spec.ID] = c
	a.start(c)
}

func (a *Actor) start(c *call) {
	c.e.State, c.resolved, c.executor = task.Waiting, false, nil
	a.enqueue(c)
	stop := Resolve(a.env, c.e.Spec,
		func(args []objects.Value) {
			c.args, c.resolved, c.stop = args, true, nil
			c.e.State = task.Queued
			ready(a.env, c.e)
			a.ready(c)
		},
		func(v objects.Value) {
			a.dequeue(c)
			a.settle(c, task.FailWith, peer.Reply{End: task.Failed, Error: v})
			a.Changed() // it may have held back the calls behind it
		})
	if c.e.State == task.Waiting && c.elem != nil {
		c.stop = stop
		if t, ok := a.dir.Target(a.id); ok && t.State == Dead {
			a.Changed()
		}
	}
}

// enqueue puts the call at its place by submission order: one that is tried again comes before what came later.
func (a *Actor) enqueue(c *call) {
	back := a.queue.Back()
	if back == nil || back.Value.(*call).e.Seq < c.e.Seq {
		c.elem = a.queue.PushBack(c)
		return
	}
	at := a.queue.Front()
	for at.Value.(*call).e.Seq < c.e.Seq {
		at = at.Next()
	}
	c.elem = a.queue.InsertBefore(c, at)
}

func (a *Actor) dequeue(c *call) {
	a.queue.Remove(c.elem)
	c.elem = nil
}

func (a *Actor) settle(c *call, v task.Verdict, r peer.Reply) {
	delete(a.calls, c.e.Spec.ID)
	a.env.Settle(c.e, v, r)
	if a.Settled != nil {
		a.Settled()
	}
}

// ready is told that the arguments of a call are there.
func (a *Actor) ready(c *call) {
	if t, ok := a.dir.Target(a.id); ok && t.State == Alive && t.OutOfOrder {
		a.push(c, t)
		return
	}
	a.Changed()
}

// Changed pushes what can be pushed. The directory calls it when the actor's state changed.
func (a *Actor) Changed() {
	t, ok := a.dir.Target(a.id)
	if !ok {
		return
	}
	switch {
	case t.State == Dead:
		for e := a.queue.Front(); e != nil; e = a.queue.Front() {
			c := e.Value.(*call)
			a.dequeue(c)
			c.giveUp()
			a.settle(c, task.FailDead, peer.Reply{End: task.Died, Error: t.Death})
		}
	case t.State == Alive && t.OutOfOrder:
		var ready []*call
		for e := a.queue.Front(); e != nil; e = e.Next() {
			if c := e.Value.(*call); c.resolved {
				ready = append(ready, c)
			}
		}
		for _, c := range ready {
			if c.elem != nil && c.resolved {
				a.push(c, t)
			}
		}
	case t.State == Alive:
		for e := a.queue.Front(); e != nil && e.Value.(*call).resolved; e = a.queue.Front() {
			a.push(e.Value.(*call), t)
		}
	}
}

func (a *Actor) push(c *call, t Target) {
	a.dequeue(c)
	c.e.State, c.executor = task.Pushed, t.Executor
	t.Executor.PushTask(&peer.Push{Spec: c.e.Spec, Attempt: c.e.Attempt, Args: c.args,
		Done: func(r peer.Reply) { a.replied(c, r) }})
}

func (a *Actor) replied(c *call, r peer.Reply) {
	v := task.Decide(c.e, r.End, r.Retryable)
	if v == task.Resubmit || v == task.Retry {
		if t, ok := a.dir.Target(a.id); ok && t.State == Dead {
			v, r = task.FailDead, peer.Reply{End: task.Died, Error: t.Death}
		} else if a.closed {
			v, r = task.FailWith, ownerGone()
		}
	}
	switch v {
	case task.Retry:
		again(a.env, c.e, r)
		a.start(c)
	case task.Resubmit:
		a.start(c)
	default:
		a.settle(c, v, r)
	}
}

// ownerGone is the end of a task that would be tried again if its owner were there: nobody is left who could cancel it
// on its way, or be told.
func ownerGone() peer.Reply {
	return peer.Reply{End: task.Failed, Error: objects.OwnerDied("the process that submitted it ended, so it was not tried again")}
}

// Cancel cancels a call that has no outcome (Ray: ActorTaskSubmitter::CancelTask). Not pushed: it ends here and no
// message is sent; nothing is left of it in the sequence, so later calls are not held up.
func (a *Actor) Cancel(e *task.Entry, recursive bool) {
	c := a.calls[e.Spec.ID]
	switch {
	case c == nil:
	case c.elem == nil:
		c.executor.CancelTask(peer.CancelRequest{Task: e.Spec.ID, Recursive: recursive})
	default:
		a.dequeue(c)
		c.giveUp()
		a.settle(c, task.FailCancel, peer.Reply{End: task.NotStarted})
		a.Changed() // it may have held back the calls behind it
	}
}

// giveUp ends the wait for arguments.
func (c *call) giveUp() {
	if c.stop != nil {
		c.stop()
		c.stop = nil
	}
}

// Load is the number of calls without an outcome.
func (a *Actor) Load() int { return len(a.calls) }

// Queued is the number of calls that were not sent yet.
func (a *Actor) Queued() int { return a.queue.Len() }

// Close forgets the calls that were not sent: the process that made them is gone. Those that were go on without an owner
// to tell.
func (a *Actor) Close() {
	a.closed = true
	for e := a.queue.Front(); e != nil; e = a.queue.Front() {
		c := e.Value.(*call)
		a.dequeue(c)
		c.giveUp()
		delete(a.calls, c.e.Spec.ID)
	}
}
