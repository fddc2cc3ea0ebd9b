package execute

import "github.com/mobula/mobula/coreworker/ids"

// Each calls fn with everything that is here; running says whether it is in user code, as far as the core can know: what was
// pushed ahead and stands first has most likely begun.
func (x *Executor) Each(fn func(r *Run, running bool)) {
	for _, r := range x.runs {
		fn(r, r.running())
	}
}

// Ahead is what keeps a run from beginning: what its lane has before it, or what occupies the lanes of its group.
func (x *Executor) Ahead(r *Run) []*Run {
	var out []*Run
	if r.lane != nil {
		return append(out, r.lane.pushed[:1]...)
	}
	for _, o := range x.runs {
		if o != r && o.group == r.group && o.running() {
			out = append(out, o)
		}
	}
	return out
}

// Find returns the run of a task that is here, or nil, and whether it is in user code.
func (x *Executor) Find(id ids.TaskID) (found *Run, running bool) {
	r := x.runs[id]
	return r, r != nil && r.running()
}

func (r *Run) running() bool {
	l := r.lane
	return l != nil && (l.kind == Loop || len(l.pushed) > 0 && l.pushed[0] == r)
}
