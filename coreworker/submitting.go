package coreworker

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"

	"github.com/mobula/mobula/coreworker/backend"
	"github.com/mobula/mobula/coreworker/embedded"
	"github.com/mobula/mobula/coreworker/ids"
	"github.com/mobula/mobula/coreworker/objects"
	"github.com/mobula/mobula/coreworker/peer"
	"github.com/mobula/mobula/coreworker/sched"
	"github.com/mobula/mobula/coreworker/submit"
	"github.com/mobula/mobula/coreworker/task"
)

// Submit takes a task of this process. Each return gets an entry, with one reference held by the process, before
// anything is sent. An id that is known already is ignored.
func (p *Process) Submit(s *task.Spec) {
	c := p.core
	s.Place.Nowhere = c.cluster == nil && !sched.AnyFits(s.Labels, c.labels)
	e, fresh := c.tasks.Add(s, p.ID)
	if !fresh {
		return
	}
	p.pending++
	s.Caller, s.Called = p.ID, c.Now()
	if c.witness != nil {
		c.witness.Submitted(e)
	}
	late, force := c.submittedUnaware(s)
	if s.Type == task.ActorCreation {
		if err := p.create(e); err != nil {
			c.Settle(e, task.FailWith, peer.Reply{End: task.Failed, Error: objects.ActorDied(objects.Death{Actor: s.Actor, Text: err.Error(), NeverStarted: true})})
		} else if late {
			c.cancelEntry(e, force, true)
		}
		return
	}
	s.Returns(func(id ids.ObjectID) {
		c.report(c.refs.Own(id, p.ID))
		c.report(c.refs.Add(id, p.ID, 1))
		c.expect(id)
	})
	if s.Streaming {
		c.openStream(s, p)
	}
	c.use(s)
	if late {
		e.Canceled = true
		c.Settle(e, task.FailCancel, peer.Reply{End: task.NotStarted})
		return
	}
	if s.Type == task.ActorMethod {
		p.call(e)
		return
	}
	if c.elsewhere(s) {
		c.Settle(e, task.FailWith, peer.Reply{End: task.Failed, Error: objects.TaskUnschedulable(noSuchNode(s))})
		return
	}
	p.normal.Submit(e)
}

// call sends a call to its actor, or fails it with the actor's death.
func (p *Process) call(e *task.Entry) {
	c, actor := p.core, e.Spec.Actor
	if _, ok := c.directory.Target(actor); !ok {
		c.Settle(e, task.FailWith, peer.Reply{End: task.Failed, Error: objects.ActorDied(objects.Death{Actor: actor,
			Text: "no actor with this id is known", NeverStarted: true})})
		return
	}
	p.actorQueue(actor).Submit(e)
}

// submittedUnaware says whether a recursive cancel of the parent came before this submission although the parent made it
// without knowing: the two come on different connections.
//
//	parent:  .remote(), its flag is down          canceler:  cancel(parent, recursive=True)
//	core:    the cancel, which finds no child
//	core:    the submission
//
// In Ray the parent's own process carries the cancel out, and has the child by then.
func (c *Core) submittedUnaware(s *task.Spec) (late, force bool) {
	if s.Told || s.Parent.IsDriverTask() {
		return false, false
	}
	parent := c.tasks.Get(s.Parent)
	if parent == nil || !parent.Canceled || !parent.Recursive {
		return false, false
	}
	return true, parent.Forced
}

// elsewhere says whether the task has to run on a machine that is not this one.
func (c *Core) elsewhere(s *task.Spec) bool {
	return c.cluster == nil && len(s.Node) > 0 && !bytes.Equal(s.Node, c.Node.Bytes())
}

func noSuchNode(s *task.Spec) string {
	return fmt.Sprintf("its NodeAffinitySchedulingStrategy names node %x with soft=False, and the session has no such node", s.Node)
}

// create registers an actor and creates it once its constructor's arguments are there.
func (p *Process) create(e *task.Entry) error {
	c, s := p.core, e.Spec
	c.report(c.refs.Own(s.Actor.Handle(), p.ID))
	if c.far != nil {
		return p.createFar(e)
	}
	if err := c.actors.Register(e); err != nil {
		return err
	}
	c.use(s)
	if c.elsewhere(s) {
		c.actors.Unschedulable(s.Actor, noSuchNode(s))
		return nil
	}
	c.actors.Resolving(s.Actor, submit.Resolve(c, s,
		func(args []objects.Value) { c.actors.Create(s.Actor, args) },
		func(cause objects.Value) { c.actors.FailCreation(s.Actor, cause) }))
	return nil
}

