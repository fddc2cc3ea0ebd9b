package refs

import (
	"maps"
	"slices"

	"github.com/mobula/mobula/coreworker/ids"
)

// procIndex is the place of a process in procs: what an entry holds instead of 28 bytes of worker id.
type procIndex uint32

// proc is one process that owns or borrows something. The record of a dead one lasts as long as what it owned.
type proc struct {
	id       ids.WorkerID
	owned    int             // entries
	first    slot            // of them, in the order they were made
	last     slot            //
	borrowed map[slot]uint64 // handles of what others own; never 0
}

// procs is every process that has anything in the table.
type procs struct {
	index  map[ids.WorkerID]procIndex
	list   []proc
	vacant []procIndex
}

func newProcs() procs { return procs{index: make(map[ids.WorkerID]procIndex)} }

func (p *procs) id(i procIndex) ids.WorkerID { return p.list[i].id }

func (p *procs) record(id ids.WorkerID) procIndex {
	if i, ok := p.index[id]; ok {
		return i
	}
	var i procIndex
	if n := len(p.vacant); n > 0 {
		i, p.vacant = p.vacant[n-1], p.vacant[:n-1]
	} else {
		i = procIndex(len(p.list))
		p.list = append(p.list, proc{})
	}
	p.list[i] = proc{id: id}
	p.index[id] = i
	return i
}

// forget drops the record of a process that has nothing left in the table.
func (p *procs) forget(i procIndex) {
	r := &p.list[i]
	if r.owned == 0 && len(r.borrowed) == 0 {
		delete(p.index, r.id)
		*r = proc{}
		p.vacant = append(p.vacant, i)
	}
}

// own puts the entry at the end of what the process owns.
func (p *procs) own(b *slab, s slot, owner ids.WorkerID) {
	i := p.record(owner)
	r, e := &p.list[i], b.at(s)
	e.owner, e.prev, e.next = i, r.last, none
	if r.last == none {
		r.first = s
	} else {
		b.at(r.last).next = s
	}
	r.last = s
	r.owned++
}

// disown takes the entry out of what its owner owns.
func (p *procs) disown(b *slab, s slot) {
	e := b.at(s)
	r := &p.list[e.owner]
	if e.prev == none {
		r.first = e.next
	} else {
		b.at(e.prev).next = e.next
	}
	if e.next == none {
		r.last = e.prev
	} else {
		b.at(e.next).prev = e.prev
	}
	r.owned--
	p.forget(e.owner)
}

func (p *procs) borrowed(s slot, holder ids.WorkerID) uint64 {
	i, ok := p.index[holder]
	if !ok {
		return 0
	}
	return p.list[i].borrowed[s]
}

// borrow adds n handles; it says whether they are the first of this process.
func (p *procs) borrow(s slot, holder ids.WorkerID, n uint64) bool {
	r := &p.list[p.record(holder)]
	if r.borrowed == nil {
		r.borrowed = make(map[slot]uint64)
	}
	r.borrowed[s] += n
	return r.borrowed[s] == n
}

// giveBack takes n handles, which the process has; it says whether they were its last.
func (p *procs) giveBack(s slot, holder ids.WorkerID, n uint64) bool {
	i := p.index[holder]
	r := &p.list[i]
	if r.borrowed[s] -= n; r.borrowed[s] > 0 {
		return false
	}
	delete(r.borrowed, s)
	p.forget(i)
	return true
}

type loan struct {
	slot slot
	n    uint64
}

// holdings lists what a process owns, in the order it was made, and what it borrows, in the order of the slots: the
// same history always gives the same lists.
func (p *procs) holdings(b *slab, holder ids.WorkerID) (owned []slot, borrowed []loan) {
	i, ok := p.index[holder]
	if !ok {
		return nil, nil
	}
	r := &p.list[i]
	for s := r.first; s != none; s = b.at(s).next {
		owned = append(owned, s)
	}
	for _, s := range slices.Sorted(maps.Keys(r.borrowed)) {
		borrowed = append(borrowed, loan{s, r.borrowed[s]})
	}
	return owned, borrowed
}
