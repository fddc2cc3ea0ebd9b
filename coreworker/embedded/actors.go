package embedded

import (
	"bytes"
	"errors"
	"fmt"
	"slices"

	"github.com/mobula/mobula/coreworker/ids"
	"github.com/mobula/mobula/coreworker/objects"
	"github.com/mobula/mobula/coreworker/peer"
	"github.com/mobula/mobula/coreworker/sched"
	"github.com/mobula/mobula/coreworker/submit"
	"github.com/mobula/mobula/coreworker/task"
)

// Errors of the directory.
var (
	// ErrNameTaken is returned by Register when a living actor of the namespace has the name.
	ErrNameTaken = errors.New("the name is taken")
	// ErrNoSuchActor is returned by ByName when no living actor has the name.
	ErrNoSuchActor = errors.New("no such actor")
)

// Actors is the directory of actors: what each one is, where it lives, who waits to hear of it.
type Actors struct {
	sched *Scheduler
	hooks ActorHooks
	all   map[ids.ActorID]*actor
	names map[string]ids.ActorID
}

// ActorHooks is what the directory needs of the core.
type ActorHooks struct {
	// Changed is called after an actor's state changed: the callers' queues look again.
	Changed func(ids.ActorID)
	// Settle fixes the outcome of the creation task.
	Settle func(*task.Entry, task.Verdict, peer.Reply)
	// Busy says whether anybody has calls to the actor without an outcome.
	Busy func(ids.ActorID) bool
	// Kill ends the worker's process.
	Kill func(*Worker)
	// Released is called when a dead actor needs its creation arguments no more.
	Released func(*task.Spec)
	// Died is called when an actor is dead for good.
	Died func(ids.ActorID)
	// Forgotten is called when nothing is left that could ask about a dead actor.
	Forgotten func(ids.ActorID)
}

type actor struct {
	id         ids.ActorID
	spec       *task.Spec
	kind       Kind // of its workers
	owner      ids.WorkerID
	entry      *task.Entry // until the first creation has an outcome
	args       []objects.Value
	state      submit.ActorState
	worker     *Worker
	wish       *wish
	restarts   int // left; -1 = for ever
	tries      int // times its constructor was sent to a worker
	made       int // times the constructor returned
	death      objects.Value
	outOfScope bool
	stop       func() // ends the wait for the constructor's arguments
}

// NewActors makes an empty directory.
func NewActors(s *Scheduler, hooks ActorHooks) *Actors {
	return &Actors{sched: s, hooks: hooks, all: map[ids.ActorID]*actor{}, names: map[string]ids.ActorID{}}
}

func nameKey(namespace, name string) string { return namespace + "\x00" + name }

// Register enters an actor whose creation was submitted. It stays pending until Create.
func (d *Actors) Register(e *task.Entry) error {
	c := e.Spec.Creation
	if d.all[e.Spec.Actor] != nil {
		return fmt.Errorf("actor %s was created before", e.Spec.Actor)
	}
	if c.Name != "" {
		key := nameKey(c.Namespace, c.Name)
		if _, taken := d.names[key]; taken {
			return ErrNameTaken
		}
		d.names[key] = e.Spec.Actor
	}
	d.all[e.Spec.Actor] = &actor{id: e.Spec.Actor, spec: e.Spec, kind: Kind{d.sched.host.JobOf(e.Owner), e.Spec.Env}, owner: e.Owner, entry: e, restarts: c.MaxRestarts}
	return nil
}

// Resolving notes how to end the wait for the constructor's arguments, should the actor die first.
func (d *Actors) Resolving(id ids.ActorID, stop func()) {
	if a := d.all[id]; a != nil {
		a.stop = stop
	}
}

// Create finds the actor a worker: its arguments are there.
func (d *Actors) Create(id ids.ActorID, args []objects.Value) {
	a := d.all[id]
	if a == nil || a.state == submit.Dead {
		return
	}
	a.args = args
	if a.entry != nil {
		a.entry.State = task.Queued
	}
	d.place(a)
}

