package pyshim

import (
	"fmt"

	"github.com/mobula/mobula/coreworker/backend"
	"github.com/mobula/mobula/coreworker/ids"
	"github.com/mobula/mobula/coreworker/objects"
	"github.com/mobula/mobula/coreworker/sched"
	"github.com/mobula/mobula/coreworker/task"
	pb "github.com/mobula/mobula/proto/boundary"
)

// steps is what a message asks for, ready to be carried out under the lock. Everything that can be refused was looked
// at before.
type steps struct {
	mutations []func()
	then      func()
}

func (l *lane) decode(m *pb.FromShim) (steps, error) {
	var out steps
	if len(m.Mutations) > 0 {
		if m.FirstMutation == 0 {
			return out, fmt.Errorf("mutations without a number")
		}
		out.mutations = make([]func(), len(m.Mutations))
		for i, mutation := range m.Mutations {
			decode := l.decodeMutation
			if m.Ahead && i == len(m.Mutations)-1 {
				decode = l.decodeTelling
			}
			fn, err := decode(mutation)
			if err != nil {
				return out, err
			}
			out.mutations[i] = fn
		}
	} else if m.Ahead {
		return out, fmt.Errorf("an outcome is to be sent ahead of no submission")
	}
	var then []func()
	if m.Request != nil {
		fn, err := l.decodeRequest(m.Request)
		if err != nil {
			return out, err
		}
		then = append(then, func() {
			if !l.closed && !l.isGivenUp(m.Request.Id) {
				fn()
			}
		})
	}
	if m.Dropped != nil {
		if l.exec == nil {
			return out, fmt.Errorf("dropped tasks on a lane that brings none")
		}
		generation := m.Dropped.Generation
		then = append(then, func() { l.process.Executor().Dropped(l.exec, generation) })
	}
	switch len(then) {
	case 0:
	case 1:
		out.then = then[0]
	default:
		out.then = func() {
			for _, fn := range then {
				fn()
			}
		}
	}
	return out, nil
}

func (l *lane) decodeMutation(m *pb.Mutation) (func(), error) {
	p, core := l.process, l.server.core
	switch k := m.Kind.(type) {
	case *pb.Mutation_Submit:
		spec, err := decodeSpec(k.Submit)
		if err != nil {
			return nil, err
		}
		return func() { p.Submit(spec) }, nil
	case *pb.Mutation_Put:
		id, err := ids.Object(k.Put.GetObjectId())
		if err != nil {
			return nil, err
		}
		v, err := decodeValue(k.Put.GetValue())
		if err != nil {
			return nil, err
		}
		return func() { p.Put(id, v) }, nil
	case *pb.Mutation_Refs:
		added, err := ids.Objects(k.Refs.GetAdded())
		if err != nil {
			return nil, err
		}
		dropped, err := ids.Objects(k.Refs.GetDropped())
		if err != nil {
			return nil, err
		}
		unsure, err := ids.Objects(k.Refs.GetUnsure())
		if err != nil {
			return nil, err
		}
		return func() { p.Refs(added, dropped); p.RefsOfCalls(unsure) }, nil
	case *pb.Mutation_GiveUp:
		number, id := k.GiveUp.GetLane(), k.GiveUp.GetRequest()
		return func() {
			key := laneKey{p, number}
			if given := l.server.numbered[key]; given != nil {
				given.giveUp(id)
			} else {
				l.server.bereft.giveUp(key, id)
			}
		}, nil
	case *pb.Mutation_ActorHandles:
		added, err := handles(k.ActorHandles.GetAdded())
		if err != nil {
			return nil, err
		}
		dropped, err := handles(k.ActorHandles.GetDropped())
		if err != nil {
			return nil, err
		}
		unsure, err := handles(k.ActorHandles.GetUnsure())
		if err != nil {
			return nil, err
		}
		return func() { p.Refs(added, dropped); p.RefsOfCalls(unsure) }, nil
	case *pb.Mutation_MeetActor:
		m := k.MeetActor
		id, err := ids.Actor(m.GetActorId())
		if err != nil {
			return nil, err
		}
		class := backend.Function{Module: m.GetModule(), Class: m.GetClassName(), Name: "__init__", Hash: m.GetFunctionHash()}
		return func() { core.MeetActor(id, class, m.GetOutOfOrder()) }, nil
	case *pb.Mutation_Unpin:
		blocks, err := objects.BlockIDs(k.Unpin)
		if err != nil {
			return nil, err
		}
		return func() { p.Unpin(blocks) }, nil
	case *pb.Mutation_Discard:
		blocks, err := objects.BlockIDs(k.Discard)
		if err != nil {
			return nil, err
		}
		return func() { p.Discard(blocks) }, nil
	case *pb.Mutation_Cancel:
		id, err := ids.Object(k.Cancel.GetObjectId())
		if err != nil {
			return nil, err
		}
		force, recursive := k.Cancel.Force, k.Cancel.Recursive
		return func() { core.Cancel(id, force, recursive) }, nil
	case *pb.Mutation_Done:
		return l.decodeDone(k.Done)
	case *pb.Mutation_Item:
		return l.decodeItem(k.Item)
	case *pb.Mutation_Consumed:
		id, err := ids.Object(k.Consumed.GetObjectId())
		if err != nil {
			return nil, err
		}
		taken := int(k.Consumed.GetTaken())
		return func() { p.Taken(id, taken) }, nil
	case *pb.Mutation_AwaitGroup:
		return l.decodeAwaitGroup(k.AwaitGroup)
	case *pb.Mutation_DropStreams:
		return l.decodeDropStreams(k.DropStreams)
	case *pb.Mutation_Export:
		e := k.Export
		fn := backend.Function{Module: e.GetModule(), Class: e.GetClassName(), Name: e.GetFunctionName(), Hash: e.GetFunctionHash()}
		return func() { core.Export(e.GetNamespace(), e.GetKey(), e.GetValue(), fn) }, nil
	case *pb.Mutation_KillActor:
		id, err := ids.Actor(k.KillActor.GetActorId())
		if err != nil {
			return nil, err
		}
		noRestart := k.KillActor.NoRestart
		return func() { core.KillActor(id, noRestart) }, nil
	}
	return nil, fmt.Errorf("a mutation of an unknown kind")
}

