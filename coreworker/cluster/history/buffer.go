package history

import (
	"slices"
	"sync"
	"time"

	"github.com/mobula/mobula/coreworker/ids"
	"github.com/mobula/mobula/proto/ray"
)

// Attempt names one attempt of a task.
type Attempt struct {
	Task   ids.TaskID
	Number int
}

// Buffer is what was not told yet, by attempts, in the order in which they were first noted. All of it may be called from anywhere.
type Buffer struct {
	job  ids.JobID
	most int // attempts that are kept

	mu      sync.Mutex
	known   map[Attempt]*ray.TaskEvents
	order   []Attempt
	dropped []Attempt // of which something was lost, and the GCS does not know yet
}

// NewBuffer makes an empty one of a job that keeps at most so many attempts.
func NewBuffer(job ids.JobID, most int) *Buffer {
	return &Buffer{job: job, most: most, known: map[Attempt]*ray.TaskEvents{}}
}

// Note says that an attempt came into a state. add, which may be nil, adds what else is known.
func (b *Buffer) Note(a Attempt, status ray.TaskStatus, at time.Time, add func(*ray.TaskEvents)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	e := b.known[a]
	if e == nil {
		if len(b.order) >= b.most {
			b.drop(b.order[0])
			delete(b.known, b.order[0])
			b.order = b.order[1:]
		}
		e = &ray.TaskEvents{TaskId: a.Task.Bytes(), AttemptNumber: int32(a.Number), JobId: b.job.Bytes(),
			StateUpdates: &ray.TaskStateUpdate{StateTsNs: map[int32]int64{}}}
		b.known[a] = e
		b.order = append(b.order, a)
	}
	e.StateUpdates.StateTsNs[int32(status)] = at.UnixNano()
	if add != nil {
		add(e)
	}
}

// drop remembers an attempt of which something is lost, as far as there is room: what is too much is lost without a word.
func (b *Buffer) drop(a Attempt) {
	if len(b.dropped) < b.most {
		b.dropped = append(b.dropped, a)
	}
}

// Take takes the oldest `most` attempts out, and as many that were dropped. Nil: there is nothing.
func (b *Buffer) Take(most int) *ray.TaskEventData {
	b.mu.Lock()
	defer b.mu.Unlock()
	n, lost := min(most, len(b.order)), min(most, len(b.dropped))
	if n+lost == 0 {
		return nil
	}
	out := &ray.TaskEventData{JobId: b.job.Bytes(), EventsByTask: make([]*ray.TaskEvents, n)}
	for i, a := range b.order[:n] {
		out.EventsByTask[i] = b.known[a]
		delete(b.known, a)
	}
	b.order = slices.Clone(b.order[n:])
	for _, a := range b.dropped[:lost] {
		out.DroppedTaskAttempts = append(out.DroppedTaskAttempts, &ray.TaskAttempt{TaskId: a.Task.Bytes(), AttemptNumber: int32(a.Number)})
	}
	b.dropped = slices.Clone(b.dropped[lost:])
	return out
}

// Lost is told that what was taken did not arrive.
func (b *Buffer) Lost(data *ray.TaskEventData) {
	b.mu.Lock()
	defer b.mu.Unlock()
	again := func(task []byte, number int32) {
		if id, err := ids.Task(task); err == nil {
			b.drop(Attempt{id, int(number)})
		}
	}
	for _, e := range data.EventsByTask {
		again(e.TaskId, e.AttemptNumber)
	}
	for _, a := range data.DroppedTaskAttempts {
		again(a.TaskId, a.AttemptNumber)
	}
}