// RegisterActor creates a named actor, or finds the one that has the name. The caller will have a handle of it.
func (p *Process) RegisterActor(s *task.Spec, getIfExists bool) (spec *task.Spec, created bool, err error) {
	c := p.core
	if e := c.tasks.Get(s.ID); e != nil {
		c.newHandle(e.Spec)
		return e.Spec, true, nil // asked again after a lane was lost
	}
	if c.actors.Known(s.Actor) {
		c.newHandle(s)
		return s, true, nil // the same, and meanwhile it was created, or is dead
	}
	if old, err := c.actors.ByName(s.Creation.Namespace, s.Creation.Name); err == nil {
		if getIfExists {
			c.newHandle(old)
			return old, false, nil
		}
		return nil, false, fmt.Errorf("actor %q in namespace %q: %w", s.Creation.Name, s.Creation.Namespace, embedded.ErrNameTaken)
	}
	p.Submit(s)
	return s, true, nil
}

// LookupActor returns the creation spec of the living actor that has the name. The caller will have a handle of it: a
// detached actor may live with none.
func (c *Core) LookupActor(namespace, name string) (*task.Spec, error) {
	s, err := c.actors.ByName(namespace, name)
	if err == nil {
		c.newHandle(s)
	}
	return s, err
}

func (c *Core) newHandle(s *task.Spec) {
	if !c.refs.Known(s.Actor.Handle()) {
		c.report(c.refs.Own(s.Actor.Handle(), ids.DriverWorker(c.Job)))
		c.actors.InScope(s.Actor)
	}
}

// NamedActors answers with the living named actors of a namespace, or of all. On this machine that is before it returns.
func (c *Core) NamedActors(namespace string, all bool, answer func([]backend.Named, error)) {
	if c.far != nil {
		c.far.Names(namespace, all, answer)
		return
	}
	var out []backend.Named
	for _, s := range c.actors.Names() {
		if all || s.Creation.Namespace == namespace {
			out = append(out, backend.Named{Namespace: s.Creation.Namespace, Name: s.Creation.Name})
		}
	}
	answer(out, nil)
}

// use holds what a task in flight needs.
func (c *Core) use(s *task.Spec) { s.Uses(func(id ids.ObjectID) { c.report(c.refs.Use(id)) }) }

// unuse lets it go.
func (c *Core) unuse(s *task.Spec) {
	s.Uses(func(id ids.ObjectID) {
		freed, err := c.refs.Unuse(id)
		c.report(err)
		c.free(freed)
	})
}

// Settle fixes the outcome of a task: the one place where returns get their values. It implements submit.Env.
func (c *Core) Settle(e *task.Entry, v task.Verdict, r peer.Reply) {
	c.tasks.Finish(e.Spec.ID)
	if owner := c.procs[e.Owner]; owner != nil {
		owner.pending--
		defer c.sched.Settled(e.Owner)
	}
	if e.Spec.Type == task.ActorCreation {
		if v != task.Complete && !r.Error.IsError {
			r.Error = objects.ActorDied(objects.Death{Actor: e.Spec.Actor, Text: r.Text, NeverStarted: true})
		}
		c.settled(e, r.Error, r.Text)
		return // its outcome is the actor's state; its arguments are held until it is dead
	}
	defer c.endStream(e.Spec.ID)
	if len(c.tells) > 0 {
		defer c.told(c.procs[e.Owner], e.Spec.ID)
	}
	var failure objects.Value
	switch v {
	case task.Complete:
		for i := range e.Spec.NumReturns {
			if i < len(r.Returns) {
				c.keep(e.Spec.ID.Return(uint32(i+1)), r.Returns[i])
			} else {
				c.keep(e.Spec.ID.Return(uint32(i+1)), objects.ObjectLost("the task ended without a value for this return"))
			}
		}
		for _, extra := range r.Returns[min(e.Spec.NumReturns, len(r.Returns)):] {
			c.discard(extra)
		}
		c.settled(e, objects.Value{}, r.Text)
		c.remember(e)
		c.settleMissing(e, nil)
		c.unuse(e.Spec)
		return
	case task.FailWith:
		failure = r.Error
	case task.FailCancel:
		failure = c.canceledValue(e, r)
	case task.FailCrashed:
		failure = objects.WorkerDied("the worker was killed: the task was canceled with force=True while it ran")
	default:
		failure = c.deathValue(e, r)
	}
	for _, unused := range r.Returns {
		c.discard(unused)
	}
	c.settled(e, failure, r.Text)
	c.lineage.Forget(e.Spec.ID)
	e.Spec.Returns(func(id ids.ObjectID) { c.keep(id, failure) })
	c.settleMissing(e, &failure)
	c.unuse(e.Spec)
}

