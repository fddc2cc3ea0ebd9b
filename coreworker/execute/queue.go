package execute

import "slices"

// runQueue is a first-in first-out queue that can also be entered at the front and left from the middle.
type runQueue struct {
	list []*Run
	head int
}

func (q *runQueue) len() int { return len(q.list) - q.head }

func (q *runQueue) pushBack(r *Run) { q.list = append(q.list, r) }

func (q *runQueue) pushFront(r *Run) {
	if q.head > 0 {
		q.head--
		q.list[q.head] = r
		return
	}
	q.list = slices.Insert(q.list, 0, r)
}

func (q *runQueue) popFront() *Run {
	r := q.list[q.head]
	q.list[q.head] = nil
	q.head++
	if q.head == len(q.list) {
		q.list, q.head = q.list[:0], 0
	}
	return r
}

func (q *runQueue) remove(r *Run) {
	if i := slices.Index(q.list[q.head:], r); i >= 0 {
		q.list = slices.Delete(q.list, q.head+i, q.head+i+1)
	}
}

func (q *runQueue) items() []*Run { return slices.Clone(q.list[q.head:]) }
