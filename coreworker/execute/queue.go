package execute

// runQueue is a first-in first-out queue that can also be entered at the front and left from the middle, each at the
// same cost however long it is.
type runQueue struct {
	first, last *Run
	n           int
}

func (q *runQueue) len() int { return q.n }

func (q *runQueue) pushBack(r *Run) {
	r.before, r.behind, r.queued = q.last, nil, true
	if q.last == nil {
		q.first = r
	} else {
		q.last.behind = r
	}
	q.last = r
	q.n++
}

func (q *runQueue) pushFront(r *Run) {
	r.before, r.behind, r.queued = nil, q.first, true
	if q.first == nil {
		q.last = r
	} else {
		q.first.before = r
	}
	q.first = r
	q.n++
}

// popFront takes the first one; there must be one.
func (q *runQueue) popFront() *Run {
	r := q.first
	q.remove(r)
	return r
}

// remove takes a run out wherever it is; one that is not queued stays as it is.
func (q *runQueue) remove(r *Run) {
	if !r.queued {
		return
	}
	if r.before == nil {
		q.first = r.behind
	} else {
		r.before.behind = r.behind
	}
	if r.behind == nil {
		q.last = r.before
	} else {
		r.behind.before = r.before
	}
	r.before, r.behind, r.queued = nil, nil, false
	q.n--
}

// drain takes all, in order.
func (q *runQueue) drain() []*Run {
	out := make([]*Run, 0, q.n)
	for q.n > 0 {
		out = append(out, q.popFront())
	}
	return out
}
