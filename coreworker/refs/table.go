package refs

import (
	"errors"
	"fmt"

	"github.com/mobula/mobula/coreworker/ids"
)

var (
	// ErrUnknown is returned for an object that was never owned, or is gone.
	ErrUnknown = errors.New("unknown object")
	// ErrTooMany is returned by Drop and Unuse when more is taken back than was given; what was there is gone then.
	ErrTooMany = errors.New("dropped more than was added")
	// ErrOwner is returned by Own for an object that another process owns.
	ErrOwner = errors.New("object has another owner")
)

// Table counts who refers to which object. The zero value is not usable; see New.
type Table struct {
	entries slab
	procs   procs
	inner   map[slot][]slot // what an object contains, each once
	queue   []slot          // of objects to free; kept for its memory
}

// New makes an empty table.
func New() *Table {
	return &Table{
		entries: newSlab(),
		procs:   newProcs(),
		inner:   make(map[slot][]slot),
	}
}

// Own creates the entry of an object. Nothing refers to it yet: it stays until something did and does no more, or its
// owner is dropped before. Owning again what the process owns changes nothing.
func (t *Table) Own(obj ids.ObjectID, owner ids.WorkerID) error {
	if s, ok := t.entries.find(obj); ok {
		if has := t.procs.id(t.entries.at(s).owner); has != owner {
			return fmt.Errorf("own %s: %w: %s, not %s", obj, ErrOwner, has, owner)
		}
		return nil
	}
	s := t.entries.add(obj)
	t.procs.own(&t.entries, s, owner)
	return nil
}

// Add notes n more handles of the object in a process. n of 0 changes nothing.
func (t *Table) Add(obj ids.ObjectID, holder ids.WorkerID, n uint64) error {
	s, ok := t.entries.find(obj)
	if !ok {
		return fmt.Errorf("add %s: %w", obj, ErrUnknown)
	}
	if n == 0 {
		return nil
	}
	e := t.entries.at(s)
	e.touched = true
	if t.procs.id(e.owner) == holder {
		e.owned += n
		return nil
	}
	if t.procs.borrow(s, holder, n) {
		e.borrowers++
	}
	return nil
}

// Drop takes back n handles of the object in a process, and gives the objects that nothing refers to any more: obj
// itself first, then what it contained. Where the process has fewer, all it has are taken, and the error says so.
func (t *Table) Drop(obj ids.ObjectID, holder ids.WorkerID, n uint64) (freed []ids.ObjectID, err error) {
	s, ok := t.entries.find(obj)
	if !ok {
		return nil, fmt.Errorf("drop %s: %w", obj, ErrUnknown)
	}
	has := t.count(s, holder)
	if n > has {
		err = fmt.Errorf("drop %s: %w: process %s gave back %d, it had %d", obj, ErrTooMany, holder, n, has)
		n = has
	}
	if n == 0 {
		return nil, err
	}
	e := t.entries.at(s)
	if t.procs.id(e.owner) == holder {
		e.owned -= n
	} else if t.procs.giveBack(s, holder, n) {
		e.borrowers--
	}
	return t.free(nil, s), err
}

// DropHolder takes back everything a dead process had, and gives the objects that nothing refers to any more. What it
// owned and others refer to lives on.
func (t *Table) DropHolder(holder ids.WorkerID) (freed []ids.ObjectID) {
	owned, borrowed := t.procs.holdings(&t.entries, holder)
	for _, s := range owned {
		e := t.entries.at(s)
		e.owned = 0
		e.touched = true // also what nobody referred to yet: who should, now
	}
	for _, b := range borrowed {
		if t.procs.giveBack(b.slot, holder, b.n) {
			t.entries.at(b.slot).borrowers--
		}
	}
	// All counts first, then all freeing: a slot freed above would be in the lists still.
	for _, s := range owned {
		t.enqueue(s)
	}
	for _, b := range borrowed {
		t.enqueue(b.slot)
	}
	return t.drain(nil)
}

// OwnedBy lists what the process owns, dead or alive, in the order it was made.
func (t *Table) OwnedBy(owner ids.WorkerID) []ids.ObjectID {
	slots, _ := t.procs.holdings(&t.entries, owner)
	out := make([]ids.ObjectID, len(slots))
	for i, s := range slots {
		out[i] = t.entries.at(s).id
	}
	return out
}

// Use notes a task in flight that needs the object: as an argument, or inside one.
func (t *Table) Use(obj ids.ObjectID) error {
	s, ok := t.entries.find(obj)
	if !ok {
		return fmt.Errorf("use %s: %w", obj, ErrUnknown)
	}
	e := t.entries.at(s)
	e.uses++
	e.touched = true
	return nil
}

// Unuse takes back one Use, and gives the objects that nothing refers to any more.
func (t *Table) Unuse(obj ids.ObjectID) (freed []ids.ObjectID, err error) {
	s, ok := t.entries.find(obj)
	if !ok {
		return nil, fmt.Errorf("unuse %s: %w", obj, ErrUnknown)
	}
	e := t.entries.at(s)
	if e.uses == 0 {
		return nil, fmt.Errorf("unuse %s: %w: no task uses it", obj, ErrTooMany)
	}
	e.uses--
	return t.free(nil, s), nil
}

// Known says whether the object has an entry.
func (t *Table) Known(obj ids.ObjectID) bool {
	_, ok := t.entries.find(obj)
	return ok
}

// Owner is the process that made the object, dead or alive.
func (t *Table) Owner(obj ids.ObjectID) (ids.WorkerID, bool) {
	s, ok := t.entries.find(obj)
	if !ok {
		return ids.WorkerID{}, false
	}
	return t.procs.id(t.entries.at(s).owner), true
}

// Count is the number of handles of the object in a process.
func (t *Table) Count(obj ids.ObjectID, holder ids.WorkerID) uint64 {
	s, ok := t.entries.find(obj)
	if !ok {
		return 0
	}
	return t.count(s, holder)
}

// Holders is the number of processes that have handles of the object.
func (t *Table) Holders(obj ids.ObjectID) int {
	s, ok := t.entries.find(obj)
	if !ok {
		return 0
	}
	e := t.entries.at(s)
	n := int(e.borrowers)
	if e.owned > 0 {
		n++
	}
	return n
}

// Len is the number of objects.
func (t *Table) Len() int { return t.entries.len() }

// Story says in one line who refers to the object, for logs.
func (t *Table) Story(obj ids.ObjectID) string {
	s, ok := t.entries.find(obj)
	if !ok {
		return fmt.Sprintf("%s: unknown", obj)
	}
	e := t.entries.at(s)
	return fmt.Sprintf("%s: owner %s has %d, other holders %d, tasks %d, inside %d objects, contains %d",
		obj, t.procs.id(e.owner), e.owned, e.borrowers, e.uses, e.inside, len(t.inner[s]))
}

func (t *Table) count(s slot, holder ids.WorkerID) uint64 {
	if e := t.entries.at(s); t.procs.id(e.owner) == holder {
		return e.owned
	}
	return t.procs.borrowed(s, holder)
}
