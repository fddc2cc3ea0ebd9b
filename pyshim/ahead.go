package pyshim

import (
	"fmt"

	"github.com/mobula/mobula/coreworker/objects"
	"github.com/mobula/mobula/coreworker/task"
	pb "github.com/mobula/mobula/proto/boundary"
)

// decodeTelling reads a submission whose outcome this lane is to bring unasked.
func (l *lane) decodeTelling(m *pb.Mutation) (func(), error) {
	submit, ok := m.Kind.(*pb.Mutation_Submit)
	if !ok {
		return nil, fmt.Errorf("an outcome is to be sent ahead of what is no submission")
	}
	spec, err := decodeSpec(submit.Submit)
	if err != nil {
		return nil, err
	}
	if spec.NumReturns != 1 || spec.Streaming || spec.Dynamic || spec.Type == task.ActorCreation {
		return nil, fmt.Errorf("task %s: only what has one return has an outcome to be sent ahead", spec.ID)
	}
	object := spec.ID.Return(1)
	return func() {
		l.process.SubmitTelling(spec, func(v objects.Value) {
			if l.closed {
				return
			}
			ahead := &pb.Ahead{ObjectId: object.Bytes()}
			if v.Block == nil && v.Metadata != nil {
				ahead.Value = &pb.Value{Data: v.Data, Metadata: v.Metadata}
			}
			l.acked = l.process.Applied()
			l.send(&pb.ToShim{Ahead: ahead, Applied: l.acked})
		})
	}, nil
}
