package plasma

import (
	"errors"
	"net"
	"sync/atomic"

	"github.com/mobula/mobula/coreworker/ids"
)

// Object is a sealed object, for one user: Release ends its use.
type Object struct {
	ID ids.ObjectID
	// Data and Metadata lie in the store's memory and are valid until Release. Nobody may write to them.
	Data, Metadata []byte

	c        *Client
	segment  *segment
	place    place
	released atomic.Bool
}

// Where is the file in which the object lies, and from where on its data and its metadata do, for another process that maps it. The
// descriptor is the Client's: who hands it on duplicates it before Release.
func (o *Object) Where() (fd int, data, metadata uint64) {
	return o.segment.fd, o.place.data, o.place.meta
}

// Release ends the use of the object. Only the first call does something. After the connection's end it just unmaps.
func (o *Object) Release() error {
	if o.released.Swap(true) {
		return nil
	}
	o.c.mu.Lock()
	o.c.holds.leave(o.ID)
	o.c.mu.Unlock()
	err := o.c.settle(o.ID)
	if errors.Is(err, ErrGone) || errors.Is(err, net.ErrClosed) {
		err = nil // the store has taken it back by itself
	}
	return errors.Join(err, o.segment.release())
}

// object is what one user gets of a hold; mu is held.
func (c *Client) object(id ids.ObjectID, e *hold) *Object {
	o := &Object{ID: id, c: c, segment: e.segment.retain(), place: e.place}
	o.Data, o.Metadata = e.segment.part(e.place)
	return o
}
