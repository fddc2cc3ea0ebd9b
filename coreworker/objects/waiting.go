package objects

import "github.com/mobula/mobula/coreworker/ids"

// Waiting is one call of OnReady that was not called back yet.
type Waiting struct {
	store      *Store
	entry      *entry // nil once called back or canceled
	fn         func()
	prev, next *Waiting
}

// OnReady calls fn once: when the object becomes ready, or is deleted before that. The caller looks with Get which of
// the two it was. For an object that is ready, fn is called before OnReady returns. An unknown object gives false, and
// fn is never called. fn may use the store, also for this very object.
func (s *Store) OnReady(id ids.ObjectID, fn func()) (*Waiting, bool) {
	e := s.entries[id]
	if e == nil {
		return nil, false
	}
	if e.state == Ready {
		fn()
		return nil, true
	}
	w := &Waiting{store: s, entry: e, fn: fn, prev: e.last}
	if e.last == nil {
		e.first = w
	} else {
		e.last.next = w
	}
	e.last = w
	s.waiters++
	return w, true
}

// Cancel takes the call back: fn is not called any more. It may be called at any time, any number of times, also on
// nil and from another fn of the same object.
func (w *Waiting) Cancel() {
	if w == nil || w.entry == nil {
		return
	}
	w.unlink()
}

// wake calls those who wait. Each is unlinked before it is called, so that
//
//	Put calls fn 1; fn 1 cancels fn 2 (a get that is answered by its first error); Put goes on
//
// finds the list as fn 1 left it and does not call fn 2.
func (s *Store) wake(e *entry) {
	for e.first != nil {
		w := e.first
		fn := w.fn
		w.unlink()
		fn()
	}
}

func (w *Waiting) unlink() {
	e := w.entry
	if w.prev == nil {
		e.first = w.next
	} else {
		w.prev.next = w.next
	}
	if w.next == nil {
		e.last = w.prev
	} else {
		w.next.prev = w.prev
	}
	w.store.waiters--
	w.store, w.entry, w.fn, w.prev, w.next = nil, nil, nil, nil, nil
}
