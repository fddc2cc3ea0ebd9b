package cluster

import (
	"context"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/mobula/mobula/coreworker/cluster/wire"
	"github.com/mobula/mobula/coreworker/ids"
	"github.com/mobula/mobula/proto/ray"
)

// stream brings the items of one generator into order: its worker sends the next one before the last was acknowledged.
type stream struct {
	next   int64
	held   map[int64]func() // items that came too early
	worker *ray.Address
}

// ReportGeneratorItemReturns takes an item that a generator of ours has yielded. An item that came before, of an earlier attempt, is
// taken once. The answer says that it was accepted, and how many the consumer has taken: where there is a limit of those that nobody
// has taken, the worker waits until Taken has told of enough.
func (s *service) ReportGeneratorItemReturns(ctx context.Context, r *ray.ReportGeneratorItemReturnsRequest) (*ray.ReportGeneratorItemReturnsReply, error) {
	generator, err := ids.Object(r.GeneratorId)
	if err != nil {
		return nil, status.Error(codes.InvalidArgument, err.Error())
	}
	node, err := ids.Node(r.GetWorkerAddr().GetNodeId())
	if err != nil {
		return nil, status.Error(codes.InvalidArgument, err.Error())
	}
	if err := s.ready(ctx); err != nil {
		return nil, err
	}
	consumed := r.ItemIndex + 1
	if len(r.ReturnedObjects) == 1 { // none: it has ended
		s.d.core.Do(func() {
			s.d.yielded(generator.Task(), r.ItemIndex, node, r.WorkerAddr, r.ReturnedObjects[0])
			consumed = int64(s.d.core.Consumed(generator.Task(), int(consumed)))
		})
	}
	return &ray.ReportGeneratorItemReturnsReply{TotalNumObjectConsumed: consumed}, nil
}

// Taken implements backend.Cluster.
func (d *Driver) Taken(id ids.TaskID, n int) {
	t := d.streams[id]
	if t == nil {
		return // it has ended
	}
	generator := id.Return(1)
	d.background(func() {
		worker, err := d.peer(t.worker)
		if err == nil {
			_, err = worker.UpdateGeneratorBackpressureConsumed(d.ctx,
				&ray.UpdateGeneratorBackpressureConsumedRequest{GeneratorId: generator.Bytes(), TotalNumObjectConsumed: int64(n)})
		}
		if status.Code(err) != codes.Unavailable { // the worker has ended, and so has what it made
			d.report(err)
		}
	})
}

func (d *Driver) yielded(id ids.TaskID, index int64, node ids.NodeID, worker *ray.Address, o *ray.ReturnObject) {
	t := d.streams[id]
	if t == nil {
		t = &stream{held: map[int64]func(){}}
		d.streams[id] = t
	}
	t.worker = worker
	if index < t.next {
		return
	}
	t.held[index] = func() {
		object := id.Return(uint32(index + 2))
		d.note(o.NestedInlinedRefs)
		v, err := wire.Value(object, o, d.stored(node))
		if err != nil {
			d.report(err)
			return
		}
		d.core.Yielded(id, int(index), v)
	}
	for take := t.held[t.next]; take != nil; take = t.held[t.next] {
		delete(t.held, t.next)
		t.next++
		take()
	}
}
