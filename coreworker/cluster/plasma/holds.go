package plasma

import "github.com/mobula/mobula/coreworker/ids"

// hold is what this connection has of one object.
type hold struct {
	place   place
	segment *segment
	users   int  // Objects and Creations that are not released
	asked   int  // gets on the way that name it
	held    bool // the store counts this connection among the object's users
	sealed  bool
}

// holds decide when the store is told that an object is not used any more: when nobody uses it, and no get on the way names
// it. The store counts an object's connection when a get comes, not when it answers; a release that overtakes the answer would
// take that away, and the place would be given to others under the eyes of who got the answer.
type holds map[ids.ObjectID]*hold

func (h holds) entry(id ids.ObjectID) *hold {
	e := h[id]
	if e == nil {
		e = &hold{}
		h[id] = e
	}
	return e
}

// use gives an object to one more user without asking the store, where it is held and readable.
func (h holds) use(id ids.ObjectID) (*hold, bool) {
	e := h[id]
	if e == nil || !e.held || !e.sealed {
		return nil, false
	}
	e.users++
	return e, true
}

// ask notes that a get names the object.
func (h holds) ask(id ids.ObjectID) { h.entry(id).asked++ }

// absent notes that a get was answered without it.
func (h holds) absent(id ids.ObjectID) {
	e := h[id]
	e.asked--
	h.forget(id, e)
}

// present notes that a get was answered with it, for so many users.
func (h holds) present(id ids.ObjectID, p place, s *segment, users int) *hold {
	e := h[id]
	e.asked--
	e.users += users
	e.place, e.segment, e.held, e.sealed = p, s, true, true
	return e
}

// create notes that the object is being written: by its only user.
func (h holds) create(id ids.ObjectID, p place, s *segment) {
	e := h.entry(id)
	e.users++
	e.place, e.segment, e.held, e.sealed = p, s, true, false
}

// seal notes that it is readable. Whoever sealed it may have left before the answer came.
func (h holds) seal(id ids.ObjectID) {
	if e := h[id]; e != nil {
		e.sealed = true
	}
}

// abort notes that the store has forgotten the object.
func (h holds) abort(id ids.ObjectID) {
	e := h[id]
	e.users, e.held, e.segment = e.users-1, false, nil
	h.forget(id, e)
}

// leave notes that a user needs it no more.
func (h holds) leave(id ids.ObjectID) {
	if e := h[id]; e != nil {
		e.users--
	}
}

// release says that the store is to be told now, and forgets the object.
func (h holds) release(id ids.ObjectID) (place, bool) {
	e := h[id]
	if e == nil || !e.idle() {
		return place{}, false
	}
	delete(h, id)
	return e.place, true
}

func (e *hold) idle() bool { return e.held && e.users == 0 && e.asked == 0 }

func (h holds) forget(id ids.ObjectID, e *hold) {
	if !e.held && e.users == 0 && e.asked == 0 {
		delete(h, id)
	}
}
