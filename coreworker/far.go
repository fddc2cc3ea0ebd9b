package coreworker

import (
	"errors"
	"fmt"
	"time"

	"github.com/mobula/mobula/coreworker/backend"
	"github.com/mobula/mobula/coreworker/embedded"
	"github.com/mobula/mobula/coreworker/ids"
	"github.com/mobula/mobula/coreworker/objects"
	"github.com/mobula/mobula/coreworker/peer"
	"github.com/mobula/mobula/coreworker/submit"
	"github.com/mobula/mobula/coreworker/task"
)

// What is otherwise in a session that has joined a cluster. The scheduler and the directory of this machine are there and have
// nothing; everything that a call passes is the same.

// join takes the cluster of the configuration.
func (c *Core) join() {
	if c.cfg.Cluster == nil {
		return
	}
	c.cluster, c.bringing = c.cfg.Cluster, map[ids.ObjectID][]func(){}
	c.leaving = map[ids.ActorID]struct{}{}
	c.Job, c.Node = c.cluster.Job(), c.cluster.Node()
	c.cluster.Bind((*near)(c))
	c.leaser, c.far = c.cluster.Leaser(), c.cluster.Actors()
	c.directory = c.far
	c.witness = c.cluster.Witness()
}

// near is the core as its cluster sees it.
type near Core

func (n *near) core() *Core { return (*Core)(n) }

var _ backend.Core = (*near)(nil)

func (n *near) Do(fn func())                                       { n.core().Do(fn) }
func (n *near) After(d time.Duration, fn func()) (stop func())     { return n.core().After(d, fn) }
func (n *near) Settle(e *task.Entry, v task.Verdict, r peer.Reply) { n.core().Settle(e, v, r) }
func (n *near) ActorChanged(id ids.ActorID)                        { n.core().actorChanged(id) }
func (n *near) Cancel(id ids.ObjectID, force, recursive bool)      { n.core().Cancel(id, force, recursive) }
func (n *near) Report(err error)                                   { n.core().report(err) }
func (n *near) Pending() int                                       { return n.core().tasks.Len() }

func (n *near) Resolved(id ids.ObjectID, v objects.Value) { n.core().keep(id, v) }

// Yielded implements backend.Core.
func (n *near) Yielded(id ids.TaskID, index int, v objects.Value) {
	if e := n.core().tasks.Get(id); e != nil {
		if p := n.core().procs[e.Owner]; p != nil {
			p.Item(id, index, v)
		}
	}
}

// Consumed implements backend.Core.
func (n *near) Consumed(id ids.TaskID, made int) int {
	if s := n.core().streams[id]; s != nil && !s.over && s.limit > 0 {
		return s.taken
	}
	return made
}

// Lost implements backend.Core.
func (n *near) Lost(id ids.ObjectID, why string) {
	c := n.core()
	switch v, ok := c.store.Get(id); {
	case !ok || !large(v): // it is being made, is an error, or nobody refers to it
	case v.Stored:
		c.lost(id, why)
	default:
		c.putAgain(id, v, why)
	}
}

// putAgain writes an object to the cluster's store once more, of which the arena has the value.
func (c *Core) putAgain(id ids.ObjectID, v objects.Value, why string) {
	if c.arena.Readable(v.Block.ID) {
		if b, ok := c.arena.Lookup(v.Block.ID); ok {
			v.Block = &b
		}
		c.publish(id, v)
		return
	}
	c.room.Bring(v.Block.ID, func(err error) {
		switch now, ok := c.store.Get(id); {
		case !ok || !large(now): // gone meanwhile
		case err != nil || now.Stored:
			c.lost(id, why)
		default:
			c.putAgain(id, now, why)
		}
	})
}

