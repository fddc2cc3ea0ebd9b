package wire

import (
	"bytes"
	"cmp"
	"fmt"

	"github.com/vmihailenco/msgpack/v5"

	"github.com/mobula/mobula/coreworker/ids"
	"github.com/mobula/mobula/coreworker/objects"
	"github.com/mobula/mobula/coreworker/sched"
	"github.com/mobula/mobula/coreworker/task"
	"github.com/mobula/mobula/proto/ray"
)

// Driver is what all specs of a driver say of it.
type Driver struct {
	Job     ids.JobID
	Address *ray.Address
	Config  *ray.JobConfig

	shapes map[shape][]byte // what calls have in common: see Pushed
}

// Task is one attempt of a task, with what the core's spec does not hold.
type Task struct {
	Spec     *task.Spec
	Function Function
	Attempt  int
	// Args are the values of the arguments that are references, by position; nil where there is none.
	Args []objects.Value
	// Keyword is the name of an argument that is given by name. Nil: none is.
	Keyword func(arg int) (name string, named bool)
	// Owner is who is to be asked about an object. Nil: this driver owns all.
	Owner func(ids.ObjectID) *ray.Address
	// Stored says whether a value lies in a node's store, so that only its reference can be sent. Nil: none does.
	Stored func(*objects.Value) bool
	// Serial numbers what the parent has submitted, from 1.
	Serial uint64
	// Sequence is the number of a call to an actor, for each concurrency group from 0.
	Sequence uint64
	// Environment is that of tasks which say nothing else; "" is none.
	Environment string
}

// noAllowlist is a pickled None.
var noAllowlist = []byte{0x80, 5, 'N', '.'}

// Spec is the task as stock workers take it.
func (d *Driver) Spec(t *Task) (*ray.TaskSpec, error) {
	s, parent := t.Spec, d.parent(t.Spec)
	args, err := d.args(t)
	if err != nil {
		return nil, err
	}
	resources := Resources(s.Resources, s.Place)
	out := &ray.TaskSpec{
		Type: ray.TaskType_NORMAL_TASK, Name: Name(s), FunctionDescriptor: t.Function.Descriptor(), JobId: d.Job.Bytes(), TaskId: s.ID.Bytes(),
		ParentTaskId: parent, ParentCounter: t.Serial, CallerId: parent, SubmitterTaskId: parent,
		CallerAddress: d.Address, Args: args, NumReturns: uint64(s.NumReturns),
		RequiredResources: resources, RequiredPlacementResources: resources,
		MaxRetries: int32(s.MaxRetries), RuntimeEnvInfo: Environment(s.Env, t.Environment), RetryExceptions: s.RetryExceptions,
		SerializedRetryExceptionAllowlist: noAllowlist, Depth: 1, SchedulingStrategy: strategy(s), LabelSelector: labels(s.Labels),
		FallbackStrategy: fallback(s.Labels), AttemptNumber: int32(t.Attempt), JobConfig: d.Config, EnableTaskEvents: !s.NoEvents,
		ReturnsDynamic: s.Streaming || s.Dynamic, StreamingGenerator: s.Streaming,
		GeneratorBackpressureNumObjects: limit(s.Backpressure), NumObjectsPerYield: 1, CallSite: new(string),
		ConcurrencyGroupName: s.Group,
	}
	if len(s.RetryAllowlist) > 0 {
		out.SerializedRetryExceptionAllowlist = s.RetryAllowlist
	}
	if s.Type == task.ActorMethod {
		out.Type = ray.TaskType_ACTOR_TASK
		out.JobConfig = nil               // its worker has learned its job
		out.JobId = s.Actor.Job().Bytes() // it ends its process over another than that which it was made in
		out.ActorTaskSpec = actorTask(t)
	}
	if s.Type == task.ActorCreation {
		d.creation(out, t)
	}
	return out, nil
}

// limit is a limit as Ray writes it; 0 would end the worker.
func limit(n int) int64 {
	if n <= 0 {
		return -1
	}
	return int64(n)
}

// Environment is the environment of a task as Ray writes it; fallback is that of tasks that say nothing.
func Environment(env, fallback string) *ray.RuntimeEnvInfo {
	env = cmp.Or(env, fallback, "{}")
	return &ray.RuntimeEnvInfo{SerializedRuntimeEnv: env, RuntimeEnvConfig: &ray.RuntimeEnvConfig{SetupTimeoutSeconds: 600, EagerInstall: true}}
}

