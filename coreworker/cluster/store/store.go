package store

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/mobula/mobula/coreworker/cluster/plasma"
	"github.com/mobula/mobula/coreworker/cluster/raylet"
	"github.com/mobula/mobula/coreworker/ids"
	"github.com/mobula/mobula/proto/ray"
)

// ErrNotPinned is returned by Put where the raylet does not keep the object: it was evicted before it was asked to.
var ErrNotPinned = errors.New("the raylet does not keep the object")

// Store is this node's, for one core worker.
type Store struct {
	plasma  *plasma.Client
	raylet  *raylet.Conn
	manager ray.NodeManagerServiceClient
	fetches atomic.Int64
}

// New joins the three connections to this node. It closes none of them.
func New(p *plasma.Client, r *raylet.Conn, manager ray.NodeManagerServiceClient) *Store {
	return &Store{plasma: p, raylet: r, manager: manager}
}

// Put begins an object of the given owner. Who calls fills it and then ends it by Finish or Abort. The owner must know of the object
// by now: its raylet tells it of the copy at once.
func (s *Store) Put(ctx context.Context, id ids.ObjectID, owner raylet.Address, data, metadata uint64) (*plasma.Creation, error) {
	return s.plasma.Create(ctx, id, plasma.Owner{Node: owner.Node, IP: owner.IP, Port: owner.Port, Worker: owner.Worker}, data, metadata, plasma.Spill)
}

// Finish makes an object readable, and has the raylet keep it until its owner has it freed: it is pinned before it is released,
// or it could be evicted in between.
func (s *Store) Finish(ctx context.Context, c *plasma.Creation, owner raylet.Address) error {
	o, err := c.Seal(ctx)
	if err != nil {
		return err
	}
	return errors.Join(s.pin(ctx, c.ID, owner), o.Release())
}

func (s *Store) pin(ctx context.Context, id ids.ObjectID, owner raylet.Address) error {
	r, err := s.manager.PinObjectIDs(ctx, &ray.PinObjectIDsRequest{ObjectIds: [][]byte{id.Bytes()}, OwnerAddress: &ray.Address{
		NodeId: owner.Node.Bytes(), IpAddress: owner.IP, Port: int32(owner.Port), WorkerId: owner.Worker.Bytes()}})
	if err != nil {
		return fmt.Errorf("pin %s: %w", id, err)
	}
	if len(r.Successes) != 1 || !r.Successes[0] {
		return fmt.Errorf("pin %s: %w", id, ErrNotPinned)
	}
	return nil
}

// Get returns objects as plasma's Get does, after the raylet was asked to bring those that are not in this node's store: from other
// nodes and from disk.
func (s *Store) Get(ctx context.Context, refs []raylet.Ref, patience time.Duration) ([]*plasma.Object, error) {
	list := make([]ids.ObjectID, len(refs))
	for i, r := range refs {
		list[i] = r.Object
	}
	began := time.Now()
	out, err := s.plasma.Get(ctx, list, 0)
	if err != nil || patience == 0 {
		return out, err
	}
	var missing []raylet.Ref
	var at []int
	var wanted []ids.ObjectID
	for i, o := range out {
		if o == nil {
			missing, at, wanted = append(missing, refs[i]), append(at, i), append(wanted, list[i])
		}
	}
	if len(missing) == 0 {
		return out, nil
	}
	fetch := s.fetches.Add(1)
	if err := s.raylet.Fetch(fetch, missing); err != nil {
		return nil, errors.Join(err, release(out))
	}
	if patience > 0 {
		patience = max(0, patience-time.Since(began))
	}
	more, err := s.plasma.Get(ctx, wanted, patience)
	// Taken back in any case: the raylet goes on fetching until it is told, and holds what has come.
	if err := errors.Join(err, s.raylet.CancelFetch(fetch)); err != nil {
		return nil, errors.Join(err, release(out), release(more))
	}
	for i, o := range more {
		out[at[i]] = o
	}
	return out, nil
}

func release(list []*plasma.Object) error {
	var errs []error
	for _, o := range list {
		if o != nil {
			errs = append(errs, o.Release())
		}
	}
	return errors.Join(errs...)
}