func (d *Actors) place(a *actor) {
	res := a.spec.Resources
	if a.spec.Creation.HasPlacement {
		res = a.spec.Creation.Placement
	}
	a.wish = &wish{res: res, place: a.spec.Place, kind: a.kind, owner: a.owner,
		granted: func(w *Worker) { d.settle(a, w) },
		failed: func(r peer.Reply) {
			a.wish = nil
			death := r.Error
			if death.Metadata == nil {
				death = d.deathOf(a, r.Text, objects.DeathOfWorker, 0, true)
			}
			d.die(a, death, task.FailDead, r)
		}}
	d.sched.add(a.wish)
}

// settle gives the actor its worker and runs the constructor there.
func (d *Actors) settle(a *actor, w *Worker) {
	a.wish = nil
	a.worker, w.actor = w, a
	if a.entry != nil {
		a.entry.State = task.Pushed
	}
	a.tries++
	w.Exec.PushTask(&peer.Push{Spec: a.spec, Attempt: a.tries - 1, Args: a.args,
		Done: func(r peer.Reply) { d.constructed(a, w, r) }})
}

func (d *Actors) constructed(a *actor, w *Worker, r peer.Reply) {
	// A worker that died has lost its actor before its executor answers (Lost): the actor may have another one by now.
	if a.state == submit.Dead || a.worker != w {
		return
	}
	switch r.End {
	case task.OK:
		a.made++
		if a.spec.Creation.HasPlacement {
			d.rehold(w, a.spec.Resources)
		}
		w.Exec.Become(a.spec.Creation)
		a.state = submit.Alive
		if e := a.entry; e != nil {
			a.entry = nil
			d.hooks.Settle(e, task.Complete, peer.Reply{End: task.OK})
		}
		d.hooks.Changed(a.id)
		d.reap(a)
	case task.Failed:
		d.die(a, d.failedCreation(a, r), task.FailWith, r)
		d.end(a, w)
	default:
		d.die(a, d.deathOf(a, "its creation was canceled", objects.DeathByKill, w.PID, true), task.FailCancel, r)
		d.end(a, w)
	}
}

// rehold changes what the worker holds from what placing the actor took to what it keeps while it lives.
func (d *Actors) rehold(w *Worker, keep sched.Resources) {
	pool := w.pool
	d.sched.letGo(w)
	if gpus, ok := pool.Take(keep); ok {
		w.pool, w.held, w.gpus, w.holding = pool, keep, gpus, true
	}
	d.sched.schedule()
}

// end lets a worker go whose actor never came to life, or has left.
func (d *Actors) end(a *actor, w *Worker) {
	a.worker = nil
	w.actor = nil
	w.retiring = true
	w.Exec.Exit(false, "its actor is gone")
}

// Lost is called when an actor's worker is gone, after the scheduler knows and before its calls are answered. It
// restarts the actor or declares it dead.
func (d *Actors) Lost(w *Worker, text string) {
	a := w.actor
	if a == nil {
		return
	}
	w.actor = nil
	a.worker = nil
	if a.state == submit.Dead {
		return
	}
	if a.state != submit.Alive && !w.Exec.Began(a.spec.ID) {
		d.place(a) // nothing of it ran there: that costs no restart
		return
	}
	if a.restarts == 0 || a.entry != nil && a.entry.Canceled {
		v := task.FailDead
		if a.entry != nil && a.entry.Canceled {
			v = task.FailCancel
		}
		d.die(a, d.deathOf(a, text, objects.DeathOfWorker, w.PID, a.made == 0), v, peer.Reply{End: task.Died, Text: text})
		return
	}
	if a.restarts > 0 {
		a.restarts--
	}
	a.state = submit.Restarting
	d.hooks.Changed(a.id)
	d.place(a)
}

// Left is called when exit_actor() was called in the actor: it is dead, and its process is about to leave.
func (d *Actors) Left(w *Worker) {
	a := w.actor
	if a == nil || a.state == submit.Dead {
		return
	}
	a.worker, w.actor, w.retiring = nil, nil, true
	text := "exit_actor() was called: the actor left by itself"
	d.die(a, d.deathOf(a, text, objects.DeathOfWorker, w.PID, false), task.FailDead, peer.Reply{End: task.Died, Text: text})
}

