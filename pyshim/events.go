package pyshim

import (
	"context"

	"github.com/mobula/mobula/coreworker"
	"github.com/mobula/mobula/coreworker/ids"
	"github.com/mobula/mobula/coreworker/task"
	pb "github.com/mobula/mobula/proto/boundary"
)

// eventsPage bounds one answer: the state lock is held while it is made, and others wait.
const eventsPage = 1000

var taskEnds = map[task.Outcome]pb.TaskEnd{
	task.OK:        pb.TaskEnd_TASK_END_FINISHED,
	task.Failed:    pb.TaskEnd_TASK_END_FAILED,
	task.Stopped:   pb.TaskEnd_TASK_END_CANCELED,
	task.Died:      pb.TaskEnd_TASK_END_WORKER_DIED,
	task.LeftActor: pb.TaskEnd_TASK_END_ACTOR_EXITED,
}

// Events tells what has happened, a page at a time.
func (s *Server) Events(_ context.Context, r *pb.TaskEvents) (*pb.TaskEventsReply, error) {
	var h coreworker.Happened
	s.core.Do(func() { h = s.core.Happened(r.From, eventsPage) })
	return encodeHappened(h), nil
}

func encodeHappened(h coreworker.Happened) *pb.TaskEventsReply {
	out := &pb.TaskEventsReply{First: h.First, Next: h.Next, Events: make([]*pb.TaskEvent, len(h.Attempts))}
	began := h.Began.UnixNano()
	for i := range h.Attempts {
		a := &h.Attempts[i]
		out.Events[i] = &pb.TaskEvent{TaskId: a.Task.Bytes(), Attempt: uint32(a.Number), Type: pb.TaskType(a.Type), Name: a.Name,
			Method: a.Method, ActorName: a.ActorName, WorkerId: a.Worker.Bytes(), Pid: uint32(a.PID),
			StartedNs: began + int64(a.Started), EndedNs: began + int64(a.Ended), End: taskEnds[a.End], ErrorText: a.Text}
		if a.Function != (ids.FunctionID{}) {
			out.Events[i].FunctionId = a.Function.Bytes()
		}
	}
	return out
}
