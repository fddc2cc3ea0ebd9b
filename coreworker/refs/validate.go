package refs

import "fmt"

// Validate checks everything that must hold between calls. It looks at every entry: for tests and debug builds.
func (t *Table) Validate() error {
	borrowers := make(map[slot]uint32)
	owned := 0
	for id, i := range t.procs.index {
		r := &t.procs.list[i]
		if r.id != id || r.owned == 0 && len(r.borrowed) == 0 {
			return fmt.Errorf("refs: process %s has the record of %s with nothing in it", id, r.id)
		}
		for s, n := range r.borrowed {
			if e := t.entries.at(s); n == 0 || t.entries.index[e.id] != s || e.owner == i {
				return fmt.Errorf("refs: process %s borrows %d of %s", id, n, e.id)
			}
			borrowers[s]++
		}
		n := 0
		prev := none
		for s := r.first; s != none; prev, s = s, t.entries.at(s).next {
			if e := t.entries.at(s); e.owner != i || e.prev != prev {
				return fmt.Errorf("refs: %s is listed with process %s", e.id, id)
			}
			n++
		}
		if n != r.owned || r.last != prev {
			return fmt.Errorf("refs: process %s owns %d, listed are %d", id, r.owned, n)
		}
		owned += n
	}
	if owned != t.entries.len() || len(t.queue) != 0 {
		return fmt.Errorf("refs: %d entries, %d of them owned, %d left to free", t.entries.len(), owned, len(t.queue))
	}
	return t.validateEntries(borrowers)
}

func (t *Table) validateEntries(borrowers map[slot]uint32) error {
	inside := make(map[slot]uint32)
	for outer, list := range t.inner {
		o := t.entries.at(outer)
		if t.entries.index[o.id] != outer || len(list) == 0 {
			return fmt.Errorf("refs: %d objects are inside of %s, which is gone", len(list), o.id)
		}
		once := make(map[slot]bool)
		for _, s := range list {
			if e := t.entries.at(s); once[s] || s == outer || t.entries.index[e.id] != s {
				return fmt.Errorf("refs: %s is inside of %s twice, in itself or after it went", e.id, o.id)
			}
			once[s] = true
			inside[s]++
		}
	}
	for id, s := range t.entries.index {
		switch e := t.entries.at(s); {
		case e.id != id:
			return fmt.Errorf("refs: %s is listed as %s", e.id, id)
		case e.queued || e.unreferenced():
			return fmt.Errorf("refs: nothing refers to %s", t.Story(id))
		case !e.touched && (e.owned > 0 || e.borrowers > 0 || e.uses > 0 || e.inside > 0):
			return fmt.Errorf("refs: said to be new: %s", t.Story(id))
		case e.borrowers != borrowers[s] || e.inside != inside[s]:
			return fmt.Errorf("refs: %d borrow it and %d contain it: %s", borrowers[s], inside[s], t.Story(id))
		}
	}
	return nil
}
