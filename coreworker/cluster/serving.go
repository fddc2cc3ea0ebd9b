package cluster

import (
	"context"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/mobula/mobula/coreworker/cluster/objects"
	"github.com/mobula/mobula/coreworker/ids"
	"github.com/mobula/mobula/proto/ray"
)

// service is what a driver serves of Ray's CoreWorkerService: the owner's part of its objects and actors. Whoever tries to run
// something here is told that it is not implemented; nobody who goes by the raylet's word does.
type service struct {
	ray.UnimplementedCoreWorkerServiceServer
	o *objects.Service
	d *Driver
}

// ready waits until the driver has its core: peers call as soon as the port is announced.
func (s *service) ready(ctx context.Context) error {
	select {
	case <-s.d.bound:
		return nil
	case <-ctx.Done():
		return status.FromContextError(ctx.Err()).Err()
	case <-s.d.ctx.Done():
		return status.Error(codes.Unavailable, "this driver ends")
	}
}

// WaitForActorRefDeleted is asked by the GCS. Any answer, an error too, ends the actor: so there is none until no handle is left.
func (s *service) WaitForActorRefDeleted(ctx context.Context, r *ray.WaitForActorRefDeletedRequest) (*ray.WaitForActorRefDeletedReply, error) {
	id, err := ids.Actor(r.ActorId)
	if err != nil {
		return nil, status.Error(codes.InvalidArgument, err.Error())
	}
	if err := s.ready(ctx); err != nil {
		return nil, err
	}
	return &ray.WaitForActorRefDeletedReply{}, s.d.actors.WaitForRefDeleted(ctx, id)
}

// NumPendingTasks is asked by the GCS when somebody lists jobs.
func (s *service) NumPendingTasks(ctx context.Context, _ *ray.NumPendingTasksRequest) (*ray.NumPendingTasksReply, error) {
	if err := s.ready(ctx); err != nil {
		return nil, err
	}
	n := 0
	s.d.core.Do(func() { n = s.d.core.Pending() })
	return &ray.NumPendingTasksReply{NumPendingTasks: int64(n)}, nil
}

// RequestOwnerToCancelTask comes from who has a reference to the result of a task of ours, and cancels that.
func (s *service) RequestOwnerToCancelTask(ctx context.Context, r *ray.RequestOwnerToCancelTaskRequest) (*ray.RequestOwnerToCancelTaskReply, error) {
	id, err := ids.Object(r.RemoteObjectId)
	if err != nil {
		return nil, status.Error(codes.InvalidArgument, err.Error())
	}
	if err := s.ready(ctx); err != nil {
		return nil, err
	}
	s.d.core.Do(func() { s.d.core.Cancel(id, r.ForceKill, r.Recursive) })
	return &ray.RequestOwnerToCancelTaskReply{}, nil
}

// Exit is refused: a driver leaves when its program does.
func (s *service) Exit(context.Context, *ray.ExitRequest) (*ray.ExitReply, error) {
	return &ray.ExitReply{}, nil
}

// LocalGC is asked under memory pressure; what a driver's interpreter frees is in its own memory.
func (s *service) LocalGC(context.Context, *ray.LocalGCRequest) (*ray.LocalGCReply, error) {
	return &ray.LocalGCReply{}, nil
}

// GetCoreWorkerStats must have stats in its answer: who asks reads them unseen.
func (s *service) GetCoreWorkerStats(context.Context, *ray.GetCoreWorkerStatsRequest) (*ray.GetCoreWorkerStatsReply, error) {
	return &ray.GetCoreWorkerStatsReply{CoreWorkerStats: &ray.CoreWorkerStats{JobId: s.d.job.Bytes(), WorkerId: s.d.worker.Bytes()}}, nil
}

// RayletNotifyGCSRestart needs nothing: the poll for actors sees that the publisher is another one.
func (s *service) RayletNotifyGCSRestart(context.Context, *ray.RayletNotifyGCSRestartRequest) (*ray.RayletNotifyGCSRestartReply, error) {
	return &ray.RayletNotifyGCSRestartReply{}, nil
}

// GetObjectStatus is the owner's.
func (s *service) GetObjectStatus(ctx context.Context, r *ray.GetObjectStatusRequest) (*ray.GetObjectStatusReply, error) {
	return s.o.GetObjectStatus(ctx, r)
}

// UpdateObjectLocationBatch is the owner's.
func (s *service) UpdateObjectLocationBatch(ctx context.Context, r *ray.UpdateObjectLocationBatchRequest) (*ray.UpdateObjectLocationBatchReply, error) {
	return s.o.UpdateObjectLocationBatch(ctx, r)
}

// GetObjectLocationsOwner is the owner's.
func (s *service) GetObjectLocationsOwner(ctx context.Context, r *ray.GetObjectLocationsOwnerRequest) (*ray.GetObjectLocationsOwnerReply, error) {
	return s.o.GetObjectLocationsOwner(ctx, r)
}

// PubsubCommandBatch is the owner's.
func (s *service) PubsubCommandBatch(ctx context.Context, r *ray.PubsubCommandBatchRequest) (*ray.PubsubCommandBatchReply, error) {
	return s.o.PubsubCommandBatch(ctx, r)
}

// PubsubLongPolling is the owner's.
func (s *service) PubsubLongPolling(ctx context.Context, r *ray.PubsubLongPollingRequest) (*ray.PubsubLongPollingReply, error) {
	return s.o.PubsubLongPolling(ctx, r)
}
