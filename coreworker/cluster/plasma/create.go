package plasma

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync/atomic"
	"time"

	"github.com/mobula/mobula/coreworker/cluster/internal/ipc"
	"github.com/mobula/mobula/coreworker/ids"
)

// Room is what a store does to find room for an object.
type Room int

const (
	// Spill: it evicts copies and spills objects until there is room. What helps nothing for some seconds goes to the fallback,
	// files on a disk.
	Spill Room = iota
	// Fallback: what has no room now goes to the fallback now.
	Fallback
)

// pause is between two questions whether there is room, as long as Ray's own clients wait.
const pause = 10 * time.Millisecond

// largest is above every object that anybody has. A store's fallback makes a file as large as it is told, and the raylet ends its
// process where the file system cannot have one (seen: 1 PiB on ext4).
const largest = 1 << 40

// Creation is an object being written. Either Seal or Abort ends it.
type Creation struct {
	ID ids.ObjectID
	// Data and Metadata are to be filled. They lie in the store's memory, and are valid until Seal or Abort.
	Data, Metadata []byte

	c       *Client
	segment *segment
	place   place
	ended   atomic.Bool
}

// Create makes room for an object, as large as it is. Errors: ErrExists, ErrFull, ErrDisk, as *ObjectError. What becomes of a
// creation whose ctx ends is aborted.
func (c *Client) Create(ctx context.Context, id ids.ObjectID, owner Owner, data, metadata uint64, room Room) (*Creation, error) {
	m := &createRequest{object: id, owner: owner, data: data, metadata: metadata, immediately: room == Fallback}
	if data > largest || metadata > largest-data {
		return nil, &ObjectError{Op: "create", Object: id, Size: max(data, metadata), Err: ErrFull}
	}
	r := &creating{id: id, size: data + metadata}
	if err := c.start(r, m); err != nil {
		return nil, err
	}
	return c.finish(ctx, r)
}

// creating is a creation that the store has not decided, or has.
type creating struct {
	*waiter
	id     ids.ObjectID
	size   uint64
	answer created
	made   *Creation
}

func (c *Client) start(r *creating, m message) error {
	r.waiter = newWaiter(func(body []byte) error { return c.created(r, body) })
	return c.post(func() (message, *waiter) { return m, r.waiter })
}

// created takes the answer, in the reader.
func (c *Client) created(r *creating, body []byte) (err error) {
	if r.answer, err = readCreated(body); err != nil {
		return err
	}
	if r.answer.object != r.id {
		return fmt.Errorf("%w: object %s was created where %s was due", ipc.ErrFrame, r.answer.object, r.id)
	}
	if r.answer.retry != 0 || r.answer.err != nil {
		return nil
	}
	p := r.answer.place
	s, err := c.file(r.answer.mapping)
	if err != nil {
		return err
	}
	if !p.within(uint64(len(s.bytes))) || p.dataSize+p.metaSize != r.size {
		return fmt.Errorf("%w: room for object %s is not where it was said to be", ipc.ErrFrame, r.id)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.holds.create(r.id, p, s)
	r.made = &Creation{ID: r.id, c: c, segment: s.retain(), place: p}
	r.made.Data, r.made.Metadata = s.part(p)
	return nil
}

// finish asks until the store has decided.
func (c *Client) finish(ctx context.Context, r *creating) (*Creation, error) {
	for {
		if err := c.wait(ctx, r.waiter); err != nil {
			return nil, c.giveUp(ctx, r, err)
		}
		if r.answer.err != nil {
			return nil, &ObjectError{Op: "create", Object: r.id, Size: r.size, Err: r.answer.err}
		}
		if r.answer.retry == 0 {
			return r.made, nil
		}
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-c.gone: // the next question says why
		case <-ctx.Done():
			timer.Stop()
			return nil, c.giveUp(ctx, r, ctx.Err())
		}
		if err := c.start(r, &createRetryRequest{r.id, r.answer.retry}); err != nil {
			return nil, err
		}
	}
}

// giveUp goes on without the caller: the store would keep the room for somebody who never asks again.
func (c *Client) giveUp(ctx context.Context, r *creating, why error) error {
	if ctx.Err() != nil {
		go func() {
			if made, err := c.finish(context.Background(), r); err == nil {
				_ = made.Abort() // the connection's end is everybody's to see, and aborts it too
			}
		}()
	}
	return why
}

// Seal makes the object readable, by everybody. The caller is its first user: Release ends that.
func (n *Creation) Seal(ctx context.Context) (*Object, error) {
	if n.ended.Swap(true) {
		return nil, &ObjectError{Op: "seal", Object: n.ID, Err: errEnded}
	}
	o := &Object{ID: n.ID, Data: n.Data, Metadata: n.Metadata, c: n.c, segment: n.segment, place: n.place}
	var r told
	w := newWaiter(func(body []byte) (err error) {
		if r, err = readSealed(body); err != nil || r.err != nil {
			return err
		}
		n.c.mu.Lock()
		defer n.c.mu.Unlock()
		n.c.holds.seal(n.ID)
		return nil
	})
	if err := n.c.ask(ctx, &sealRequest{n.ID}, w); err != nil {
		// The seal is before the release in the store's order, whether it was answered or not.
		return nil, errors.Join(err, o.Release())
	}
	if r.err != nil {
		return nil, errors.Join(&ObjectError{Op: "seal", Object: n.ID, Err: r.err}, o.Release())
	}
	return o, nil
}

// Abort gives the room back.
func (n *Creation) Abort() error {
	if n.ended.Swap(true) {
		return &ObjectError{Op: "abort", Object: n.ID, Err: errEnded}
	}
	w := newWaiter(func(body []byte) error {
		_, err := readAborted(body)
		return err
	})
	err := n.c.post(func() (message, *waiter) {
		n.c.holds.abort(n.ID)
		return &abortRequest{n.ID}, w
	})
	if err == nil {
		err = n.c.wait(context.Background(), w)
	}
	if errors.Is(err, ErrGone) || errors.Is(err, net.ErrClosed) {
		err = nil // the store has taken it back by itself
	}
	return errors.Join(err, n.segment.release())
}
