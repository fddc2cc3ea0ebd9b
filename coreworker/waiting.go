package coreworker

import (
	"cmp"
	"slices"
	"time"

	"github.com/mobula/mobula/coreworker/execute"
	"github.com/mobula/mobula/coreworker/ids"
	"github.com/mobula/mobula/coreworker/objects"
)

// maxParked bounds the requests of one process that wait for objects: a future that somebody awaits is one each.
const maxParked = 1 << 20

// Asker is who waits in the core: a lane of a process, and the task it asks for.
type Asker struct {
	Process *Process
	Lane    *execute.Lane // nil where the thread brings no tasks
	Task    ids.TaskID
	HasTask bool
	// Told says that the task could know that it is canceled when it began to wait.
	Told bool
}

// unaware says whether the task that begins to wait was canceled and could not know: a cancel that overtook the request
// found nothing to wake.
func (a Asker) unaware() bool {
	return a.HasTask && !a.Told && a.Process.worker != nil && a.Process.worker.Exec.WokeFor(a.Task)
}

// Fetched is the answer to Get.
type Fetched struct {
	Values   []objects.Value // pinned for the asker; as asked, or the one error
	TimedOut bool
	Failed   bool
	Index    int // of the error in what was asked
	Canceled bool
}

// Waited is the answer to Wait.
type Waited struct {
	Ready    []Readiness // as asked
	Canceled bool
}

// Readiness is what Wait tells of one object.
type Readiness byte

const (
	NotReady Readiness = iota
	Ready              // never of more than were wanted: of the first ones
	ReadyToo           // more than were wanted
)

func (r Readiness) String() string { return [...]string{"no", "yes", "too"}[r] }

// parked is a request that waits. It ends once: by objects, by time, by a cancel, or because its process is gone.
type parked struct {
	asker  Asker
	number uint64         // in the order they came
	objs   []ids.ObjectID // that it waits for, and some that are there
	stops  []func()
	tell   func(end) // answers
	over   bool
	lent   bool // its worker's processors
}

type end uint8

const (
	byObjects end = iota
	byTime
	byCancel
)

func (q *parked) finish(how end) {
	if q.over {
		return
	}
	q.drop()
	q.tell(how)
}

// enter notes that its process waits in it.
func (q *parked) enter() {
	p := q.asker.Process
	p.core.made++
	q.number = p.core.made
	p.parked[q] = struct{}{}
}

// requests lists what fits of what the process waits in, in the order it came: the same history always goes on the same way.
func (p *Process) requests(fit func(*parked) bool) (out []*parked) {
	for q := range p.parked {
		if fit(q) {
			out = append(out, q)
		}
	}
	slices.SortFunc(out, func(a, b *parked) int { return cmp.Compare(a.number, b.number) })
	return out
}

// drop ends the wait without an answer.
func (q *parked) drop() {
	if q.over {
		return
	}
	q.over = true
	for _, stop := range q.stops {
		stop()
	}
	p := q.asker.Process
	delete(p.parked, q)
	if q.lent && !p.gone {
		p.worker.Exec.Unblocked(q.asker.Lane)
		if !p.worker.Exec.IsBlocked() {
			p.core.sched.Unblocked(p.worker)
		}
	}
}

// park registers the request and its time limit. A worker whose user code waits here for others lends its processors.
func (c *Core) park(q *parked, timeout time.Duration, limited bool) {
	c.register(q, timeout, limited)
	c.lend(q)
}

func (c *Core) register(q *parked, timeout time.Duration, limited bool) {
	q.enter()
	if limited {
		q.stops = append(q.stops, c.After(timeout, func() { q.finish(byTime) }))
	}
}

func (c *Core) lend(q *parked) {
	if p := q.asker.Process; q.asker.Lane != nil && !q.lent {
		q.lent = true
		c.sched.Blocked(p.worker) // first: what is taken back next must not go to this worker again
		p.worker.Exec.Blocked(q.asker.Lane)
	}
}

// Wait answers when `want` of the objects are there, when the time is over, or when the asking task is canceled.
func (c *Core) Wait(a Asker, objs []ids.ObjectID, want int, timeout time.Duration, limited bool, answer func(Waited)) (abandon func()) {
	ready := 0
	for _, id := range objs {
		if _, ok := c.Value(id); ok {
			ready++
		}
	}
	look := func() Waited {
		out, n := make([]Readiness, len(objs)), 0
		for i, id := range objs {
			if _, ok := c.Value(id); !ok {
				continue
			}
			if out[i] = ReadyToo; n < want {
				out[i] = Ready
			}
			n++
		}
		return Waited{Ready: out}
	}
	if ready >= want || limited && timeout <= 0 {
		answer(look())
		return func() {}
	}
	if a.unaware() {
		w := look()
		w.Canceled = true
		answer(w)
		return func() {}
	}
	q := &parked{asker: a, objs: objs}
	q.tell = func(how end) {
		w := look()
		w.Canceled = how == byCancel
		answer(w)
	}
	c.park(q, timeout, limited)
	for _, id := range objs {
		if q.over {
			break
		}
		if _, ok := c.Value(id); ok {
			continue
		}
		q.stops = append(q.stops, c.OnReady(id, func() {
			if ready++; ready >= want {
				q.finish(byObjects)
			}
		}))
	}
	return q.drop
}

// Wake answers what a task is blocked in with "canceled": a canceled method must not wait on for what it asked.
func (p *Process) Wake(id ids.TaskID) {
	for _, q := range p.requests(func(q *parked) bool { return q.asker.HasTask && q.asker.Task == id }) {
		q.finish(byCancel)
	}
}
