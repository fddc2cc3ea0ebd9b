package objects

import (
	"context"
	"errors"
	"sync"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/mobula/mobula/coreworker/ids"
	"github.com/mobula/mobula/proto/ray"
)

// Service serves an Owner's part of Ray's CoreWorkerService: who serves the whole of it calls these methods from its own, which
// have the same names. Whose token is wrong never gets here.
type Service struct {
	self ids.WorkerID
	// free is told what nodes are to free, without the lock.
	free func([]Free)

	mu    sync.Mutex
	owner *Owner
	ended chan struct{} // closed when nobody is answered any more
}

// NewService serves a new owner. free is called for copies that nobody refers to, by any goroutine, and does not wait.
func NewService(self ids.WorkerID, free func([]Free)) *Service {
	return &Service{self: self, free: free, owner: NewOwner(self), ended: make(chan struct{})}
}

// Do calls f with the owner, which nobody else uses meanwhile. What f says is to be freed is freed.
func (s *Service) Do(f func(*Owner) []Free) {
	s.mu.Lock()
	frees := f(s.owner)
	s.mu.Unlock()
	if len(frees) > 0 {
		s.free(frees)
	}
}

// Close answers everybody who waits, with an error. It may be called once.
func (s *Service) Close() { close(s.ended) }

// errOther is what a core worker answers that is not the one who was meant: ports are used again. A Ray status travels as this code
// and its name.
var errOther = status.Error(codes.Aborted, "Invalid")

func (s *Service) meant(worker []byte) error {
	if string(worker) != string(s.self[:]) {
		return errOther
	}
	return nil
}

// wait starts something that answers later, and returns what it answered.
func wait[R any](ctx context.Context, s *Service, start func(*Owner, func(R))) (r R, err error) {
	answer := make(chan R, 1)
	s.Do(func(o *Owner) []Free {
		start(o, func(r R) { answer <- r })
		return nil
	})
	select {
	case r = <-answer:
		return r, nil
	case <-ctx.Done():
		return r, ctx.Err()
	case <-s.ended:
		return r, status.Error(codes.Unavailable, "this core worker ends")
	}
}

// GetObjectStatus answers a borrower when the object is there, or never will be.
func (s *Service) GetObjectStatus(ctx context.Context, r *ray.GetObjectStatusRequest) (*ray.GetObjectStatusReply, error) {
	if err := s.meant(r.OwnerWorkerId); err != nil {
		return nil, err
	}
	id, err := ids.Object(r.ObjectId)
	if err != nil {
		return nil, status.Error(codes.InvalidArgument, err.Error())
	}
	return wait(ctx, s, func(o *Owner, done func(*ray.GetObjectStatusReply)) { o.Status(id, done) })
}

// UpdateObjectLocationBatch takes what a raylet tells of its copies.
func (s *Service) UpdateObjectLocationBatch(_ context.Context, r *ray.UpdateObjectLocationBatchRequest) (*ray.UpdateObjectLocationBatchReply, error) {
	if err := s.meant(r.IntendedWorkerId); err != nil {
		return nil, err
	}
	node, err := ids.Node(r.NodeId)
	if err != nil {
		return nil, status.Error(codes.InvalidArgument, err.Error())
	}
	s.Do(func(o *Owner) (frees []Free) {
		frees, err = o.Update(node, r.ObjectLocationUpdates)
		return frees
	})
	if err != nil {
		return nil, status.Error(codes.InvalidArgument, err.Error())
	}
	return &ray.UpdateObjectLocationBatchReply{}, nil
}

// GetObjectLocationsOwner tells where objects are.
func (s *Service) GetObjectLocationsOwner(_ context.Context, r *ray.GetObjectLocationsOwnerRequest) (*ray.GetObjectLocationsOwnerReply, error) {
	if err := s.meant(r.IntendedWorkerId); err != nil {
		return nil, err
	}
	var list []ids.ObjectID
	var errs []error
	for _, raw := range r.ObjectIds {
		id, err := ids.Object(raw)
		list, errs = append(list, id), append(errs, err)
	}
	if err := errors.Join(errs...); err != nil {
		return nil, status.Error(codes.InvalidArgument, err.Error())
	}
	reply := &ray.GetObjectLocationsOwnerReply{}
	s.Do(func(o *Owner) []Free {
		reply.ObjectLocationInfos = o.Locations(list)
		return nil
	})
	return reply, nil
}

// PubsubCommandBatch takes subscriptions of raylets and of other owners.
func (s *Service) PubsubCommandBatch(_ context.Context, r *ray.PubsubCommandBatchRequest) (*ray.PubsubCommandBatchReply, error) {
	for _, c := range r.Commands {
		m := c.GetSubscribeMessage()
		meant := m.GetWorkerObjectLocationsMessage().GetIntendedWorkerId()
		if m.GetWorkerRefRemovedMessage() != nil {
			meant = m.GetWorkerRefRemovedMessage().IntendedWorkerId
		}
		if m == nil {
			continue // an unsubscription names nobody
		}
		if err := s.meant(meant); err != nil {
			return nil, err
		}
	}
	var err error
	s.Do(func(o *Owner) []Free {
		err = o.Command(r)
		return nil
	})
	if err != nil {
		return nil, status.Error(codes.InvalidArgument, err.Error())
	}
	return &ray.PubsubCommandBatchReply{}, nil
}

// PubsubLongPolling answers a subscriber when there is something for it.
func (s *Service) PubsubLongPolling(ctx context.Context, r *ray.PubsubLongPollingRequest) (*ray.PubsubLongPollingReply, error) {
	return wait(ctx, s, func(o *Owner, done func(*ray.PubsubLongPollingReply)) { o.Poll(r, done) })
}