// die fixes the actor's death and tells everybody.
func (d *Actors) die(a *actor, death objects.Value, v task.Verdict, r peer.Reply) {
	a.state, a.death = submit.Dead, death
	if a.stop != nil {
		a.stop()
		a.stop = nil
	}
	if a.wish != nil {
		d.sched.drop(a.wish)
		a.wish = nil
	}
	d.unname(a)
	if e := a.entry; e != nil {
		a.entry = nil
		d.hooks.Settle(e, v, r)
	}
	d.hooks.Released(a.spec)
	a.args = nil
	d.hooks.Changed(a.id)
	d.reap(a)
	d.sched.Settled(a.owner)
	d.hooks.Died(a.id)
}

func (d *Actors) unname(a *actor) {
	c := a.spec.Creation
	if key := nameKey(c.Namespace, c.Name); c.Name != "" && d.names[key] == a.id {
		delete(d.names, key)
	}
}

// Kill ends the actor's process. With noRestart, or when no restart is left, the actor is dead at once: calls made after
// the kill fail, whenever the process really ends.
func (d *Actors) Kill(id ids.ActorID, noRestart bool) {
	a := d.all[id]
	if a == nil || a.state == submit.Dead {
		return
	}
	w := a.worker
	if noRestart || a.restarts == 0 {
		pid := 0
		if w != nil {
			pid = w.PID
		}
		text := "it was killed by kill()"
		d.die(a, d.deathOf(a, text, objects.DeathByKill, pid, a.made == 0), task.FailDead, peer.Reply{End: task.Died, Text: text})
	}
	if w != nil {
		w.retiring, w.condemned = true, true
		d.hooks.Kill(w)
	}
}

// CancelCreation ends an actor that was not created yet.
func (d *Actors) CancelCreation(e *task.Entry) {
	a := d.all[e.Spec.Actor]
	if a == nil || a.entry != e {
		return
	}
	w := a.worker
	d.die(a, d.deathOf(a, "its creation was canceled", objects.DeathByKill, 0, true), task.FailCancel, peer.Reply{End: task.NotStarted})
	if w != nil { // the constructor runs: nothing else runs there
		a.worker, w.actor, w.retiring = nil, nil, true
		d.hooks.Kill(w)
	}
}

// FailCreation ends an actor whose creation arguments are an error.
func (d *Actors) FailCreation(id ids.ActorID, cause objects.Value) {
	if a := d.all[id]; a != nil && a.state != submit.Dead {
		r := peer.Reply{End: task.Failed, Error: cause, Text: "an argument of its constructor could not be computed"}
		d.die(a, d.failedCreation(a, r), task.FailWith, r)
	}
}

// Unschedulable ends an actor that no machine can ever hold.
func (d *Actors) Unschedulable(id ids.ActorID, why string) {
	if a := d.all[id]; a != nil && a.state != submit.Dead {
		d.die(a, objects.ActorUnschedulable(why), task.FailDead, peer.Reply{End: task.Died, Text: why})
	}
}

// OutOfScope is called when no handle of the actor is left anywhere. It leaves once its calls have their outcomes.
func (d *Actors) OutOfScope(id ids.ActorID) {
	if a := d.all[id]; a != nil {
		a.outOfScope = true
		d.reap(a)
	}
}

// InScope is called when a detached actor, of which no handle was left, gets one by its name.
func (d *Actors) InScope(id ids.ActorID) {
	if a := d.all[id]; a != nil {
		a.outOfScope = false
	}
}

// CallSettled is called when a call to the actor got its outcome.
func (d *Actors) CallSettled(id ids.ActorID) {
	if a := d.all[id]; a != nil {
		d.reap(a)
	}
}

// reap ends an actor that nobody refers to, and forgets one that is dead.
func (d *Actors) reap(a *actor) {
	if !a.outOfScope || d.hooks.Busy(a.id) {
		return
	}
	if a.state == submit.Dead {
		delete(d.all, a.id)
		d.hooks.Forgotten(a.id)
		return
	}
	if a.spec.Creation.Detached {
		return // its name is enough
	}
	if a.entry != nil {
		return // let the constructor run: it may be all that the actor was made for
	}
	w := a.worker
	text := "all handles to it are gone"
	d.die(a, d.deathOf(a, text, objects.DeathOutOfScope, 0, false), task.FailDead, peer.Reply{End: task.Died, Text: text})
	if w != nil {
		d.end(a, w)
	}
}

