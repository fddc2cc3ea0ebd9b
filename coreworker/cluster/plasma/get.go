package plasma

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/mobula/mobula/coreworker/cluster/internal/ipc"
	"github.com/mobula/mobula/coreworker/ids"
)

// oneGet is the longest that the store is let wait in one piece: a get cannot be taken back, and what it names cannot be released
// before it is answered.
const oneGet = time.Second

// Get returns the objects that are in the store, in order and nil for those that are not, as soon as all are there or the time is
// over; a negative time is for ever. It does not make any come: who waits for one that lies elsewhere asks the raylet to fetch it.
// Each that is returned is released by itself. With an error nothing is returned and nothing held.
func (c *Client) Get(ctx context.Context, list []ids.ObjectID, patience time.Duration) ([]*Object, error) {
	out := make([]*Object, len(list))
	began := time.Now()
	for {
		piece := oneGet
		if patience >= 0 {
			piece = min(piece, max(0, patience-time.Since(began)))
		}
		missing, err := c.getOnce(ctx, list, out, piece)
		if err != nil {
			return nil, errors.Join(err, releaseAll(out))
		}
		if !missing || patience >= 0 && time.Since(began) >= patience {
			return out, nil
		}
	}
}

func releaseAll(list []*Object) error {
	var errs []error
	for _, o := range list {
		if o != nil {
			errs = append(errs, o.Release())
		}
	}
	return errors.Join(errs...)
}

// getOnce fills what is missing in out by one request at most.
func (c *Client) getOnce(ctx context.Context, list []ids.ObjectID, out []*Object, piece time.Duration) (missing bool, err error) {
	var g *getting
	err = c.post(func() (message, *waiter) {
		g = c.begin(list, out)
		if len(g.objects) == 0 {
			return nil, nil
		}
		return &getRequest{objects: g.objects, timeoutMS: int64((piece + time.Millisecond - 1) / time.Millisecond)}, g.waiter
	})
	if err != nil || len(g.objects) == 0 {
		return false, err
	}
	if err := c.wait(ctx, g.waiter); err != nil {
		return false, errors.Join(err, c.abandon(g))
	}
	if g.err != nil {
		return false, errors.Join(g.err, releaseFound(g.found))
	}
	for id, at := range g.at {
		objects := g.found[id]
		missing = missing || len(objects) == 0
		for i, o := range objects {
			out[at[i]] = o
		}
	}
	return missing, nil
}

// getting is one request on the way.
type getting struct {
	*waiter
	objects   []ids.ObjectID // each once
	at        map[ids.ObjectID][]int
	found     map[ids.ObjectID][]*Object
	err       error
	abandoned bool // nobody wants what is found; mu is held for it and for found
}

// begin gives what this connection holds, and notes that the rest is asked for; mu is held.
func (c *Client) begin(list []ids.ObjectID, out []*Object) *getting {
	g := &getting{at: make(map[ids.ObjectID][]int), found: make(map[ids.ObjectID][]*Object)}
	for i, id := range list {
		if out[i] != nil {
			continue
		}
		if e, ok := c.holds.use(id); ok {
			out[i] = c.object(id, e)
			continue
		}
		if g.at[id] == nil {
			g.objects = append(g.objects, id)
			c.holds.ask(id)
		}
		g.at[id] = append(g.at[id], i)
	}
	g.waiter = newWaiter(func(body []byte) error { return c.got(g, body) })
	return g
}

// got takes the answer, in the reader.
func (c *Client) got(g *getting, body []byte) error {
	r, err := readGot(body)
	if err != nil {
		return err
	}
	segments := make(map[file]*segment, len(r.mappings))
	for _, m := range r.mappings {
		if segments[m.file], err = c.file(m); err != nil {
			return err
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for i, id := range r.objects {
		p := r.places[i]
		if p.absent {
			c.holds.absent(id)
			continue
		}
		s := segments[p.file]
		if s == nil || p.device != 0 || !p.within(uint64(len(s.bytes))) {
			return fmt.Errorf("%w: object %s lies outside of the store's files", ipc.ErrFrame, id)
		}
		users := len(g.at[id])
		if g.abandoned || p.mutable {
			users = 0
		}
		if p.mutable {
			g.err = &ObjectError{Op: "get", Object: id, Err: ErrMutable}
		}
		e := c.holds.present(id, p, s, users)
		for range users {
			g.found[id] = append(g.found[id], c.object(id, e))
		}
		if e.idle() {
			// Not here: a store that reads nothing must not keep the reader from what it says.
			go func() { _ = c.settle(id) }() // the connection's end is everybody's to see
		}
	}
	return nil
}

// abandon gives back what was found, or will be.
func (c *Client) abandon(g *getting) error {
	c.mu.Lock()
	g.abandoned = true
	found := g.found
	c.mu.Unlock()
	return releaseFound(found)
}

func releaseFound(found map[ids.ObjectID][]*Object) error {
	var errs []error
	for _, objects := range found {
		errs = append(errs, releaseAll(objects))
	}
	return errors.Join(errs...)
}

// Contains says whether the store has the object, sealed.
func (c *Client) Contains(ctx context.Context, id ids.ObjectID) (bool, error) {
	var r told
	w := newWaiter(func(body []byte) (err error) {
		r, err = readContained(body)
		return err
	})
	if err := c.ask(ctx, &containsRequest{id}, w); err != nil {
		return false, err
	}
	return r.yes, nil
}

// Delete takes objects out of the store. Its errors are *ObjectError, joined, one for each that is still there (ErrInUse and
// ErrNotSealed: until it is not used any more) or was not (ErrNotFound).
func (c *Client) Delete(ctx context.Context, list ...ids.ObjectID) error {
	if len(list) == 0 {
		return nil
	}
	var refusals []error
	w := newWaiter(func(body []byte) (err error) {
		refusals, err = readDeleted(body, list)
		return err
	})
	if err := c.ask(ctx, &deleteRequest{list}, w); err != nil {
		return err
	}
	var errs []error
	for i, err := range refusals {
		if err != nil {
			errs = append(errs, &ObjectError{Op: "delete", Object: list[i], Err: err})
		}
	}
	return errors.Join(errs...)
}

func (c *Client) ask(ctx context.Context, m message, w *waiter) error {
	if err := c.post(func() (message, *waiter) { return m, w }); err != nil {
		return err
	}
	return c.wait(ctx, w)
}