// Came implements backend.Core.
func (n *near) Came(id ids.ObjectID, v objects.Value) {
	c, driver := n.core(), ids.DriverWorker(n.core().Job)
	c.report(c.refs.Own(id, driver))
	c.report(c.refs.Add(id, driver, 1))
	if c.madeAgain(id, v) {
		return
	}
	c.store.Expect(id)
	c.keep(id, v)
}

// LetGo implements backend.Core.
func (n *near) LetGo(id ids.ObjectID) {
	c := n.core()
	freed, err := c.refs.Drop(id, ids.DriverWorker(c.Job), 1)
	c.report(err)
	c.free(freed)
}

// meet makes references known that a value of the cluster holds and that are to objects of others.
func (c *Core) meet(inside []ids.ObjectID) {
	for _, id := range inside {
		if c.refs.Known(id) {
			continue
		}
		c.report(c.refs.Own(id, ids.DriverWorker(c.Job)))
		if t := id.Task(); t.IsActorCreation() && id == t.Actor().Handle() {
			continue // a handle has no value
		}
		c.store.Expect(id)
		c.cluster.Meet(id)
	}
}

// expect says that an object will be.
func (c *Core) expect(id ids.ObjectID) {
	c.store.Expect(id)
	if c.cluster != nil {
		c.cluster.Expect(id)
	}
}

// publish tells the cluster an object's value. One in the arena is held while it is copied.
func (c *Core) publish(id ids.ObjectID, v objects.Value) {
	letGo := func() {}
	if v.Block != nil {
		driver := ids.DriverWorker(c.Job)
		c.report(c.arena.Pin(v.Block.ID, driver))
		letGo = func() { c.report(c.arena.Unpin(v.Block.ID, driver, 1)) }
	}
	c.cluster.Made(id, v, letGo)
}

// bringStored calls then when the object is not only in the cluster's store any more: its value is here, or is the error that it
// cannot be brought, or the object is gone. Who asks meanwhile gets the same copy.
func (c *Core) bringStored(id ids.ObjectID, then func()) {
	waiting, started := c.bringing[id]
	c.bringing[id] = append(waiting, then)
	if started {
		return
	}
	driver := ids.DriverWorker(c.Job)
	room := func(size uint64, granted func(objects.Block, error)) { c.room.Allocate(size, driver, granted) }
	c.cluster.Bring(id, room, func(v objects.Value, err error) {
		c.brought(id, v, err, driver)
		waiting := c.bringing[id]
		delete(c.bringing, id)
		for _, then := range waiting {
			then()
		}
	})
}

func (c *Core) brought(id ids.ObjectID, v objects.Value, err error, writer ids.WorkerID) {
	if err == nil && v.Block != nil {
		var b objects.Block
		b, err = c.arena.Seal(v.Block.ID, writer)
		v.Block = &b
	} else if v.Block != nil {
		c.report(c.arena.Discard(v.Block.ID, writer))
	}
	if err != nil {
		v = objects.ObjectLost("it could not be brought from the cluster's store: " + err.Error())
	}
	if old, _ := c.store.Get(id); !old.Stored { // gone meanwhile
		c.discard(v)
		return
	}
	c.store.Replace(id, v)
	if v.Block != nil {
		c.arena.Name(v.Block.ID, id)
		return
	}
	c.lineage.Gone(id) // it is an error now
}

// createFar registers an actor in the cluster and has it created once its constructor's arguments are there.
func (p *Process) createFar(e *task.Entry) error {
	c, s := p.core, e.Spec
	if err := c.far.Register(e); err != nil {
		return err
	}
	c.use(s) // for as long as the session: the cluster may make the actor anew
	submit.Resolve(c, s,
		func(args []objects.Value) { c.far.Create(s.Actor, args) },
		func(cause objects.Value) { c.far.FailCreation(s.Actor, cause) })
	return nil
}