// Target implements submit.Directory.
func (d *Actors) Target(id ids.ActorID) (submit.Target, bool) {
	a := d.all[id]
	if a == nil {
		return submit.Target{}, false
	}
	t := submit.Target{State: a.state, Death: a.death, OutOfOrder: a.spec.Creation.OutOfOrder}
	if a.state == submit.Alive {
		t.Executor = a.worker.Exec
	}
	return t, true
}

// ByName returns the creation spec of the living actor that has the name.
func (d *Actors) ByName(namespace, name string) (*task.Spec, error) {
	id, ok := d.names[nameKey(namespace, name)]
	if !ok {
		return nil, fmt.Errorf("actor %q in namespace %q: %w", name, namespace, ErrNoSuchActor)
	}
	return d.all[id].spec, nil
}

// Names lists the named living actors, sorted by namespace and name.
func (d *Actors) Names() []*task.Spec {
	out := make([]*task.Spec, 0, len(d.names))
	for _, id := range d.names {
		out = append(out, d.all[id].spec)
	}
	slices.SortFunc(out, func(a, b *task.Spec) int {
		x, y := nameKey(a.Creation.Namespace, a.Creation.Name), nameKey(b.Creation.Namespace, b.Creation.Name)
		if x < y {
			return -1
		}
		return 1
	})
	return out
}

// OwnedBy lists the living, not detached actors that a process created, always in the same order.
func (d *Actors) OwnedBy(owner ids.WorkerID) []ids.ActorID {
	var out []ids.ActorID
	for id, a := range d.all {
		if a.owner == owner && a.state != submit.Dead && !a.spec.Creation.Detached {
			out = append(out, id)
		}
	}
	slices.SortFunc(out, func(a, b ids.ActorID) int { return bytes.Compare(a[:], b[:]) })
	return out
}

// Living is the number of actors of a job that are not dead.
func (d *Actors) Living(job ids.JobID) (n int) {
	for _, a := range d.all {
		if a.kind.Job == job && a.state != submit.Dead {
			n++
		}
	}
	return n
}

// OwnerGone ends an actor because the process that created it is gone, as Ray does.
func (d *Actors) OwnerGone(id ids.ActorID, text string) {
	a := d.all[id]
	if a == nil || a.state == submit.Dead {
		return
	}
	w := a.worker
	d.die(a, d.deathOf(a, text, objects.DeathOfOwner, 0, a.made == 0), task.FailDead, peer.Reply{End: task.Died, Text: text})
	if w != nil {
		w.retiring = true
		d.hooks.Kill(w)
	}
}

// GroupRemoved ends the actors that live in a placement group or were to: it was removed, and they go with it, whatever
// restarts they have left.
func (d *Actors) GroupRemoved(id ids.GroupID, why string) {
	var members []*actor // in order, so that the same history always ends the same way
	for _, a := range d.all {
		if a.spec.Place.Group == id && a.state != submit.Dead {
			members = append(members, a)
		}
	}
	slices.SortFunc(members, func(a, b *actor) int { return bytes.Compare(a.id[:], b.id[:]) })
	for _, a := range members {
		if a.state == submit.Dead {
			continue // the end of one before it has let go of the last handle of this one
		}
		w := a.worker
		death := objects.ActorGroupRemoved(why)
		if w != nil {
			death = d.deathOf(a, why, objects.DeathOfWorker, w.PID, a.made == 0)
		}
		d.die(a, death, task.FailDead, peer.Reply{End: task.Died, Text: why, Error: death})
		if w != nil {
			w.retiring = true
			d.hooks.Kill(w)
		}
	}
}

// Death is the error object that the calls of a dead actor get, for a call whose reply brings none of its own.
func (d *Actors) Death(id ids.ActorID) (objects.Value, bool) {
	if a := d.all[id]; a != nil && a.state == submit.Dead {
		return a.death, true
	}
	return objects.Value{}, false
}

// Known says whether anything is known of the actor, dead or alive.
func (d *Actors) Known(id ids.ActorID) bool { return d.all[id] != nil }

// Alive is the number of actors that are not dead.
func (d *Actors) Alive() int {
	n := 0
	for _, a := range d.all {
		if a.state != submit.Dead {
			n++
		}
	}
	return n
}