// Name is what a task is listed by.
func Name(s *task.Spec) string {
	switch c := s.Creation; {
	case c == nil:
		return s.Name
	case c.Name != "":
		return c.Name + ":" + c.ClassName + ".__init__"
	default:
		return c.ClassName + ".__init__"
	}
}

// creation adds what only the creation of an actor has.
func (d *Driver) creation(out *ray.TaskSpec, t *Task) {
	s, c := t.Spec, t.Spec.Creation
	out.Type, out.MaxRetries, out.NumReturns = ray.TaskType_ACTOR_CREATION_TASK, 0, 0
	if c.HasPlacement {
		out.RequiredPlacementResources = Resources(c.Placement, s.Place)
	}
	if c.Detached {
		out.RootDetachedActorId = s.Actor.Bytes()
	}
	var groups []*ray.ConcurrencyGroup
	for _, g := range c.Groups {
		groups = append(groups, &ray.ConcurrencyGroup{Name: g.Name, MaxConcurrency: int32(g.MaxConcurrency)})
	}
	out.ActorCreationTaskSpec = &ray.ActorCreationTaskSpec{ActorId: s.Actor.Bytes(), MaxActorRestarts: int64(c.MaxRestarts), MaxTaskRetries: int64(s.MaxRetries),
		MaxConcurrency: int32(max(c.MaxConcurrency, 1)), IsDetached: c.Detached, Name: c.Name, RayNamespace: c.Namespace, IsAsyncio: c.Asyncio,
		ExtensionData: extension(c), SerializedActorHandle: c.Handle, ConcurrencyGroups: groups, AllowOutOfOrderExecution: c.OutOfOrder,
		MaxPendingCalls: int32(max(c.MaxPendingCalls, 0)), ActorGeneratorBackpressureNumObjects: limit(s.ActorBackpressure)}
}

// extension is what Ray's Python notes of a class: whether its methods are no coroutines.
func extension(c *task.Creation) string {
	if c.Asyncio {
		return "0"
	}
	return "1"
}

func (d *Driver) args(t *Task) ([]*ray.TaskArg, error) {
	var out []*ray.TaskArg
	for i := range t.Spec.Args {
		before := marker
		if t.Keyword != nil {
			if name, named := t.Keyword(i); named {
				var err error
				if before, err = keyword(name); err != nil {
					return nil, fmt.Errorf("task %s: argument %q: %w", t.Spec.ID, name, err)
				}
			}
		}
		out = append(out, before, d.arg(t, i))
	}
	return out, nil
}

// marker stands before an argument that has no name.
var marker = &ray.TaskArg{Data: []byte("__RAY_DUMMY__"), Metadata: []byte("RAW")}

func (d *Driver) arg(t *Task, i int) *ray.TaskArg {
	a := &t.Spec.Args[i]
	v := &a.Value
	if a.IsRef {
		if i < len(t.Args) {
			v = &t.Args[i]
		}
		if v.Metadata == nil || t.Stored != nil && t.Stored(v) {
			return &ray.TaskArg{ObjectRef: d.ref(t, a.Ref)}
		}
	}
	out := &ray.TaskArg{Data: v.Data, Metadata: v.Metadata, IsInlined: a.IsRef}
	for _, id := range v.Contained {
		out.NestedInlinedRefs = append(out.NestedInlinedRefs, d.ref(t, id))
	}
	return out
}

func (d *Driver) ref(t *Task, id ids.ObjectID) *ray.ObjectReference {
	owner := d.Address
	if t.Owner != nil {
		owner = t.Owner(id)
	}
	return &ray.ObjectReference{ObjectId: id.Bytes(), OwnerAddress: owner}
}

// keyword is a name as a value: Ray's header, and a msgpack string.
func keyword(name string) (*ray.TaskArg, error) {
	var body, length bytes.Buffer
	if err := msgpack.NewEncoder(&body).EncodeString(name); err != nil {
		return nil, err
	}
	if err := msgpack.NewEncoder(&length).EncodeUint(uint64(body.Len())); err != nil {
		return nil, err
	}
	data := make([]byte, 9, 9+body.Len())
	copy(data, length.Bytes())
	return &ray.TaskArg{Data: append(data, body.Bytes()...), Metadata: []byte("XLANG")}, nil
}

