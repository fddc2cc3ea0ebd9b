package pyshim

import (
	"context"
	"maps"
	"time"

	"github.com/mobula/mobula/coreworker"
	"github.com/mobula/mobula/coreworker/objects"
	"github.com/mobula/mobula/coreworker/sched"
	"github.com/mobula/mobula/coreworker/task"
	pb "github.com/mobula/mobula/proto/boundary"
)

const (
	// stateRows bounds one answer: the state lock is held while it is gathered, and others wait.
	stateRows = 10_000
	// explained is how many tasks of one name are explained.
	explained = 10
)

// State tells what there is now.
func (s *Server) State(ctx context.Context, r *pb.StateRequest) (*pb.StateReply, error) {
	s.catchUpOutside()
	most := int(min(r.Most, stateRows))
	out := &pb.StateReply{}
	switch r.Kind {
	case pb.StateKind_STATE_SESSION:
		session, err := s.session(ctx)
		if err != nil {
			return nil, err
		}
		out.Session = session
	case pb.StateKind_STATE_TASKS:
		s.core.Do(func() {
			rows, total := s.core.Tasks(most)
			for _, one := range rows { // with the lock: entries change
				out.Tasks = append(out.Tasks, taskState(one, s.core.Now()))
			}
			out.Total = uint64(total)
		})
	case pb.StateKind_STATE_ACTORS:
		s.core.Do(func() {
			rows, total := s.core.ActorsNow(most)
			for _, one := range rows {
				c := one.Spec.Creation
				row := &pb.ActorState{ActorId: one.Spec.Actor.Bytes(), ClassName: c.ClassName, Name: c.Name, Namespace: c.Namespace,
					State: one.State.String(), OwnerId: one.Owner.Bytes(), Restarts: uint32(one.Restarts), Detached: c.Detached,
					Resources: amounts(one.Spec.Resources)}
				if one.Worker != nil {
					row.Pid, row.WorkerId = uint32(one.Worker.PID), one.Worker.ID.Bytes()
				}
				out.Actors = append(out.Actors, row)
			}
			out.Total = uint64(total)
		})
	case pb.StateKind_STATE_OBJECTS:
		var rows []coreworker.ObjectLook
		s.core.Do(func() {
			var total int
			rows, total = s.core.ObjectsNow(most)
			out.Total = uint64(total)
		})
		for _, one := range rows {
			out.Objects = append(out.Objects, &pb.ObjectState{ObjectId: one.ID.Bytes(), OwnerId: one.Refs.Owner.Bytes(),
				Ready: one.State == objects.Ready, Error: one.IsError, Shared: one.Shared, Size: one.Size, Handles: one.Refs.Handles,
				Borrowers: uint32(one.Refs.Borrowers), Uses: uint32(one.Refs.Uses), Inside: uint32(one.Refs.Inside)})
		}
	case pb.StateKind_STATE_WORKERS:
		var rows []coreworker.WorkerLook
		s.core.Do(func() { rows = s.core.WorkersNow() })
		for _, one := range rows {
			row := &pb.WorkerState{WorkerId: one.ID.Bytes(), Pid: uint32(one.PID), State: one.State, Label: one.Label,
				Resources: amounts(one.Holds)}
			if one.HasActor {
				row.ActorId = one.Actor.Bytes()
			}
			for _, id := range one.Running {
				row.Running = append(row.Running, id[:]...)
			}
			out.Workers = append(out.Workers, row)
		}
		out.Total = uint64(len(rows))
	case pb.StateKind_STATE_GROUPS:
		s.core.Do(func() {
			rows := s.core.Groups()
			out.Total = uint64(len(rows))
			for _, one := range rows[len(rows)-min(len(rows), most):] {
				out.Groups = append(out.Groups, encodeGroup(one))
			}
		})
	}
	return out, nil
}

func (s *Server) session(ctx context.Context) (*pb.SessionState, error) {
	counts, err := s.Inspect(ctx, nil)
	if err != nil {
		return nil, err
	}
	var info coreworker.Info
	var age time.Duration
	var jobs [][]byte
	s.core.Do(func() {
		info, age = s.core.Info(), s.core.Now()
		for _, job := range s.core.JobsNow() {
			jobs = append(jobs, job.Bytes())
		}
	})
	return &pb.SessionState{JobIds: jobs, Version: s.version, Namespace: s.namespace, AgeMs: uint64(age.Milliseconds()), Total: amounts(info.Total),
		Available: amounts(info.Available), StoreBytes: info.StoreBytes, StoreUsed: info.StoreUsed, Counts: counts,
		NodeId: s.core.Node.Bytes(), NodeName: info.NodeName, Labels: info.Labels}, nil
}

func taskState(one coreworker.TaskLook, now time.Duration) *pb.TaskState {
	e := one.Entry
	out := &pb.TaskState{TaskId: e.Spec.ID.Bytes(), ParentId: e.Spec.Parent.Bytes(), OwnerId: e.Owner.Bytes(), Pid: uint32(one.PID),
		Name: e.Spec.Name, Type: uint32(e.Spec.Type), Stage: pb.TaskStage(one.Stage), Attempt: uint32(e.Attempt),
		Resources: amounts(e.Spec.Resources), Canceled: e.Canceled}
	if e.Spec.Type != task.Normal {
		out.ActorId = e.Spec.Actor.Bytes()
	}
	if one.PID != 0 {
		out.WorkerId = one.Worker.Bytes()
	}
	if one.Since > 0 {
		out.RunningMs = uint64((now - one.Since).Milliseconds())
	}
	return out
}

// Why explains what the tasks that fit wait for.
func (s *Server) Why(_ context.Context, r *pb.WhyRequest) (*pb.WhyReply, error) {
	s.catchUpOutside()
	out := &pb.WhyReply{}
	s.core.Do(func() {
		found := s.core.FindTasks(r.Task)
		out.Found = uint32(len(found))
		for _, id := range found[:min(len(found), explained)] {
			for _, line := range s.core.Why(id) {
				out.Lines = append(out.Lines, &pb.WhyLine{Depth: uint32(line.Depth), Text: line.Text})
			}
		}
	})
	return out, nil
}

func amounts(r sched.Resources) map[string]float64 { return maps.Collect(r.All()) }
