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
	var answer *pb.TaskEventsReply
	s.core.Do(func() { answer = events(s.core, r) })
	return answer, nil
}

func events(core *coreworker.Core, r *pb.TaskEvents) *pb.TaskEventsReply {
	if r.Gets {
		return encodeGot(core.Got(r.From, eventsPage))
	}
	return encodeHappened(core.Happened(r.From, eventsPage))
}

func encodeGot(g coreworker.Got) *pb.TaskEventsReply {
	out := &pb.TaskEventsReply{First: g.First, Next: g.Next, Gets: make([]*pb.TaskGet, len(g.Taken))}
	began := g.Began.UnixNano()
	for i, t := range g.Taken {
		out.Gets[i] = &pb.TaskGet{TaskId: t.Task.Bytes(), WorkerId: t.By.Bytes(), AskedNs: began + int64(t.Asked),
			AnsweredNs: began + int64(t.Answered)}
		if t.In != (ids.TaskID{}) {
			out.Gets[i].InTaskId = t.In.Bytes()
		}
	}
	return out
}

func encodeHappened(h coreworker.Happened) *pb.TaskEventsReply {
	out := &pb.TaskEventsReply{First: h.First, Next: h.Next, Events: make([]*pb.TaskEvent, len(h.Attempts))}
	began := h.Began.UnixNano()
	for i := range h.Attempts {
		a := &h.Attempts[i]
		out.Events[i] = &pb.TaskEvent{TaskId: a.Task.Bytes(), Attempt: uint32(a.Number), Type: pb.TaskType(a.Type), Name: a.Name,
			CodeName: a.Code, Method: a.Method, ActorName: a.ActorName, WorkerId: a.Worker.Bytes(), Pid: uint32(a.PID),
			CallerId: a.Caller.Bytes(), ParentId: a.Parent.Bytes(), CalledNs: began + int64(a.Called),
			StartedNs: began + int64(a.Started), EndedNs: began + int64(a.Ended), End: taskEnds[a.End], ErrorText: a.Text}
		if a.Function != (ids.FunctionID{}) {
			out.Events[i].FunctionId = a.Function.Bytes()
		}
	}
	return out
}
