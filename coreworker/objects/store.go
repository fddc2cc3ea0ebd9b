package objects

import "github.com/mobula/mobula/coreworker/ids"

// State says what a Store knows of an object.
type State uint8

const (
	// Unknown objects were never expected or put, or were deleted.
	Unknown State = iota
	// Pending objects were expected and have no value yet.
	Pending
	// Ready objects have a value, which may be an error.
	Ready
)

// String names the state for logs.
func (s State) String() string {
	switch s {
	case Unknown:
		return "unknown"
	case Pending:
		return "pending"
	case Ready:
		return "ready"
	}
	return "invalid"
}

// Store holds what is known of every object. The zero value is not usable; see NewStore.
type Store struct {
	entries map[ids.ObjectID]*entry
	pending int
	waiters int
	inline  uint64
}

type entry struct {
	value Value
	state State
	first *Waiting // in the order they came
	last  *Waiting
}

// NewStore makes an empty store.
func NewStore() *Store { return &Store{entries: make(map[ids.ObjectID]*entry)} }

// Expect says that a value will come. An object that is known already stays what it is.
func (s *Store) Expect(id ids.ObjectID) {
	if s.entries[id] == nil {
		s.entries[id] = &entry{state: Pending}
		s.pending++
	}
}

// Put gives the object its value and then calls those who wait for it, in the order they came, before it returns.
// An object that is ready keeps the value it has, and Put answers false: the caller disposes of the one it brought.
func (s *Store) Put(id ids.ObjectID, v Value) bool {
	e := s.entries[id]
	switch {
	case e == nil:
		e = &entry{}
		s.entries[id] = e
	case e.state == Ready:
		return false
	default:
		s.pending--
	}
	v.Metadata = intern(v.Metadata)
	e.value, e.state = v, Ready
	s.inline += uint64(len(v.Data))
	s.wake(e)
	return true
}

// Get gives the value of a ready object.
func (s *Store) Get(id ids.ObjectID) (Value, bool) {
	if e := s.entries[id]; e != nil && e.state == Ready {
		return e.value, true
	}
	return Value{}, false
}

// State says what is known of the object.
func (s *Store) State(id ids.ObjectID) State {
	if e := s.entries[id]; e != nil {
		return e.state
	}
	return Unknown
}

// Delete forgets the object and gives back the value it had, whose block the caller releases. Whoever still waits is
// called, and finds the object unknown: nobody waits for ever for what cannot come.
func (s *Store) Delete(id ids.ObjectID) (Value, bool) {
	e := s.entries[id]
	if e == nil {
		return Value{}, false
	}
	delete(s.entries, id)
	if e.state == Pending {
		s.pending--
		s.wake(e)
		return Value{}, false
	}
	s.inline -= uint64(len(e.value.Data))
	return e.value, true
}

// Replace gives a ready object another value: an error, when the one it had is lost. It gives back the old one.
func (s *Store) Replace(id ids.ObjectID, v Value) (Value, bool) {
	e := s.entries[id]
	if e == nil || e.state != Ready {
		return Value{}, false
	}
	old := e.value
	v.Metadata = intern(v.Metadata)
	e.value = v
	s.inline += uint64(len(v.Data)) - uint64(len(old.Data))
	return old, true
}

// Lose makes a ready object pending again: its value is lost, and will be made anew. It gives back the old one.
func (s *Store) Lose(id ids.ObjectID) (Value, bool) {
	e := s.entries[id]
	if e == nil || e.state != Ready {
		return Value{}, false
	}
	old := e.value
	e.value, e.state = Value{}, Pending
	s.pending++
	s.inline -= uint64(len(old.Data))
	return old, true
}

// Len is the number of known objects, pending ones included.
func (s *Store) Len() int { return len(s.entries) }

// StoreStats counts what a Store holds.
type StoreStats struct {
	Objects     int
	Pending     int
	Waiting     int    // calls of OnReady that were neither called back nor canceled
	InlineBytes uint64 // of data held in the store itself
}

// Stats counts what is in the store.
func (s *Store) Stats() StoreStats {
	return StoreStats{Objects: len(s.entries), Pending: s.pending, Waiting: s.waiters, InlineBytes: s.inline}
}

// Each calls fn with every known object. The value is empty while it is pending.
func (s *Store) Each(fn func(id ids.ObjectID, state State, v Value)) {
	for id, e := range s.entries {
		fn(id, e.state, e.value)
	}
}
