package events

import (
	"time"

	"github.com/mobula/mobula/coreworker/ids"
	"github.com/mobula/mobula/coreworker/task"
)

// chunk is how many entries are made room for at a time.
const chunk = 1024

// Attempt is one attempt of a task that a worker had and that ended. It holds nothing of the task's values.
type Attempt struct {
	Task     ids.TaskID
	Worker   ids.WorkerID
	Function ids.FunctionID // zero for methods
	Type     task.Type
	End      task.Outcome
	Number   int
	PID      int
	// Name is what people see; Code is the function's own name where the name was given by hand. Method is set for methods,
	// ActorName for the creation of a named actor.
	Name, Code, Method, ActorName string
	// Text says in one line why it failed.
	Text string
	// Who called it: a process, and the task that it ran.
	Caller                 ids.WorkerID
	Parent                 ids.TaskID
	Called, Started, Ended time.Duration // on the core's clock
}

// Taken is a get that brought what a task returns. It was asked and answered at these times.
type Taken struct {
	Task            ids.TaskID
	By              ids.WorkerID
	In              ids.TaskID // the task that asked; zero where none did
	Asked, Answered time.Duration
}

// Log is a stream. The oldest entries go when it is full.
type Log[T any] struct {
	limit  int // chunks
	chunks [][]T
	first  uint64 // number of the oldest entry that is kept
	next   uint64 // number of the next one
}

// NewLog makes an empty stream that keeps at least the last `keep` entries.
func NewLog[T any](keep int) *Log[T] { return &Log[T]{limit: max((keep+chunk-1)/chunk, 1) + 1} }

// Add appends an entry.
func (l *Log[T]) Add(a T) {
	last := len(l.chunks) - 1
	if last < 0 || len(l.chunks[last]) == chunk {
		l.chunks = append(l.chunks, l.room())
		last = len(l.chunks) - 1
	}
	l.chunks[last] = append(l.chunks[last], a)
	l.next++
}

// room gives an empty chunk: a new one, or the oldest when the stream is full.
func (l *Log[T]) room() []T {
	if len(l.chunks) < l.limit {
		return make([]T, 0, chunk)
	}
	oldest := l.chunks[0]
	l.first += uint64(len(oldest))
	copy(l.chunks, l.chunks[1:])
	l.chunks = l.chunks[:len(l.chunks)-1]
	clear(oldest) // lets the texts go
	return oldest[:0]
}

// Read gives at most `most` entries from number `from` on, the number of the first of them, and the number to go on with.
// Entries that are gone are skipped: then the first is higher than what was asked for.
func (l *Log[T]) Read(from uint64, most int) (out []T, first, next uint64) {
	first = min(max(from, l.first), l.next)
	next = first
	for next < l.next && len(out) < most {
		at := int(next - l.first)
		part := l.chunks[at/chunk][at%chunk:]
		part = part[:min(len(part), most-len(out))]
		out = append(out, part...)
		next += uint64(len(part))
	}
	return out, first, next
}
