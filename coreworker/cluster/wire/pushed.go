package wire

import (
	"google.golang.org/protobuf/proto"

	"github.com/mobula/mobula/coreworker/ids"
	"github.com/mobula/mobula/coreworker/sched"
	"github.com/mobula/mobula/coreworker/submit"
	"github.com/mobula/mobula/coreworker/task"
	"github.com/mobula/mobula/proto/ray"
)

// A spec has some forty fields, and the calls of one function or method differ in seven of them. What is the same is encoded once and
// travels as fields that the message does not know: it is written behind those that it does, as the same bytes.

// mostShapes bounds what is kept of shapes: a program that names each of its tasks makes one a task.
const mostShapes = 1000

// shape is what makes the specs of two calls the same but for Task's own.
type shape struct {
	kind                      task.Type
	function                  Function
	name, env, fallback       string
	group, where, retry       string
	resources                 sched.Key
	place                     sched.Place
	actor                     ids.ActorID
	returns, retries          int
	limit, actorLimit         int
	streaming, dynamic        bool
	retryExceptions, noEvents bool
	capture                   bool
}

func shapeOf(t *Task) shape {
	s := t.Spec
	return shape{kind: s.Type, function: t.Function, name: s.Name, env: s.Env, fallback: t.Environment, group: s.Group, where: submit.Where(s),
		retry: string(s.RetryAllowlist), resources: s.Resources.Key(), place: s.Place, actor: s.Actor, returns: s.NumReturns, retries: s.MaxRetries,
		limit: s.Backpressure, actorLimit: s.ActorBackpressure, streaming: s.Streaming, dynamic: s.Dynamic, retryExceptions: s.RetryExceptions,
		noEvents: s.NoEvents, capture: s.Capture}
}

// Pushed is the same message as Spec's for who it is sent to, and cheaper: of the fields that calls have in common none can be read
// from it here. It is for calls to workers, of which there are many, and not for creations. A driver's are made one at a time.
func (d *Driver) Pushed(t *Task) (*ray.TaskSpec, error) {
	if t.Spec.Type == task.ActorCreation {
		return d.Spec(t)
	}
	key := shapeOf(t)
	same, known := d.shapes[key]
	if !known {
		whole, err := d.Spec(t)
		if err != nil {
			return nil, err
		}
		clearOwn(whole)
		if same, err = proto.Marshal(whole); err != nil {
			return nil, err
		}
		if d.shapes == nil || len(d.shapes) >= mostShapes {
			d.shapes = map[shape][]byte{}
		}
		d.shapes[key] = same
	}
	args, err := d.args(t)
	if err != nil {
		return nil, err
	}
	out := d.own(t, args)
	out.ProtoReflect().SetUnknown(same)
	return out, nil
}

// own are the fields that each call has of its own.
func (d *Driver) own(t *Task, args []*ray.TaskArg) *ray.TaskSpec {
	s := t.Spec
	parent := d.parent(s)
	out := &ray.TaskSpec{TaskId: s.ID.Bytes(), ParentTaskId: parent, ParentCounter: t.Serial, CallerId: parent, SubmitterTaskId: parent, Args: args,
		AttemptNumber: int32(t.Attempt)}
	if s.Type == task.ActorMethod {
		out.ActorTaskSpec = actorTask(t)
	}
	return out
}

// clearOwn takes them out.
func clearOwn(s *ray.TaskSpec) {
	s.TaskId, s.ParentTaskId, s.ParentCounter, s.CallerId, s.SubmitterTaskId = nil, nil, 0, nil, nil
	s.Args, s.AttemptNumber, s.ActorTaskSpec = nil, 0, nil
}

func (d *Driver) parent(s *task.Spec) []byte {
	if s.Parent.IsNil() {
		id := ids.DriverTask(d.Job)
		return id.Bytes()
	}
	return s.Parent.Bytes()
}

func actorTask(t *Task) *ray.ActorTaskSpec {
	s := t.Spec
	out := &ray.ActorTaskSpec{ActorId: s.Actor.Bytes(), ActorCreationDummyObjectId: s.Actor.Handle().Bytes(), ConcurrencyGroupSequenceNumber: t.Sequence}
	if s.ActorBackpressure > 0 {
		n := int64(s.ActorBackpressure)
		out.ActorGeneratorBackpressureNumObjects = &n
	}
	return out
}
