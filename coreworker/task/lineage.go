package task

import (
	"container/list"
	"fmt"

	"github.com/mobula/mobula/coreworker/ids"
	"github.com/mobula/mobula/coreworker/objects"
)

// Kept is a finished task that can be run again, should a result of it be lost.
type Kept struct {
	Spec    *Spec // nil: it cannot be run again, and Refusal says why
	Owner   ids.WorkerID
	Retries int // left; -1 = for ever
	Attempt int // the last one
	Items   int // as of its entry
	Refusal objects.ErrorType
	// Small holds the values of reference arguments that are small, by object: they may be gone when they are needed again.
	Small map[ids.ObjectID]objects.Value

	id      ids.TaskID
	returns int // large results that are there
	users   int // kept tasks that take its results
	size    uint64
	elem    *list.Element
}

// Lineage keeps finished tasks while their large results are there, and those that made the arguments of what is kept, as far
// as they fit into a number of bytes: beyond it the oldest are given up, and only that is remembered.
type Lineage struct {
	kept  map[ids.TaskID]*Kept
	order list.List // of *Kept with a spec, the oldest first
	bytes uint64
	limit uint64
}

// specBytes is about what a spec takes without its values.
const specBytes = 1024

// NewLineage makes an empty one.
func NewLineage(limit uint64) *Lineage { return &Lineage{kept: map[ids.TaskID]*Kept{}, limit: limit} }

// Keep remembers a task that has just completed and has so many large results there. small gives the values of its small
// reference arguments. A task without any is forgotten, unless others need it.
func (l *Lineage) Keep(e *Entry, returns int, small map[ids.ObjectID]objects.Value) {
	k := l.kept[e.Spec.ID]
	if k == nil {
		if returns == 0 {
			return
		}
		k = &Kept{id: e.Spec.ID, Owner: e.Owner}
		l.kept[k.id] = k
	}
	k.Retries, k.Attempt, k.Items, k.returns = e.Retries, e.Attempt, e.Items, returns
	switch {
	case k.Spec != nil || k.Refusal != 0: // it was run again
	case e.Spec.MaxRetries == 0:
		k.Refusal = objects.UnreconstructableMaxRetriesType
	default:
		l.enter(k, e.Spec, small)
	}
	l.look(k)
	l.fit()
}

func (l *Lineage) enter(k *Kept, s *Spec, small map[ids.ObjectID]objects.Value) {
	k.Spec, k.Small, k.size = s, small, specBytes
	for i := range s.Args {
		k.size += uint64(len(s.Args[i].Value.Data))
	}
	for _, v := range small {
		k.size += uint64(len(v.Data))
	}
	l.bytes += k.size
	k.elem = l.order.PushBack(k)
	l.eachMaker(s, func(maker *Kept) { maker.users++ })
}

// eachMaker calls fn with the kept tasks that made the arguments, once for each argument.
func (l *Lineage) eachMaker(s *Spec, fn func(*Kept)) {
	for i := range s.Args {
		if a := &s.Args[i]; a.IsRef {
			if maker := l.kept[a.Ref.Task()]; maker != nil && maker.id != s.ID && !a.Ref.IsPut() {
				fn(maker)
			}
		}
	}
}

// give lets go of a spec, and looks at what was kept for it alone.
func (l *Lineage) give(k *Kept) {
	s := k.Spec
	if s == nil {
		return
	}
	l.bytes -= k.size
	l.order.Remove(k.elem)
	k.Spec, k.Small, k.elem = nil, nil, nil
	l.eachMaker(s, func(maker *Kept) {
		maker.users--
		l.look(maker)
	})
}

// look forgets a task that nobody needs.
func (l *Lineage) look(k *Kept) {
	if k.returns == 0 && k.users == 0 && l.kept[k.id] == k {
		l.give(k)
		delete(l.kept, k.id)
	}
}

func (l *Lineage) fit() {
	for l.bytes > l.limit {
		oldest := l.order.Front().Value.(*Kept)
		l.give(oldest)
		oldest.Refusal = objects.ReconstructionEvictedType
	}
}

// Get is what is kept of a task, or nil.
func (l *Lineage) Get(id ids.TaskID) *Kept { return l.kept[id] }

// Gone is told that a large result is not there any more and nobody refers to it.
func (l *Lineage) Gone(id ids.ObjectID) {
	if k := l.kept[id.Task()]; k != nil && !id.IsPut() && k.returns > 0 {
		k.returns--
		l.look(k)
	}
}

// Forget lets a task go whose results are errors by now.
func (l *Lineage) Forget(id ids.TaskID) {
	if k := l.kept[id]; k != nil {
		l.give(k)
		delete(l.kept, id)
	}
}

// DropOwner lets go of the tasks of a process that is gone: nobody may run them again.
func (l *Lineage) DropOwner(owner ids.WorkerID) {
	for id, k := range l.kept {
		if k.Owner == owner {
			l.Forget(id)
		}
	}
}

// Len and Bytes are how much is kept.
func (l *Lineage) Len() int { return len(l.kept) }

// Bytes is about what the kept specs take.
func (l *Lineage) Bytes() uint64 { return l.bytes }

// Validate checks that counts and lists agree.
func (l *Lineage) Validate() error {
	bytes, specs := uint64(0), 0
	for id, k := range l.kept {
		if k.returns == 0 && k.users == 0 {
			return fmt.Errorf("lineage: %s is kept for nobody", id)
		}
		if k.Spec != nil {
			bytes += k.size
			specs++
		}
	}
	if bytes != l.bytes || specs != l.order.Len() {
		return fmt.Errorf("lineage: %d bytes in %d specs, counted %d in %d", bytes, specs, l.bytes, l.order.Len())
	}
	return nil
}
