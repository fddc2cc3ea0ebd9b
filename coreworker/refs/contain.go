package refs

import (
	"errors"
	"fmt"
	"slices"

	"github.com/mobula/mobula/coreworker/ids"
)

// Contain notes that the outer object has the inner ones pickled inside: they stay as long as it does. Ids that are
// inside already, or are repeated, count once. Unknown inner objects, and outer itself, are left out; the error names
// them.
func (t *Table) Contain(outer ids.ObjectID, inner []ids.ObjectID) error {
	if len(inner) == 0 {
		return nil
	}
	o, ok := t.entries.find(outer)
	if !ok {
		return fmt.Errorf("contain in %s: %w", outer, ErrUnknown)
	}
	list := t.inner[o]
	// A long list (a value with ten thousand refs) must not be searched for each of its members.
	var seen map[slot]struct{}
	if len(list)+len(inner) > 16 {
		seen = make(map[slot]struct{}, len(list)+len(inner))
		for _, s := range list {
			seen[s] = struct{}{}
		}
	}
	var errs []error
	for _, obj := range inner {
		s, ok := t.entries.find(obj)
		if !ok || s == o {
			errs = append(errs, fmt.Errorf("contain %s in %s: %w", obj, outer, refusal(ok)))
			continue
		}
		if seen == nil {
			if slices.Contains(list, s) {
				continue
			}
		} else {
			if _, dup := seen[s]; dup {
				continue
			}
			seen[s] = struct{}{}
		}
		list = append(list, s)
		e := t.entries.at(s)
		e.inside++
		e.touched = true
	}
	if len(list) > 0 {
		t.inner[o] = list
	}
	return errors.Join(errs...)
}

// ErrSelf is returned by Contain for an object said to be inside itself: it would never go.
var ErrSelf = errors.New("object contains itself")

func refusal(known bool) error {
	if known {
		return ErrSelf
	}
	return ErrUnknown
}

// Contained gives the objects inside, in the order they were named.
func (t *Table) Contained(outer ids.ObjectID) []ids.ObjectID {
	o, ok := t.entries.find(outer)
	if !ok {
		return nil
	}
	list := make([]ids.ObjectID, 0, len(t.inner[o]))
	for _, s := range t.inner[o] {
		list = append(list, t.entries.at(s).id)
	}
	return list
}

// free frees the object if nothing refers to it, with all that goes with it.
func (t *Table) free(freed []ids.ObjectID, s slot) []ids.ObjectID {
	t.enqueue(s)
	return t.drain(freed)
}

func (t *Table) enqueue(s slot) {
	if e := t.entries.at(s); e.unreferenced() && !e.queued {
		e.queued = true
		t.queue = append(t.queue, s)
	}
}

// drain removes what is queued and what falls with it: a queue, not recursion, since chains of objects may be as long
// as memory allows.
func (t *Table) drain(freed []ids.ObjectID) []ids.ObjectID {
	for i := 0; i < len(t.queue); i++ {
		s := t.queue[i]
		freed = append(freed, t.entries.at(s).id)
		for _, in := range t.inner[s] {
			t.entries.at(in).inside--
			t.enqueue(in)
		}
		delete(t.inner, s)
		t.procs.disown(&t.entries, s)
		t.entries.remove(s)
	}
	t.queue = t.queue[:0]
	return freed
}
