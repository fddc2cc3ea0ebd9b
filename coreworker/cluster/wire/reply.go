package wire

import (
	"fmt"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/mobula/mobula/coreworker/ids"
	"github.com/mobula/mobula/coreworker/objects"
	"github.com/mobula/mobula/coreworker/peer"
	"github.com/mobula/mobula/coreworker/task"
	"github.com/mobula/mobula/proto/ray"
)

// Stored makes the value of a return that lies in the store of the node that made it.
type Stored func(id ids.ObjectID, size uint64) objects.Value

// Reply is what an executor's answer means. An answer that makes no sense is an error of the task's worker.
func Reply(s *task.Spec, r *ray.PushTaskReply, stored Stored) peer.Reply {
	if r.WasCancelledBeforeRunning {
		return peer.Reply{End: task.NotStarted}
	}
	byID := make(map[ids.ObjectID]*ray.ReturnObject, len(r.ReturnObjects))
	for _, o := range r.ReturnObjects {
		id, err := ids.Object(o.ObjectId)
		if err != nil {
			return broken(err)
		}
		byID[id] = o
	}
	out := peer.Reply{End: task.OK, Retryable: r.IsRetryableError, Text: r.TaskExecutionError}
	var problem error
	s.Returns(func(id ids.ObjectID) {
		v, err := Value(id, byID[id], stored)
		if err != nil && problem == nil {
			problem = err
		}
		if v.IsError && out.End == task.OK {
			out.End, out.Error = task.Failed, v
			if kind, _ := objects.Metadata(v.Metadata); kind == objects.TaskCancelledType {
				out.End = task.Stopped
			}
		}
		out.Returns = append(out.Returns, v)
	})
	switch {
	case problem != nil:
		return broken(problem)
	case out.End != task.OK:
		out.Returns = nil
	case r.IsApplicationError:
		return broken(fmt.Errorf("the task failed, and no return holds its error: %s", r.TaskExecutionError))
	}
	return out
}

func broken(err error) peer.Reply {
	text := "its worker's answer cannot be understood: " + err.Error()
	return peer.Reply{End: task.Died, Text: text, Error: objects.WorkerDied(text)}
}

// Value is the value of a return, or of what a generator has yielded.
func Value(id ids.ObjectID, o *ray.ReturnObject, stored Stored) (objects.Value, error) {
	switch {
	case o == nil:
		return objects.Value{}, fmt.Errorf("return %d is missing", id.Index())
	case o.InPlasma && stored == nil:
		return objects.Value{}, fmt.Errorf("return %d lies in a store", id.Index())
	case o.InPlasma && o.Size < 0:
		return objects.Value{}, fmt.Errorf("return %d has %d bytes", id.Index(), o.Size)
	}
	v := objects.Value{Data: o.Data, Metadata: o.Metadata}
	if o.InPlasma {
		v = stored(id, uint64(o.Size))
	} else {
		_, v.IsError = objects.Metadata(v.Metadata)
	}
	for _, ref := range o.NestedInlinedRefs {
		inner, err := ids.Object(ref.GetObjectId())
		if err != nil {
			return v, err
		}
		v.Contained = append(v.Contained, inner)
	}
	return v, nil
}

// Refused is what the failure of a push means: a task that its executor has taken out of its queue, or the end of a worker.
func Refused(err error) peer.Reply {
	if s := status.Convert(err); s.Code() == codes.Aborted && s.Message() == "SchedulingCancelled" {
		return peer.Reply{End: task.NotStarted}
	}
	return peer.Reply{End: task.Died, Text: fmt.Sprintf("the call to its worker failed: %s", status.Convert(err).Message())}
}

// Cause is why the worker of a lease ended, where its raylet says so; fallback is what is known without it.
func Cause(r *ray.GetWorkerFailureCauseReply, fallback string) peer.Reply {
	c := r.GetFailureCause()
	out := peer.Reply{End: task.Died, Text: fallback}
	if c == nil {
		return out
	}
	out.Text = c.ErrorMessage
	switch c.ErrorType {
	case ray.ErrorType_OUT_OF_MEMORY:
		out.Error = objects.OutOfMemory(c.ErrorMessage)
	case ray.ErrorType_NODE_DIED:
		out.Error = objects.NodeDied(c.ErrorMessage)
	}
	return out
}

// NoWorker is why a raylet threw a wish for a worker away, as the error of its tasks. Nil: asking again may help.
func NoWorker(r *ray.RequestWorkerLeaseReply) *objects.Value {
	make := func(v objects.Value) *objects.Value { return &v }
	text := r.SchedulingFailureMessage
	switch r.FailureType {
	case ray.RequestWorkerLeaseReply_SCHEDULING_CANCELLED_PLACEMENT_GROUP_REMOVED:
		return make(objects.TaskGroupRemoved(text))
	case ray.RequestWorkerLeaseReply_SCHEDULING_CANCELLED_RUNTIME_ENV_SETUP_FAILED:
		return make(objects.RuntimeEnvSetupFailed(text))
	case ray.RequestWorkerLeaseReply_SCHEDULING_CANCELLED_UNSCHEDULABLE:
		return make(objects.TaskUnschedulable(text))
	case ray.RequestWorkerLeaseReply_SCHEDULING_CANCELLED_WORKER_STARTUP_FAILED:
		return make(objects.WorkerStartupFailed(text))
	}
	return nil
}

// NodeGone is the end of a task whose worker and raylet do not answer.
func NodeGone(node ids.NodeID, err error) peer.Reply {
	text := fmt.Sprintf("neither its worker nor the raylet of node %s answers: %v", node, err)
	return peer.Reply{End: task.Died, Text: text, Error: objects.NodeDied(text)}
}
