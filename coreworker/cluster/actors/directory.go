package actors

import (
	"fmt"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/mobula/mobula/coreworker/ids"
	"github.com/mobula/mobula/coreworker/objects"
	"github.com/mobula/mobula/coreworker/peer"
	"github.com/mobula/mobula/coreworker/submit"
	"github.com/mobula/mobula/coreworker/task"
	"github.com/mobula/mobula/proto/ray"
	"github.com/mobula/mobula/proto/rayvalue"
)

// newsPatience is how long a call whose worker does not answer waits to hear what became of the actor (Ray:
// timeout_ms_task_wait_for_death_info).
const newsPatience = time.Second

// Host does what Directory decides. Nothing in it blocks or calls back at once, but Changed and Settle.
type Host interface {
	Register(*task.Entry)                             // RegisterActor; Registered is the answer
	Create(*task.Entry, []objects.Value)              // CreateActor; Created is the answer
	Watch(ids.ActorID)                                // Told is called with every state from now on, and with that of now
	Kill(id ids.ActorID, noRestart bool)              // KillActorViaGcs
	LetGo(ids.ActorID)                                // answers WaitForActorRefDeleted: no handle is left
	Executor(ids.ActorID, *ray.Address) peer.Executor // of one incarnation
	// Changed is called after an actor's state changed: the callers' queues look again.
	Changed(ids.ActorID)
	// Settle fixes the outcome of a creation task.
	Settle(*task.Entry, task.Verdict, peer.Reply)
	After(d time.Duration, fn func()) (stop func())
}

// Directory is all actors that the driver has made or has handles of.
type Directory struct {
	host Host
	all  map[ids.ActorID]*actor
}

type actor struct {
	id         ids.ActorID
	entry      *task.Entry // of the creation, until it has an outcome
	args       []objects.Value
	registered bool
	ready      bool // the constructor's arguments are there
	state      submit.ActorState
	restarts   int64 // of the newest state that was told
	exec       peer.Executor
	outOfOrder bool
	death      objects.Value
	news       []*news
}

// news waits for a state that is not Alive in the incarnation that does not answer.
type news struct {
	stop func()
	then func()
}

// New makes an empty directory.
func New(host Host) *Directory { return &Directory{host: host, all: map[ids.ActorID]*actor{}} }

// Register enters an actor whose creation was submitted.
func (d *Directory) Register(e *task.Entry) error {
	if d.all[e.Spec.Actor] != nil {
		return fmt.Errorf("actor %s was created before", e.Spec.Actor)
	}
	d.all[e.Spec.Actor] = &actor{id: e.Spec.Actor, entry: e, outOfOrder: e.Spec.Creation.OutOfOrder}
	d.host.Register(e)
	return nil
}

// Meet enters an actor that somebody else made, of which this driver has a handle.
func (d *Directory) Meet(id ids.ActorID, outOfOrder bool) {
	if d.all[id] == nil {
		d.all[id] = &actor{id: id, outOfOrder: outOfOrder, registered: true}
		d.host.Watch(id)
	}
}

// Registered is told what the GCS says of a registration: nil, or why not.
func (d *Directory) Registered(id ids.ActorID, err error) {
	a := d.all[id]
	if a == nil || a.state == submit.Dead {
		return
	}
	if err != nil {
		d.die(a, objects.ActorDied(objects.Death{Actor: id, Text: err.Error(), NeverStarted: true}))
		return
	}
	a.registered = true
	d.host.Watch(id) // before it is created, so that no state is missed
	d.create(a)
}

// Create is told that the constructor's arguments are there.
func (d *Directory) Create(id ids.ActorID, args []objects.Value) {
	if a := d.all[id]; a != nil && a.entry != nil {
		a.args, a.ready = args, true
		a.entry.State = task.Queued
		d.create(a)
	}
}

func (d *Directory) create(a *actor) {
	if a.registered && a.ready && a.entry != nil && a.state != submit.Dead {
		a.entry.State = task.Pushed
		d.host.Create(a.entry, a.args)
	}
}

// Created is told what the GCS says of a creation. It may come before or after the state that says so.
func (d *Directory) Created(id ids.ActorID, at *ray.Address, cause *ray.ActorDeathCause, err error) {
	a := d.all[id]
	switch {
	case a == nil || a.state == submit.Dead:
	case cause != nil:
		d.die(a, deathOf(id, cause))
	case err != nil:
		// What is published says it in the cluster's own terms, such as the constructor's exception. It comes before or after this.
		d.host.After(newsPatience, func() {
			if a.state == submit.Pending {
				d.die(a, objects.ActorDied(objects.Death{Actor: id, Text: err.Error(), NeverStarted: true}))
			}
		})
	case a.restarts == 0 && a.state == submit.Pending:
		d.live(a, at)
	}
}