// Lease is what a raylet is told of tasks that may share a worker, by the spec of one of them: it has what they all need brought before
// it gives a worker.
func (d *Driver) Lease(id []byte, t *Task, s *ray.TaskSpec, needs []ids.ObjectID) *ray.LeaseSpec {
	out := &ray.LeaseSpec{LeaseId: id, JobId: s.JobId, CallerAddress: s.CallerAddress, Type: s.Type, RequiredResources: s.RequiredResources,
		RequiredPlacementResources: s.RequiredPlacementResources, SchedulingStrategy: s.SchedulingStrategy, LabelSelector: s.LabelSelector,
		Depth: s.Depth, RuntimeEnvInfo: s.RuntimeEnvInfo, ParentTaskId: s.ParentTaskId, Language: s.Language, FunctionDescriptor: s.FunctionDescriptor,
		MaxRetries: s.MaxRetries, AttemptNumber: uint64(s.AttemptNumber), TaskName: s.Name, FallbackStrategy: s.FallbackStrategy}
	for _, need := range needs {
		out.Dependencies = append(out.Dependencies, d.ref(t, need))
	}
	return out
}

// Resources are what a raylet is asked for. In a placement group they are the group's own, by names that the group's raylets
// have given them.
func Resources(r sched.Resources, p sched.Place) map[string]float64 {
	out := map[string]float64{}
	for name, amount := range r.All() {
		if !p.InGroup() {
			out[name] = amount
			continue
		}
		out[name+"_group_"+p.Group.String()] = amount
		if p.Bundle != sched.AnyBundle {
			out[fmt.Sprintf("%s_group_%d_%s", name, p.Bundle, p.Group)] = amount
		}
	}
	if p.InGroup() {
		const mark = 0.001
		out["bundle_group_"+p.Group.String()] = mark
		if p.Bundle != sched.AnyBundle {
			out[fmt.Sprintf("bundle_group_%d_%s", p.Bundle, p.Group)] = mark
		}
	}
	return out
}

func strategy(s *task.Spec) *ray.SchedulingStrategy {
	switch {
	case s.Place.InGroup():
		return &ray.SchedulingStrategy{SchedulingStrategy: &ray.SchedulingStrategy_PlacementGroupSchedulingStrategy{
			PlacementGroupSchedulingStrategy: &ray.PlacementGroupSchedulingStrategy{PlacementGroupId: s.Place.Group.Bytes(),
				PlacementGroupBundleIndex: int64(s.Place.Bundle), PlacementGroupCaptureChildTasks: s.Capture}}}
	case len(s.Node) > 0:
		return affinity(&ray.NodeAffinitySchedulingStrategy{NodeId: s.Node})
	case len(s.Rather) > 0:
		return affinity(&ray.NodeAffinitySchedulingStrategy{NodeId: s.Rather, Soft: true})
	case s.Spread:
		return &ray.SchedulingStrategy{SchedulingStrategy: &ray.SchedulingStrategy_SpreadSchedulingStrategy{SpreadSchedulingStrategy: &ray.SpreadSchedulingStrategy{}}}
	}
	return &ray.SchedulingStrategy{SchedulingStrategy: &ray.SchedulingStrategy_DefaultSchedulingStrategy{DefaultSchedulingStrategy: &ray.DefaultSchedulingStrategy{}}}
}

func affinity(a *ray.NodeAffinitySchedulingStrategy) *ray.SchedulingStrategy {
	return &ray.SchedulingStrategy{SchedulingStrategy: &ray.SchedulingStrategy_NodeAffinitySchedulingStrategy{NodeAffinitySchedulingStrategy: a}}
}

// labels is the first of the selectors; the others are tried where it fits no node.
func labels(all []sched.Selector) *ray.LabelSelector {
	if len(all) == 0 {
		return &ray.LabelSelector{}
	}
	return selector(all[0])
}

func fallback(all []sched.Selector) *ray.FallbackStrategy {
	out := &ray.FallbackStrategy{}
	for _, one := range all[min(1, len(all)):] {
		out.Options = append(out.Options, &ray.FallbackOption{LabelSelector: selector(one)})
	}
	return out
}

func selector(s sched.Selector) *ray.LabelSelector {
	out := &ray.LabelSelector{}
	for _, m := range s {
		op := ray.LabelSelectorOperator_LABEL_OPERATOR_IN
		if m.Not {
			op = ray.LabelSelectorOperator_LABEL_OPERATOR_NOT_IN
		}
		out.LabelConstraints = append(out.LabelConstraints, &ray.LabelSelectorConstraint{LabelKey: m.Key, Operator: op, LabelValues: m.Values})
	}
	return out
}
