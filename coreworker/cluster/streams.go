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
	next int64
	held map[int64]func() // items that came too early
}

// ReportGeneratorItemReturns takes an item that a generator of ours has yielded. An item that came before, of an earlier attempt, is
// taken once.
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
	if len(r.ReturnedObjects) == 1 { // none: it has ended
		s.d.core.Do(func() { s.d.yielded(generator.Task(), r.ItemIndex, node, r.ReturnedObjects[0]) })
	}
	return &ray.ReportGeneratorItemReturnsReply{TotalNumObjectConsumed: r.ItemIndex + 1}, nil
}

func (d *Driver) yielded(id ids.TaskID, index int64, node ids.NodeID, o *ray.ReturnObject) {
	t := d.streams[id]
	if t == nil {
		t = &stream{held: map[int64]func(){}}
		d.streams[id] = t
	}
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