// outOfScope is told that no handle of an actor is left. One of the cluster is let go once its calls have their outcomes, as one of
// this machine's is.
func (c *Core) outOfScope(id ids.ActorID) {
	switch {
	case c.far == nil:
		c.actors.OutOfScope(id)
	case c.actorBusy(id):
		c.leaving[id] = struct{}{}
	default:
		c.far.OutOfScope(id)
	}
}

// callSettled is told that a call to the actor got its outcome.
func (c *Core) callSettled(id ids.ActorID) {
	if c.far == nil {
		c.actors.CallSettled(id)
		return
	}
	if _, leaving := c.leaving[id]; leaving && !c.actorBusy(id) {
		delete(c.leaving, id)
		if !c.refs.Known(id.Handle()) { // no new handle has come
			c.far.OutOfScope(id)
		}
	}
}

// MeetActor is told of an actor of the cluster that somebody else made, of which a value had a handle: what calls of it need.
func (c *Core) MeetActor(id ids.ActorID, class backend.Function, outOfOrder bool) {
	if c.far == nil {
		c.report(fmt.Errorf("a handle of actor %s is of a cluster, which this session has not joined", id))
		return
	}
	c.far.Meet(id, class, outOfOrder)
	if !c.refs.Known(id.Handle()) { // it was in bytes that were no value of the cluster
		c.report(c.refs.Own(id.Handle(), ids.DriverWorker(c.Job)))
	}
}

// FindActor answers with the living actor that has the name, as a creation's spec of which no more than the id and the handle are
// told. On this machine that is before it returns. embedded.ErrNoSuchActor.
func (c *Core) FindActor(namespace, name string, answer func(*task.Spec, error)) {
	if c.far == nil {
		answer(c.LookupActor(namespace, name))
		return
	}
	c.far.Find(namespace, name, func(id ids.ActorID, handle []byte, found bool, err error) {
		switch {
		case err != nil:
			answer(nil, err)
		case !found:
			answer(nil, fmt.Errorf("actor %q in namespace %q: %w", name, namespace, embedded.ErrNoSuchActor))
		default:
			if !c.refs.Known(id.Handle()) {
				c.report(c.refs.Own(id.Handle(), ids.DriverWorker(c.Job)))
			}
			answer(&task.Spec{Actor: id, Creation: &task.Creation{Handle: handle, Name: name, Namespace: namespace}}, nil)
		}
	})
}

// MakeActor creates a named actor, or finds the one that has the name, and answers as RegisterActor returns.
func (p *Process) MakeActor(s *task.Spec, getIfExists bool, answer func(spec *task.Spec, created bool, err error)) {
	c := p.core
	if c.far == nil {
		answer(p.RegisterActor(s, getIfExists))
		return
	}
	if _, known := c.far.Target(s.Actor); known {
		answer(s, true, nil) // asked again after a lane was lost
		return
	}
	c.FindActor(s.Creation.Namespace, s.Creation.Name, func(old *task.Spec, err error) {
		switch {
		case err == nil && getIfExists:
			answer(old, false, nil)
		case err == nil:
			answer(nil, false, fmt.Errorf("actor %q in namespace %q: %w", s.Creation.Name, s.Creation.Namespace, embedded.ErrNameTaken))
		case !errors.Is(err, embedded.ErrNoSuchActor):
			answer(nil, false, err)
		default:
			p.Submit(s)
			answer(s, true, nil)
		}
	})
}

// Rows answers with rows of a table of the cluster, see backend.Cluster.
func (c *Core) Rows(t backend.Table, most int, conditions []backend.Condition, answer func(rows []byte, err error)) {
	if c.cluster == nil {
		answer(nil, errors.New("this session has joined no cluster, whose tables could be asked for"))
		return
	}
	c.cluster.Rows(t, most, conditions, answer)
}

// Nodes answers with the nodes of the cluster; ok is false where there is none.
func (c *Core) Nodes(answer func(nodes []backend.Node, err error)) (ok bool) {
	if c.cluster == nil {
		return false
	}
	c.cluster.Nodes(answer)
	return true
}
