package pyshim

import (
	"fmt"

	"github.com/mobula/mobula/coreworker"
	"github.com/mobula/mobula/coreworker/ids"
	"github.com/mobula/mobula/coreworker/objects"
	"github.com/mobula/mobula/coreworker/peer"
	"github.com/mobula/mobula/coreworker/task"
	pb "github.com/mobula/mobula/proto/boundary"
)

var ends = map[pb.Outcome]task.Outcome{
	pb.Outcome_OUTCOME_OK:         task.OK,
	pb.Outcome_OUTCOME_ERROR:      task.Failed,
	pb.Outcome_OUTCOME_CANCELED:   task.Stopped,
	pb.Outcome_OUTCOME_EXIT_ACTOR: task.LeftActor,
}

// decodeDone reads a result. Any lane of the process may bring it, for one that was lost with its lane is sent again.
func (l *lane) decodeDone(d *pb.TaskDone) (func(), error) {
	if l.process.Role != coreworker.Worker {
		return nil, fmt.Errorf("a result from a process that runs no tasks")
	}
	id, err := ids.Task(d.GetTaskId())
	if err != nil {
		return nil, err
	}
	end, known := ends[d.Outcome]
	if !known {
		return nil, fmt.Errorf("task %s: unknown outcome %d", id, d.Outcome)
	}
	r := peer.Reply{End: end, Retryable: d.Retryable, Text: d.ErrorText}
	if end == task.OK && len(d.Returns) > 0 {
		r.Returns = make([]objects.Value, len(d.Returns))
		for i, v := range d.Returns {
			if r.Returns[i], err = decodeValue(v); err != nil {
				return nil, err
			}
		}
	}
	if d.Error != nil {
		if r.Error, err = decodeValue(d.Error); err != nil {
			return nil, err
		}
	}
	if end == task.Failed && !r.Error.IsError {
		return nil, fmt.Errorf("task %s failed without an error object", id)
	}
	attempt := int(d.Attempt)
	return func() { l.process.Finished(id, attempt, r) }, nil
}
