package execute

import (
	"cmp"
	"slices"

	"github.com/mobula/mobula/coreworker/cancel"
	"github.com/mobula/mobula/coreworker/ids"
	"github.com/mobula/mobula/coreworker/peer"
	"github.com/mobula/mobula/coreworker/task"
)

// Window is how many tasks a main lane may hold, the running one included.
const Window = 32

// spareLanes is how many threads of a group there may be, or be on their way, beyond the methods that run.
const spareLanes = 8

// Executor is the executor's side of one worker process.
type Executor struct {
	Canceled cancel.Set
	// CancelChildren is told of a recursive cancel: the tasks that this one submitted are to be canceled.
	CancelChildren func(parent ids.TaskID, force bool)
	// Idle is told when nothing is queued or running here any more.
	Idle func()

	// Later has Trim called in a while. Nil: threads stay.
	Later func(func())
	// Witness may be nil.
	Witness Witness

	worker Worker
	groups map[string]*group
	lanes  map[*Lane]struct{}
	main   *Lane
	runs   map[ids.TaskID]*Run
	pushes uint64 // so far
	dead   bool
	actor  bool
	// trimming is set from when Later was asked until Trim.
	trimming bool
}

// group is a concurrency group: a queue and the lanes that serve it.
type group struct {
	name    string
	limit   int
	kind    Kind
	queue   runQueue
	lanes   []*Lane
	opening int
}

// New makes the executor of a worker that has attached nothing yet.
func New(w Worker) *Executor {
	x := &Executor{worker: w, groups: map[string]*group{}, lanes: map[*Lane]struct{}{}, runs: map[ids.TaskID]*Run{}}
	x.groups[""] = &group{kind: Main, limit: 1}
	return x
}

// Become turns the executor into an actor's. Called when the actor's constructor has returned, before its first method
// is pushed: the constructor itself ran on the main lane.
func (x *Executor) Become(c *task.Creation) {
	x.actor = true
	kind := Main
	switch {
	case c.Asyncio:
		kind = Loop
	case c.MaxConcurrency > 1 || len(c.Groups) > 0:
		kind = Thread
	}
	limit := max(c.MaxConcurrency, 1)
	if kind == Main {
		x.groups[""].limit = 1
		return
	}
	x.groups = map[string]*group{"": {kind: kind, limit: limit}}
	for _, g := range c.Groups {
		x.groups[g.Name] = &group{name: g.Name, kind: kind, limit: max(g.MaxConcurrency, 1)}
	}
}

// PushTask queues one attempt and starts what can start.
func (x *Executor) PushTask(p *peer.Push) {
	if x.dead {
		p.Done(peer.Reply{End: task.NotStarted})
		return
	}
	g := x.groups[p.Spec.Group]
	if g == nil || p.Spec.Type == task.ActorCreation {
		g = x.groups[""]
	}
	x.pushes++
	r := &Run{Push: p, group: g, number: x.pushes}
	x.runs[p.Spec.ID] = r
	g.queue.pushBack(r)
	x.pump(g)
}

// pump gives queued runs to lanes with room.
func (x *Executor) pump(g *group) {
	switch g.kind {
	case Main:
		// A window is filled up when half of it is done: many tasks then go out in one message, with one call for their
		// tickets, and the lane has always something to run.
		if x.main != nil && x.main.room(Window/2+1) {
			x.main.pushAhead(x, g, min(g.queue.len(), Window-len(x.main.pushed)))
		}
	case Thread:
		for _, l := range g.lanes {
			if g.queue.len() > 0 && l.room(1) {
				l.push(x, g.queue.popFront(), false)
			}
		}
		// A few at a time: a burst of short calls is over before the threads for all of them are there.
		for x.main != nil && g.queue.len() > g.opening && len(g.lanes)+g.opening < g.limit && g.opening < spareLanes {
			g.opening++
			x.main.port.OpenLane(g.name)
		}
	case Loop:
		if len(g.lanes) == 0 {
			if x.main != nil && g.queue.len() > 0 && g.opening == 0 {
				g.opening = 1
				x.main.port.OpenLane(g.name)
			}
			return
		}
		for l := g.lanes[0]; g.queue.len() > 0 && l.room(g.limit); {
			l.push(x, g.queue.popFront(), false)
		}
	}
}

// Finished is told by the process that a run ended.
func (x *Executor) Finished(id ids.TaskID, attempt int, reply peer.Reply) {
	r := x.runs[id]
	if r == nil || r.lane == nil || r.Attempt != attempt {
		return // taken back, of another attempt, or the same result again after a lane was lost
	}
	l := r.lane
	l.remove(r)
	x.end(r, reply)
	if l.kind == Main && len(l.pushed) > 0 {
		x.begins(l.pushed[0])
	}
	x.pump(r.group)
	x.spare(r.group)
	x.idle()
}

// end takes a run out and answers for it.
func (x *Executor) end(r *Run, reply peer.Reply) {
	delete(x.runs, r.Spec.ID)
	x.Canceled.Remove(r.Spec.ID)
	if x.Witness != nil && reply.End != task.NotStarted {
		x.Witness.Ended(r, reply)
	}
	r.Done(reply)
}

func (x *Executor) begins(r *Run) {
	if x.Witness != nil {
		x.Witness.Begins(r)
	}
}

func (x *Executor) idle() {
	if len(x.runs) == 0 && !x.dead && x.Idle != nil {
		x.Idle()
	}
}

// Process is the way to the process, as New was given it.
func (x *Executor) Process() Worker { return x.worker }

// Load is the number of runs that are here, queued or with a lane.
func (x *Executor) Load() int { return len(x.runs) }

// Queued is the number of runs no lane has.
func (x *Executor) Queued() int {
	n := 0
	for _, g := range x.groups {
		n += g.queue.len()
	}
	return n
}

// Running returns the runs that a lane has.
func (x *Executor) Running() []*Run {
	var out []*Run
	for l := range x.lanes {
		out = append(out, l.pushed...)
	}
	return out
}

// Die answers for everything that was here. A normal task that never started uses up nobody's attempt; the calls of an
// actor share its fate, as in Ray.
func (x *Executor) Die(reply peer.Reply) {
	if x.dead {
		return
	}
	x.Recall()
	x.dead = true
	for _, r := range x.all() {
		r.group.queue.remove(r)
		if r.lane == nil && !x.actor {
			x.end(r, peer.Reply{End: task.NotStarted, Text: reply.Text})
		} else {
			x.end(r, reply)
		}
	}
}

// all lists the runs that are here, on whatever lane, also one whose stream ended, in the order they came.
func (x *Executor) all() []*Run {
	out := make([]*Run, 0, len(x.runs))
	for _, r := range x.runs {
		out = append(out, r)
	}
	slices.SortFunc(out, func(a, b *Run) int { return cmp.Compare(a.number, b.number) })
	return out
}

// Began says whether a run may have started: a lane has it, with its ticket.
func (x *Executor) Began(id ids.TaskID) bool { r := x.runs[id]; return r != nil && r.lane != nil }

// Begun lists the runs that may have started, in the order they came, also those of a lane whose stream has ended.
func (x *Executor) Begun() []*Run {
	return slices.DeleteFunc(x.all(), func(r *Run) bool { return r.lane == nil })
}

// Dead says whether Die was called.
func (x *Executor) Dead() bool { return x.dead }

// Exit asks the process to leave once what it runs has ended, or at once.
func (x *Executor) Exit(now bool, why string) {
	if x.main != nil {
		x.main.port.Exit(now, why)
	}
}