// handles turns actor ids into the ids under which their handles are counted.
func handles(b []byte) ([]ids.ObjectID, error) {
	actors, err := ids.Actors(b)
	if err != nil {
		return nil, err
	}
	out := make([]ids.ObjectID, len(actors))
	for i, id := range actors {
		out[i] = id.Handle()
	}
	return out, nil
}

func decodeValue(v *pb.Value) (objects.Value, error) {
	out := objects.Value{Data: v.GetData(), Metadata: v.GetMetadata()}
	if b := v.GetBlock(); b != nil {
		out.Block = &objects.Block{ID: b.Id}
	}
	if len(v.GetContained()) > 0 {
		contained, err := ids.Objects(v.Contained)
		if err != nil {
			return out, err
		}
		out.Contained = contained
	}
	_, out.IsError = objects.Metadata(out.Metadata)
	return out, nil
}

var oneCPU = sched.CPUs(1)

func decodeResources(list []*pb.Resource) (sched.Resources, error) {
	switch {
	case len(list) == 0:
		return sched.Resources{}, nil
	case len(list) == 1 && list[0].Name == "CPU" && list[0].Amount == 1:
		return oneCPU, nil
	}
	return sched.Collect(func(yield func(string, float64) bool) {
		for _, r := range list {
			if !yield(r.Name, r.Amount) {
				return
			}
		}
	})
}

