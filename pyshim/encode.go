package pyshim

import (
	"github.com/mobula/mobula/coreworker/execute"
	"github.com/mobula/mobula/coreworker/ids"
	"github.com/mobula/mobula/coreworker/objects"
	"github.com/mobula/mobula/coreworker/sched"
	"github.com/mobula/mobula/coreworker/task"
	pb "github.com/mobula/mobula/proto/boundary"
)

// encodeRun is the message that brings a run to its lane. The spec goes out in the encoding it came in, with the values
// of its reference arguments filled in.
func (l *lane) encodeRun(r *execute.Run) *pb.RunTask {
	spec := r.Spec.Wire.(*pb.TaskSpec)
	if r.Args != nil {
		spec = l.withValues(spec, r.Args)
	}
	m := &pb.RunTask{Spec: spec, Epoch: r.Epoch, Generation: r.Generation, Attempt: uint32(r.Attempt), Ticket: r.Ticketed}
	if r.Spec.Type != task.ActorMethod {
		if export, first := l.process.FunctionFor(r.Spec.Function); first {
			m.Function = &pb.Value{Data: export}
		}
	}
	if r.Spec.Type != task.ActorMethod {
		for _, gpu := range l.process.GPUs() {
			m.Gpus = append(m.Gpus, uint32(gpu))
		}
	}
	l.process.Running(r.Spec)
	return m
}

func (l *lane) withValues(s *pb.TaskSpec, values []objects.Value) *pb.TaskSpec {
	args := make([]*pb.Arg, len(s.Args))
	for i, a := range s.Args {
		args[i] = a
		if len(a.Ref) > 0 {
			args[i] = &pb.Arg{Ref: a.Ref, Keyword: a.Keyword, HasKeyword: a.HasKeyword}
			if v, here := l.process.Pinned(values[i]); here { // else the worker gets it before it runs the task
				args[i].Value = encodeValue(v)
			}
		}
	}
	return &pb.TaskSpec{Type: s.Type, TaskId: s.TaskId, ParentTaskId: s.ParentTaskId, Name: s.Name, FunctionId: s.FunctionId,
		Method: s.Method, Args: args, NumReturns: s.NumReturns, Resources: s.Resources, MaxRetries: s.MaxRetries,
		RetryExceptions: s.RetryExceptions, RetryAllowlist: s.RetryAllowlist, ActorId: s.ActorId,
		ConcurrencyGroup: s.ConcurrencyGroup, Actor: s.Actor, Depth: s.Depth, RuntimeEnv: s.RuntimeEnv, Placement: s.Placement,
		Streaming: s.Streaming, Dynamic: s.Dynamic, Backpressure: s.Backpressure, PerYield: s.PerYield,
		ActorBackpressure: s.ActorBackpressure}
}

func encodeValue(v objects.Value) *pb.Value {
	out := &pb.Value{Data: v.Data, Metadata: v.Metadata}
	if v.Block != nil {
		out.Block = encodeBlock(*v.Block)
	}
	if len(v.Contained) > 0 {
		out.Contained = ids.JoinObjects(v.Contained)
	}
	return out
}

func encodeBlock(b objects.Block) *pb.Block {
	return &pb.Block{Id: b.ID, Offset: b.Offset, Size: b.Size}
}

func encodeResources(r sched.Resources) []*pb.Resource {
	var out []*pb.Resource
	for name, amount := range r.All() {
		out = append(out, &pb.Resource{Name: name, Amount: amount})
	}
	return out
}