// Told is told a state. What is older than what is known is nothing new, and nothing follows death. Which actor it is of does not
// stand in what is published.
func (d *Directory) Told(id ids.ActorID, t *ray.ActorTableData) {
	a := d.all[id]
	if a == nil || a.state == submit.Dead || t.NumRestarts < a.restarts {
		return
	}
	switch t.State {
	case ray.ActorTableData_ALIVE:
		if a.state == submit.Alive && t.NumRestarts == a.restarts {
			return
		}
		a.restarts = t.NumRestarts
		d.live(a, t.Address)
	case ray.ActorTableData_RESTARTING:
		if a.state == submit.Alive && t.NumRestarts == a.restarts {
			return // of before it lived again: the number went up with the restart
		}
		a.restarts, a.exec, a.state = t.NumRestarts, nil, submit.Restarting
		d.changed(a)
	case ray.ActorTableData_DEAD:
		d.die(a, deathOf(id, t.DeathCause))
	}
}

func (d *Directory) live(a *actor, at *ray.Address) {
	a.exec, a.state = d.host.Executor(a.id, at), submit.Alive
	if e := a.entry; e != nil {
		a.entry, a.args = nil, nil
		d.host.Settle(e, task.Complete, peer.Reply{End: task.OK})
	}
	d.changed(a)
}

func (d *Directory) die(a *actor, death objects.Value) {
	a.state, a.exec, a.death = submit.Dead, nil, death
	if e := a.entry; e != nil {
		a.entry, a.args = nil, nil
		v := task.FailDead
		if e.Canceled {
			v = task.FailCancel
		}
		d.host.Settle(e, v, peer.Reply{End: task.Died, Error: death})
	}
	d.changed(a)
}

// changed tells the calls that wait for news first: they go back into the queue before it is looked at.
func (d *Directory) changed(a *actor) {
	waiting := a.news
	a.news = nil
	for _, n := range waiting {
		n.stop()
		n.then()
	}
	d.host.Changed(a.id)
}

// News calls then once it is known what became of the actor since this executor was its worker, or after a second. A call
// whose worker does not answer waits for it: the actor may be dead, made anew, or only out of reach.
func (d *Directory) News(id ids.ActorID, of peer.Executor, then func()) {
	a := d.all[id]
	if a == nil || a.exec != of {
		then()
		return
	}
	n := &news{then: then}
	n.stop = d.host.After(newsPatience, func() {
		for i, other := range a.news {
			if other == n {
				a.news = append(a.news[:i:i], a.news[i+1:]...)
				break
			}
		}
		then()
	})
	a.news = append(a.news, n)
}

// Fail ends an actor of which it is known here that it cannot be made.
func (d *Directory) Fail(id ids.ActorID, death objects.Value) {
	if a := d.all[id]; a != nil && a.state != submit.Dead {
		d.host.Kill(id, true)
		d.die(a, death)
	}
}

// Kill implements kill(): what becomes of the actor is told as everything else.
func (d *Directory) Kill(id ids.ActorID, noRestart bool) {
	if a := d.all[id]; a != nil && a.state != submit.Dead {
		d.host.Kill(id, noRestart)
	}
}

// OutOfScope is called when this driver made the actor and no handle of it is left.
func (d *Directory) OutOfScope(id ids.ActorID) { d.host.LetGo(id) }

// Target implements submit.Directory.
func (d *Directory) Target(id ids.ActorID) (submit.Target, bool) {
	a := d.all[id]
	if a == nil {
		return submit.Target{}, false
	}
	return submit.Target{State: a.state, Executor: a.exec, Death: a.death, OutOfOrder: a.outOfOrder}, true
}

// Validate checks what must hold between calls.
func (d *Directory) Validate() error {
	for id, a := range d.all {
		if a.id != id || (a.state == submit.Alive) != (a.exec != nil) || a.state == submit.Dead && (a.entry != nil || len(a.news) > 0 || !a.death.IsError) {
			return fmt.Errorf("actors: %s is %s, with executor %v, entry %v, %d waiting", id, a.state, a.exec != nil, a.entry != nil, len(a.news))
		}
	}
	return nil
}

// deathOf is the error of the calls to an actor that is dead of this cause.
func deathOf(id ids.ActorID, cause *ray.ActorDeathCause) objects.Value {
	switch c := cause.GetContext().(type) {
	case *ray.ActorDeathCause_RuntimeEnvFailedContext:
		return objects.RuntimeEnvSetupFailed(c.RuntimeEnvFailedContext.GetErrorMessage())
	case *ray.ActorDeathCause_ActorUnschedulableContext:
		return objects.ActorUnschedulable(c.ActorUnschedulableContext.GetErrorMessage())
	case *ray.ActorDeathCause_OomContext:
		return objects.OutOfMemory(c.OomContext.GetErrorMessage())
	}
	// Both are Ray's message; what ours does not name passes through.
	raw, err := proto.Marshal(&ray.RayErrorInfo{Error: &ray.RayErrorInfo_ActorDiedError{ActorDiedError: cause},
		ErrorMessage: cause.GetActorDiedErrorContext().GetErrorMessage()})
	info := &rayvalue.ErrorInfo{}
	if err == nil {
		err = proto.Unmarshal(raw, info)
	}
	if cause.GetContext() == nil || err != nil {
		return objects.ActorDied(objects.Death{Actor: id, Text: "the cluster says that it is dead, and no cause"})
	}
	return objects.ErrorValue(objects.ActorDiedType, info)
}
