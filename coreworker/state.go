package coreworker

import (
	"bytes"
	"cmp"
	"container/heap"
	"slices"
	"time"

	"github.com/mobula/mobula/coreworker/embedded"
	"github.com/mobula/mobula/coreworker/ids"
	"github.com/mobula/mobula/coreworker/objects"
	"github.com/mobula/mobula/coreworker/refs"
	"github.com/mobula/mobula/coreworker/sched"
	"github.com/mobula/mobula/coreworker/task"
)

// What people are shown of a session: `mobula list`, `mobula.util.state`. Each answer looks at everything of its kind and
// keeps `most` rows, so it holds the state lock for as long as there are things to look at: tens of milliseconds for a
// million tasks, only when somebody asks.

// Stage is where a task without an outcome is.
type Stage uint8

// The stages, in the order in which a task goes through them. A blocked one runs, and waits in a get or wait.
const (
	ForArguments Stage = iota
	ForWorker
	ForActor
	AtWorker
	Running
	Blocked
)

// TaskLook is a task without an outcome, as people are shown it.
type TaskLook struct {
	Entry  *task.Entry
	Stage  Stage
	Worker ids.WorkerID // that has it; zero before
	PID    int
	Since  time.Duration // when it began, on the core's clock; 0 before
}

// Tasks are the oldest `most` tasks without an outcome, the oldest first, and how many there are.
func (c *Core) Tasks(most int) (rows []TaskLook, total int) {
	kept := smallest[*task.Entry](most, func(a, b *task.Entry) int { return cmp.Compare(a.Born, b.Born) })
	c.tasks.Each(kept.offer)
	for _, e := range kept.sorted() {
		rows = append(rows, c.lookAtTask(e))
	}
	return rows, c.tasks.Len()
}

func (c *Core) lookAtTask(e *task.Entry) TaskLook {
	look := TaskLook{Entry: e}
	switch {
	case e.State == task.Waiting:
		look.Stage = ForArguments
	case e.State == task.Queued && e.Spec.Type == task.ActorMethod:
		look.Stage = ForActor
	case e.State == task.Queued:
		look.Stage = ForWorker
	default:
		look.Stage = AtWorker
		for _, p := range c.procs {
			x := p.Executor()
			if x == nil {
				continue
			}
			if r, running := x.Find(e.Spec.ID); r != nil {
				look.Worker, look.PID = p.ID, p.PID
				if running {
					look.Stage, look.Since = Running, r.Begun
				}
				if running && p.waitsIn(e.Spec.ID) != nil {
					look.Stage = Blocked
				}
				break
			}
		}
	}
	return look
}

// waitsIn is the request that a task of this process waits in, or nil.
func (p *Process) waitsIn(id ids.TaskID) *parked {
	for q := range p.parked {
		if q.asker.HasTask && q.asker.Task == id {
			return q
		}
	}
	return nil
}

// ActorsNow are `most` actors in the order of their ids, and how many there are.
func (c *Core) ActorsNow(most int) (rows []embedded.ActorLook, total int) {
	kept := smallest[embedded.ActorLook](most, func(a, b embedded.ActorLook) int { return bytes.Compare(a.Spec.Actor[:], b.Spec.Actor[:]) })
	c.actors.Each(kept.offer)
	return kept.sorted(), kept.offered
}

// ObjectLook is an object as people are shown it.
type ObjectLook struct {
	ID      ids.ObjectID
	State   objects.State
	Size    uint64 // bytes of data
	Shared  bool   // in the arena
	IsError bool
	Refs    refs.Look
}

// ObjectsNow are the `most` largest objects, the largest first, and how many there are.
func (c *Core) ObjectsNow(most int) (rows []ObjectLook, total int) {
	kept := smallest[ObjectLook](most, func(a, b ObjectLook) int {
		return cmp.Or(cmp.Compare(b.Size, a.Size), bytes.Compare(a.ID[:], b.ID[:]))
	})
	c.store.Each(func(id ids.ObjectID, state objects.State, v objects.Value) {
		kept.offer(ObjectLook{ID: id, State: state, Size: v.Size(), Shared: v.Block != nil, IsError: v.IsError})
	})
	rows = kept.sorted()
	for i := range rows {
		rows[i].Refs, _ = c.refs.Look(rows[i].ID)
	}
	return rows, kept.offered
}

// WorkerLook is a worker process as people are shown it.
type WorkerLook struct {
	ID       ids.WorkerID
	PID      int
	State    string
	Label    string // what it prints its lines under
	Actor    ids.ActorID
	HasActor bool
	Holds    sched.Resources
	Running  []ids.TaskID
}

// WorkersNow are all worker processes, in the order in which they were started.
func (c *Core) WorkersNow() (rows []WorkerLook) {
	c.sched.Each(func(w *embedded.Worker) {
		look := WorkerLook{ID: w.ID, PID: w.PID, State: w.State(), Label: c.Label(w.ID), Holds: w.Resources()}
		look.Actor, look.HasActor = w.Actor()
		if w.Exec != nil {
			look.Running = runningIn(w)
		}
		rows = append(rows, look)
	})
	return rows
}

// best keeps the `most` smallest of what it is offered, the largest of them on top of the heap.
type best[T any] struct {
	most    int
	order   func(a, b T) int
	kept    []T
	offered int
}

func smallest[T any](most int, order func(a, b T) int) *best[T] {
	return &best[T]{most: most, order: order}
}

func (b *best[T]) offer(one T) {
	b.offered++
	switch {
	case len(b.kept) < b.most:
		heap.Push(b, one)
	case b.most > 0 && b.order(one, b.kept[0]) < 0:
		b.kept[0] = one
		heap.Fix(b, 0)
	}
}

func (b *best[T]) sorted() []T {
	slices.SortFunc(b.kept, b.order)
	return b.kept
}

// heap.Interface.

func (b *best[T]) Len() int           { return len(b.kept) }
func (b *best[T]) Less(i, j int) bool { return b.order(b.kept[i], b.kept[j]) > 0 }
func (b *best[T]) Swap(i, j int)      { b.kept[i], b.kept[j] = b.kept[j], b.kept[i] }
func (b *best[T]) Push(one any)       { b.kept = append(b.kept, one.(T)) }
func (b *best[T]) Pop() any           { panic("best: nothing is ever popped") }