func decodeSpec(s *pb.TaskSpec) (*task.Spec, error) {
	id, err := ids.Task(s.GetTaskId())
	if err != nil {
		return nil, err
	}
	out := &task.Spec{Type: task.Type(s.Type), ID: id, Name: s.Name, Method: s.Method, NumReturns: int(s.NumReturns),
		MaxRetries: int(s.MaxRetries), MaxCalls: int(s.MaxCalls), Env: string(s.RuntimeEnv), Group: s.ConcurrencyGroup,
		NoEvents: s.NoEvents, Code: s.CodeName, Wire: s}
	if s.Type < 0 || s.Type > pb.TaskType_ACTOR_TASK {
		return nil, fmt.Errorf("task %s: unknown type %d", id, s.Type)
	}
	if s.NumReturns > maxReturns {
		return nil, fmt.Errorf("task %s: %d returns, at most %d", id, s.NumReturns, maxReturns)
	}
	if s.NodeSoft {
		out.Rather = s.Node
	} else {
		out.Node = s.Node
	}
	out.Spread, out.RetryExceptions, out.RetryAllowlist = s.Spread, s.RetryExceptions, s.RetryAllowlist
	if len(s.ParentTaskId) > 0 {
		if out.Parent, err = ids.Task(s.ParentTaskId); err != nil {
			return nil, err
		}
	}
	if out.Place, err = decodePlace(s.Placement); err != nil {
		return nil, fmt.Errorf("task %s: %w", id, err)
	}
	out.Capture = s.Placement.GetCapture()
	out.Labels = decodeSelectors(s.Labels)
	if out.Type != task.ActorMethod {
		if out.Function, err = ids.Function(s.FunctionId); err != nil {
			return nil, err
		}
	}
	if out.Type != task.Normal {
		if out.Actor, err = ids.Actor(s.ActorId); err != nil {
			return nil, err
		}
	}
	out.Told = s.Told
	out.Streaming, out.Dynamic, out.Backpressure = s.Streaming, s.Dynamic, int(s.Backpressure)
	if out.Type == task.ActorMethod {
		out.ActorBackpressure = int(s.ActorBackpressure)
	}
	if (out.Streaming || out.Dynamic) && (out.Type == task.ActorCreation || out.NumReturns != 1 || out.Streaming == out.Dynamic) {
		return nil, fmt.Errorf("task %s: a generator is one return of a task or method, streaming or dynamic", id)
	}
	if err = checkID(out); err != nil {
		return nil, err
	}
	if out.Resources, err = decodeResources(s.Resources); err != nil {
		return nil, fmt.Errorf("task %s: %w", id, err)
	}
	if len(s.Args) > 0 {
		out.Args = make([]task.Arg, len(s.Args))
	}
	for i, a := range s.Args {
		out.Args[i].Name, out.Args[i].Named = a.Keyword, a.HasKeyword
		if len(a.Ref) > 0 {
			out.Args[i].IsRef = true
			if out.Args[i].Ref, err = ids.Object(a.Ref); err != nil {
				return nil, err
			}
		} else if a.Value.GetBlock() != nil {
			return nil, fmt.Errorf("task %s: argument %d lies in the arena: large arguments are put and passed by reference", id, i)
		} else if out.Args[i].Value, err = decodeValue(a.Value); err != nil {
			return nil, err
		}
	}
	if out.Type == task.ActorCreation {
		out.Creation, err = decodeCreation(s.Actor)
	}
	return out, err
}

// checkID holds the id of a task to what the task is: the core reads the one out of the other.
func checkID(s *task.Spec) error {
	fits := false
	switch s.Type {
	case task.Normal:
		fits = s.ID.Actor().IsNone() && !s.ID.IsDriverTask()
	case task.ActorCreation:
		fits = !s.Actor.IsNone() && s.ID == s.Actor.CreationTask()
	case task.ActorMethod:
		fits = s.ID.IsActorTask() && s.ID.Actor() == s.Actor
	}
	if !fits {
		return fmt.Errorf("task %s: the id is not one of a task of this type and actor", s.ID)
	}
	return nil
}

// maxReturns bounds what one task may ask for before anything is allocated.
const maxReturns = 1 << 20

func decodeCreation(c *pb.ActorCreation) (*task.Creation, error) {
	if c == nil {
		return nil, fmt.Errorf("actor creation without its options")
	}
	out := &task.Creation{MaxRestarts: int(c.MaxRestarts), MaxConcurrency: int(c.MaxConcurrency), Asyncio: c.IsAsyncio,
		Name: c.Name, Namespace: c.Namespace, Detached: c.Detached, MaxPendingCalls: int(c.MaxPendingCalls),
		Handle: c.Handle, ClassName: c.ClassName, OutOfOrder: c.OutOfOrder}
	for _, g := range c.Groups {
		out.Groups = append(out.Groups, task.Group{Name: g.Name, MaxConcurrency: int(g.MaxConcurrency)})
	}
	if len(c.PlacementResources) > 0 {
		var err error
		if out.Placement, err = decodeResources(c.PlacementResources); err != nil {
			return nil, err
		}
		out.HasPlacement = true
	}
	return out, nil
}

// weigh is about how many bytes of values the shim keeps until these mutations are acknowledged.
func weigh(list []*pb.Mutation) (n int) {
	for _, m := range list {
		switch k := m.Kind.(type) {
		case *pb.Mutation_Put:
			n += len(k.Put.GetValue().GetData())
		case *pb.Mutation_Submit:
			for _, a := range k.Submit.GetArgs() {
				n += len(a.GetValue().GetData())
			}
		case *pb.Mutation_Done:
			for _, v := range k.Done.GetReturns() {
				n += len(v.GetData())
			}
		case *pb.Mutation_Item:
			n += len(k.Item.GetValue().GetData())
		case *pb.Mutation_Export:
			n += len(k.Export.GetValue())
		}
	}
	return n
}
