package pyshim

import (
	"strings"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/mobula/mobula/coreworker/ids"
	pb "github.com/mobula/mobula/proto/boundary"
)

func TestAttachRefusals(t *testing.T) {
	k := newKit(t)
	change := func(fn func(*pb.Attach)) *pb.Attach {
		a := k.driverAttach(pb.LaneKind_LANE_CALLS)
		fn(a)
		return a
	}
	for name, c := range map[string]struct {
		attach *pb.Attach
		code   codes.Code
		says   string
	}{
		"no attach":          {nil, codes.InvalidArgument, "must have attach"},
		"protocol":           {change(func(a *pb.Attach) { a.Protocol = 2 }), codes.FailedPrecondition, "protocol 1, the Python package 2"},
		"version":            {change(func(a *pb.Attach) { a.Version = "0.9" }), codes.FailedPrecondition, "version 1.0, the Python package 0.9"},
		"no role":            {change(func(a *pb.Attach) { a.Role = 0 }), codes.InvalidArgument, "unknown role 0"},
		"strange role":       {change(func(a *pb.Attach) { a.Role = 257 }), codes.InvalidArgument, "unknown role 257"},
		"no kind":            {change(func(a *pb.Attach) { a.Kind = 0 }), codes.InvalidArgument, "unknown kind 0"},
		"short id":           {change(func(a *pb.Attach) { a.WorkerId = []byte("x") }), codes.InvalidArgument, "worker id"},
		"another driver":     {change(func(a *pb.Attach) { a.WorkerId = ids.DriverWorker(ids.JobFromInt(2)).Bytes() }), codes.PermissionDenied, "was not started"},
		"unknown worker":     {change(func(a *pb.Attach) { a.Role, a.WorkerId = pb.Role_ROLE_WORKER, ids.NewWorkerID().Bytes() }), codes.PermissionDenied, "was not started"},
		"driver as worker":   {change(func(a *pb.Attach) { a.Role = pb.Role_ROLE_WORKER }), codes.PermissionDenied, "was not started"},
		"driver that runs":   {change(func(a *pb.Attach) { a.Kind = pb.LaneKind_LANE_EXECUTOR }), codes.InvalidArgument, "only workers"},
		"executor not known": {&pb.Attach{Protocol: 1, Version: "1.0", Role: pb.Role_ROLE_WORKER, Kind: pb.LaneKind_LANE_EXECUTOR, WorkerId: ids.NewWorkerID().Bytes()}, codes.PermissionDenied, "was not started"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := k.dialLane(c.attach).stream.Recv()
			if status.Code(err) != c.code || !strings.Contains(err.Error(), c.says) {
				t.Errorf("%v; want %s with %q", err, c.code, c.says)
			}
		})
	}
	if n := k.lanes(); n != 0 {
		t.Errorf("%d lanes after nothing but refusals", n)
	}
	// The slot that the refused executor was given is free again.
	if slot, _, err := k.page.Take(); err != nil || slot != firstSlot {
		t.Errorf("slot %d, %v", slot, err)
	}
}

func TestAttached(t *testing.T) {
	k := newKit(t)
	d := k.driver()
	if a := d.said; a.Applied != 0 || a.Namespace != "ns" || string(a.JobId) != string(k.core.Job.Bytes()) || len(a.NodeId) != 28 {
		t.Errorf("%v", a)
	}
	d.mutate(1, submit(k, 1))
	p, first := k.worker()
	second := k.open(k.workerAttach(p))
	if first.said.Slot == second.said.Slot {
		t.Errorf("both lanes have slot %d", first.said.Slot)
	}
	if run := first.run(); !run.Ticket || run.Epoch <= 1<<31 {
		t.Errorf("%v", run)
	}
}

// What is malformed ends its own lane, with the reason, and no other.
func TestMalformed(t *testing.T) {
	k := newKit(t)
	other := k.driver()
	bad := &pb.TaskSpec{TaskId: taskID(k, 1).Bytes(), Type: 9, FunctionId: make([]byte, 28)}
	for name, m := range map[string]*pb.FromShim{
		"no number":     {Mutations: []*pb.Mutation{put(taskID(k, 1).Put(0, 1))}},
		"empty":         {FirstMutation: 1, Mutations: []*pb.Mutation{{}}},
		"type":          {FirstMutation: 1, Mutations: []*pb.Mutation{{Kind: &pb.Mutation_Submit{Submit: bad}}}},
		"foreign id":    {FirstMutation: 1, Mutations: []*pb.Mutation{{Kind: &pb.Mutation_Submit{Submit: &pb.TaskSpec{TaskId: make([]byte, 24), FunctionId: make([]byte, 28)}}}}},
		"half an id":    {FirstMutation: 1, Mutations: []*pb.Mutation{{Kind: &pb.Mutation_Refs{Refs: &pb.Refs{Added: []byte("x")}}}}},
		"result":        {FirstMutation: 1, Mutations: []*pb.Mutation{done(&pb.RunTask{Spec: &pb.TaskSpec{TaskId: taskID(k, 1).Bytes()}}, 0)}},
		"drop":          {Dropped: &pb.RunDropped{Generation: 1}},
		"request":       {Request: &pb.Request{Id: 1}},
		"actor in task": {Request: &pb.Request{Id: 1, Kind: &pb.Request_RegisterActor{RegisterActor: &pb.RegisterActor{Spec: submit(k, 1).GetSubmit()}}}},
	} {
		t.Run(name, func(t *testing.T) {
			s := k.driver()
			s.send(m)
			if _, err := s.stream.Recv(); status.Code(err) != codes.InvalidArgument {
				t.Errorf("%v", err)
			}
		})
	}
	other.sync(1, 0)
	if k.counts().TasksPending != 0 {
		t.Errorf("%+v", k.counts())
	}
}