// settled tells who wants to know that a task has its outcome.
func (c *Core) settled(e *task.Entry, failure objects.Value, text string) {
	if c.witness != nil {
		c.witness.Settled(e, failure, text)
	}
}

// Witness implements submit.Env.
func (c *Core) Witness() submit.Witness { return c.witness }

func (c *Core) canceledValue(e *task.Entry, r peer.Reply) objects.Value {
	if r.End == task.Died && r.Text != "" {
		return objects.TaskCancelled(e.Spec.ID, "Its process ended before it had stopped: "+r.Text)
	}
	return objects.TaskCancelled(e.Spec.ID, "")
}

func (c *Core) deathValue(e *task.Entry, r peer.Reply) objects.Value {
	if r.Error.Metadata != nil {
		return r.Error
	}
	if e.Spec.Type == task.ActorMethod {
		if t, ok := c.directory.Target(e.Spec.Actor); ok && t.State == submit.Dead {
			return t.Death
		}
		return objects.ActorUnavailable(e.Spec.Actor, "it is restarted, because "+r.Text)
	}
	return objects.WorkerDied(r.Text)
}

// Cancel cancels the task that makes an object (Ray: CoreWorker::CancelTask). An object that is there, or was put, stays.
func (c *Core) Cancel(id ids.ObjectID, force, recursive bool) {
	if e := c.tasks.Get(id.Task()); e != nil && !id.IsPut() {
		c.cancelEntry(e, force, recursive)
	} else if c.cluster != nil {
		c.cluster.CancelElsewhere(id, force, recursive)
	}
}

func (c *Core) cancelEntry(e *task.Entry, force, recursive bool) {
	if e.Canceling {
		return // further up the stack: a shim named a task as its own ancestor
	}
	e.Canceling = true
	defer func() { e.Canceling = false }()
	e.Canceled = true // first: whatever reply comes from now on finds it so
	e.Recursive = e.Recursive || recursive
	if force && e.Spec.Type == task.Normal {
		e.Forced = true
	}
	if recursive && e.State != task.Pushed {
		c.cancelChildren(e.Spec.ID, force) // of an earlier attempt; a pushed task's executor does it
	}
	switch p := c.procs[e.Owner]; {
	case e.Spec.Type == task.ActorCreation:
		if recursive && e.State == task.Pushed {
			c.cancelChildren(e.Spec.ID, force)
		}
		if c.far != nil {
			c.far.CancelCreation(e)
			return
		}
		c.actors.CancelCreation(e)
	case p == nil: // its owner is gone: it is with a worker, if anywhere
		c.cancelOrphan(e, force, recursive)
	case e.Spec.Type == task.ActorMethod:
		p.actorQueue(e.Spec.Actor).Cancel(e, recursive)
	default:
		p.normal.Cancel(e, force, recursive)
	}
}

func (c *Core) cancelOrphan(e *task.Entry, force, recursive bool) {
	for _, p := range c.procs {
		if p.worker != nil {
			p.worker.Exec.CancelTask(peer.CancelRequest{Task: e.Spec.ID, Force: force, Recursive: recursive})
		}
	}
}

// cancelChildren cancels what a task has submitted. Force does not reach actor calls: their processes have state.
func (c *Core) cancelChildren(parent ids.TaskID, force bool) {
	for _, child := range c.tasks.Children(parent) {
		c.cancelEntry(child, force, true)
	}
}

// abandonTasks settles the tasks of a process that is gone and that no executor has. Those that run go on: others may
// hold references to their results.
func (c *Core) abandonTasks(p *Process, why string) {
	var lost []*task.Entry // in order, so that the same history always ends the same way
	c.tasks.Each(func(e *task.Entry) {
		if e.Owner == p.ID && e.State != task.Pushed && e.Spec.Type != task.ActorCreation {
			lost = append(lost, e)
		}
	})
	slices.SortFunc(lost, func(a, b *task.Entry) int { return cmp.Compare(a.Born, b.Born) })
	for _, e := range lost {
		c.Settle(e, task.FailWith, peer.Reply{End: task.Failed, Error: objects.OwnerDied(why)})
	}
}

// KillActor implements kill().
func (c *Core) KillActor(id ids.ActorID, noRestart bool) {
	if c.far != nil {
		c.far.Kill(id, noRestart)
		return
	}
	c.actors.Kill(id, noRestart)
}
