package embedded

import (
	"slices"

	"github.com/mobula/mobula/coreworker/ids"
	"github.com/mobula/mobula/coreworker/sched"
	"github.com/mobula/mobula/coreworker/submit"
	"github.com/mobula/mobula/coreworker/task"
)

// ActorLook is an actor as people are shown it.
type ActorLook struct {
	Spec     *task.Spec
	Owner    ids.WorkerID
	State    submit.ActorState
	Worker   *Worker // while it has one
	Restarts int     // so far
	OfNoUse  bool    // no handle is left
}

// Look tells of one actor.
func (d *Actors) Look(id ids.ActorID) (ActorLook, bool) {
	a := d.all[id]
	if a == nil {
		return ActorLook{}, false
	}
	return ActorLook{Spec: a.spec, Owner: a.owner, State: a.state, Worker: a.worker, Restarts: max(a.made-1, 0), OfNoUse: a.outOfScope}, true
}

// Each calls fn with every actor that is known, dead ones included.
func (d *Actors) Each(fn func(ActorLook)) {
	for id := range d.all {
		look, _ := d.Look(id)
		fn(look)
	}
}

// Each calls fn with every worker process, in the order in which they were started.
func (s *Scheduler) Each(fn func(*Worker)) {
	all := make([]*Worker, 0, len(s.workers))
	for _, w := range s.workers {
		all = append(all, w)
	}
	slices.SortFunc(all, func(a, b *Worker) int { return int(a.born) - int(b.born) })
	for _, w := range all {
		fn(w)
	}
}

// Starting are the amounts that wishes have taken whose worker processes are still starting; own says whether one of those
// wishes is this owner's, for this amount.
func (s *Scheduler) Starting(owner ids.WorkerID, res sched.Resources) (taken []sched.Resources, own bool) {
	for _, w := range s.placed {
		taken = append(taken, w.res)
		own = own || w.owner == owner && w.res.Equal(res)
	}
	return taken, own
}

// Lends says whether the worker's processors are lent to others, because what it runs is blocked.
func (w *Worker) Lends() bool { return w.blocked }

// Actor is the actor that lives in the worker.
func (w *Worker) Actor() (id ids.ActorID, ok bool) {
	if w.actor == nil {
		return id, false
	}
	return w.actor.id, true
}

// State says what the worker does, in a word.
func (w *Worker) State() string {
	switch {
	case !w.attached:
		return "STARTING"
	case w.retiring:
		return "LEAVING"
	case w.blocked:
		return "BLOCKED"
	case w.Leased():
		return "BUSY"
	}
	return "IDLE"
}
