package execute

import (
	"slices"

	"github.com/mobula/mobula/coreworker/peer"
	"github.com/mobula/mobula/coreworker/task"
)

// Lane is one thread or loop of the process that brings tasks to user code.
type Lane struct {
	port   Port
	kind   Kind
	group  *group
	pushed []*Run // in the order they were sent
	epoch  uint64
	// flagged is the newest epoch in the lane's word.
	flagged uint64
	// generation numbers the pushes between two take-backs; awaitDrop is set from a take-back until the process has
	// said that it dropped what was taken: pushing before that would let a stale task take a new task's ticket.
	generation uint64
	awaitDrop  bool
	detached   bool
	blocked    int // requests that user code on this lane waits in
}

// Attach adds a lane. The first one is the main lane; a later one answers an OpenLane of its group.
// Epochs of its runs begin after epoch.
func (x *Executor) Attach(port Port, groupName string, loop bool, epoch uint64) *Lane {
	l := &Lane{port: port, generation: 1, epoch: epoch}
	x.lanes[l] = struct{}{}
	if x.main == nil {
		l.group = x.groups[""]
		x.main = l
		x.pump(l.group)
		return l
	}
	g := x.groups[groupName]
	if g == nil {
		g = x.groups[""]
	}
	if loop {
		l.kind = Loop
	} else {
		l.kind = Thread
	}
	l.group = g
	g.lanes = append(g.lanes, l)
	g.opening = max(0, g.opening-1)
	x.pump(g)
	return l
}

// HasMain says whether there is a main lane, be it one whose stream ended with runs on it.
func (x *Executor) HasMain() bool { return x.main != nil }

// Detach forgets a lane whose stream ended, and says whether it had runs. Those have no outcome yet: the stream tells only
// that a thread's requests end. Most often the whole process is ending, and Die will answer for them.
func (x *Executor) Detach(l *Lane) (held bool) {
	delete(x.lanes, l)
	l.group.lanes = slices.DeleteFunc(l.group.lanes, func(o *Lane) bool { return o == l })
	if x.main == l && len(l.pushed) == 0 {
		x.main = nil
	}
	l.detached = true
	return len(l.pushed) > 0
}

func (l *Lane) room(limit int) bool { return !l.awaitDrop && !l.detached && len(l.pushed) < limit }

func (l *Lane) push(x *Executor, r *Run, ticketed bool) {
	l.epoch++
	r.lane, r.Epoch, r.Generation, r.Ticketed = l, l.epoch, l.generation, ticketed
	l.pushed = append(l.pushed, r)
	if l.kind != Main || len(l.pushed) == 1 {
		x.begins(r)
	}
	l.port.Run(r)
}

// pushAhead pushes the first n runs that g has queued, with a ticket for each.
func (l *Lane) pushAhead(x *Executor, g *group, n int) {
	if n == 0 {
		return
	}
	x.worker.Grant(n)
	for range n {
		l.push(x, g.queue.popFront(), true)
	}
}

func (l *Lane) remove(r *Run) {
	if i := slices.Index(l.pushed, r); i >= 0 {
		l.pushed = slices.Delete(l.pushed, i, i+1)
	}
}

// unstarted takes the last n pushed runs off: the n whose tickets the core holds now.
func (l *Lane) unstarted(n int) []*Run {
	n = min(n, len(l.pushed))
	cut := len(l.pushed) - n
	out := slices.Clone(l.pushed[cut:])
	l.pushed = l.pushed[:cut]
	return out
}

// takeBack takes every run of the main lane that has not started. The process drops them when it finds no ticket.
func (x *Executor) takeBack() []*Run {
	if x.main == nil || x.main.awaitDrop {
		return nil
	}
	back := x.main.unstarted(x.worker.TakeTickets())
	if len(back) == 0 {
		return nil
	}
	x.main.awaitDrop = true
	for _, r := range back {
		r.lane, r.Epoch, r.Begun = nil, 0, 0
	}
	return back
}

// Dropped is the process's word that nothing of this generation will start any more.
func (x *Executor) Dropped(l *Lane, generation uint64) {
	if generation != l.generation || !l.awaitDrop {
		return
	}
	l.generation++
	l.awaitDrop = false
	x.pump(l.group)
	x.idle()
}

// TakeBack gives what is queued or pushed ahead back to the submitter. An actor's calls stay: nobody else may run them.
func (x *Executor) TakeBack() int {
	if x.actor || x.dead {
		return 0
	}
	g := x.groups[""]
	back := append(x.takeBack(), g.queue.drain()...)
	for _, r := range back {
		x.end(r, peer.Reply{End: task.NotStarted})
	}
	return len(back)
}

// Blocked and Unblocked count the requests that user code of this lane waits in. A normal task that blocks must not
// hold back what was pushed behind it: that may be the very thing it waits for.
func (x *Executor) Blocked(l *Lane) {
	l.blocked++
	if l == x.main {
		x.TakeBack()
	}
}

// Unblocked undoes one Blocked.
func (x *Executor) Unblocked(l *Lane) { l.blocked-- }

// IsBlocked says whether any lane of the process waits in a request.
func (x *Executor) IsBlocked() bool {
	for l := range x.lanes {
		if l.blocked > 0 {
			return true
		}
	}
	return false
}
