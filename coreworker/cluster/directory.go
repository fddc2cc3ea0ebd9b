package cluster

import (
	"context"
	"errors"
	"time"

	"github.com/mobula/mobula/coreworker/backend"
	"github.com/mobula/mobula/coreworker/cluster/actors"
	"github.com/mobula/mobula/coreworker/cluster/gcs"
	"github.com/mobula/mobula/coreworker/cluster/objects"
	"github.com/mobula/mobula/coreworker/cluster/wire"
	"github.com/mobula/mobula/coreworker/ids"
	values "github.com/mobula/mobula/coreworker/objects"
	"github.com/mobula/mobula/coreworker/task"
	"github.com/mobula/mobula/proto/ray"
)

// lookupPatience bounds a question to the GCS that it answers at once.
const lookupPatience = 30 * time.Second

// directory is the directory of actors as the core uses it.
type directory struct {
	*actors.Directory
	d *Driver
}

// Actors implements backend.Cluster.
func (d *Driver) Actors() backend.Actors { return directory{d.actors.Directory(), d} }

// Register implements backend.Actors.
func (a directory) Register(e *task.Entry) error {
	if x := a.d.functions[e.Spec.Function]; x != nil {
		a.d.classes[e.Spec.Actor] = x.fn
	}
	a.d.Expect(e.Spec.Actor.Handle())
	return a.Directory.Register(e)
}

// Meet implements backend.Actors. One that this driver made has its class from when it was registered.
func (a directory) Meet(id ids.ActorID, class backend.Function, outOfOrder bool) {
	if _, known := a.Target(id); known {
		return
	}
	a.d.classes[id] = wire.Function(class)
	a.Directory.Meet(id, outOfOrder)
}

// OutOfScope implements backend.Actors. A stock worker may have kept a handle: then the actor lives until that is gone, too. Of an
// actor that somebody else owns, that owner hears that it is borrowed no more.
func (a directory) OutOfScope(id ids.ActorID) {
	if a.d.giveBack(id.Handle()) {
		return
	}
	lent := false
	a.d.owner.Do(func(o *objects.Owner) []objects.Free {
		if lent = o.Lent(id.Handle()); lent {
			a.d.gone[id.Handle()] = struct{}{}
			return nil
		}
		return o.Forget(id.Handle())
	})
	if !lent {
		a.Directory.OutOfScope(id)
	}
}

// FailCreation implements backend.Actors.
func (a directory) FailCreation(id ids.ActorID, _ values.Value) {
	a.Fail(id, values.ActorDied(values.Death{Actor: id, Text: "an argument of its constructor could not be computed", NeverStarted: true}))
}

// CancelCreation implements backend.Actors. The GCS says that the actor is dead when it is.
func (a directory) CancelCreation(e *task.Entry) { a.Kill(e.Spec.Actor, true) }

// Find implements backend.Actors.
func (a directory) Find(namespace, name string, answer func(ids.ActorID, []byte, bool, error)) {
	d := a.d
	d.background(func() {
		ctx, cancel := context.WithTimeout(d.ctx, lookupPatience)
		defer cancel()
		spec, row, err := d.actors.NamedActor(ctx, namespace, name)
		var refused *gcs.Refusal
		missing := errors.As(err, &refused) && refused.Code == gcs.NotFound
		if missing || err == nil && row.GetState() == ray.ActorTableData_DEAD {
			d.core.Do(func() { answer(ids.ActorID{}, nil, false, nil) })
			return
		}
		var r record
		if err == nil {
			r, err = readRecord(spec)
		}
		d.core.Do(func() {
			if err == nil {
				a.Meet(r.id, backend.Function(r.class), r.outOfOrder)
			}
			answer(r.id, r.handle, err == nil, err)
		})
	})
}

// Names implements backend.Actors.
func (a directory) Names(namespace string, all bool, answer func([]backend.Named, error)) {
	d := a.d
	d.background(func() {
		ctx, cancel := context.WithTimeout(d.ctx, lookupPatience)
		defer cancel()
		infos, err := d.actors.Names(ctx, namespace, all)
		var names []backend.Named
		for _, n := range infos {
			names = append(names, backend.Named{Namespace: n.GetRayNamespace(), Name: n.GetName()})
		}
		d.core.Do(func() { answer(names, err) })
	})
}

// record is what the GCS keeps of an actor and another driver needs to call it.
type record struct {
	id         ids.ActorID
	class      wire.Function
	handle     []byte // as its creator pickled it
	outOfOrder bool
}

func readRecord(spec *ray.TaskSpec) (r record, err error) {
	creation := spec.GetActorCreationTaskSpec()
	if r.id, err = ids.Actor(creation.GetActorId()); err != nil {
		return record{}, err
	}
	p := spec.GetFunctionDescriptor().GetPythonFunctionDescriptor()
	r.class = wire.Function{Module: p.GetModuleName(), Class: p.GetClassName(), Name: p.GetFunctionName(), Hash: p.GetFunctionHash()}
	r.handle, r.outOfOrder = creation.GetSerializedActorHandle(), creation.GetAllowOutOfOrderExecution()
	return r, nil
}

// Nodes implements backend.Cluster.
func (d *Driver) Nodes(answer func([]backend.Node, error)) {
	d.background(func() {
		ctx, cancel := context.WithTimeout(d.ctx, lookupPatience)
		defer cancel()
		rows, err := d.gcs.Nodes(ctx)
		free, wrong := d.gcs.Available(ctx)
		err = errors.Join(err, wrong)
		var out []backend.Node
		for _, n := range rows {
			node, wrong := readNode(n, free)
			err = errors.Join(err, wrong)
			out = append(out, node)
		}
		d.core.Do(func() { answer(out, err) })
	})
}

func readNode(n *ray.GcsNodeInfo, free map[string]map[string]float64) (backend.Node, error) {
	id, err := ids.Node(n.NodeId)
	return backend.Node{ID: id, Alive: n.State == ray.GcsNodeInfo_ALIVE, Address: n.NodeManagerAddress, Hostname: n.NodeManagerHostname,
		Name: n.NodeName, Head: n.IsHeadNode, Total: n.ResourcesTotal, Available: free[string(n.NodeId)], Labels: n.Labels}, err
}
