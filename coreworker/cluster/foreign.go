package cluster

import (
	"fmt"
	"net"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/mobula/mobula/coreworker/cluster/objects"
	"github.com/mobula/mobula/coreworker/cluster/raylet"
	"github.com/mobula/mobula/coreworker/ids"
	values "github.com/mobula/mobula/coreworker/objects"
	"github.com/mobula/mobula/proto/ray"
)

// A task may return references to what its own worker has made, which owns it. The driver borrows it: it asks that owner for the
// value, and tells it when nobody here refers to the object any more.

// note remembers the owners of references that came with a value.
func (d *Driver) note(list []*ray.ObjectReference) {
	for _, ref := range list {
		id, err := ids.Object(ref.GetObjectId())
		owner := ref.GetOwnerAddress()
		if err != nil || owner == nil || string(owner.WorkerId) == string(d.worker[:]) || d.foreign[id] != nil {
			continue
		}
		d.foreign[id] = owner
		d.owner.Do(func(o *objects.Owner) []objects.Free { o.Borrow(id); return nil })
	}
}

// giveBack says that nobody here refers to an object any more, and whether that was somebody else's.
func (d *Driver) giveBack(id ids.ObjectID) bool {
	if d.foreign[id] == nil {
		return false
	}
	delete(d.foreign, id)
	d.owner.Do(func(o *objects.Owner) []objects.Free { o.Return(id); return nil })
	return true
}

// ownerOf is who is to be asked about an object.
func (d *Driver) ownerOf(id ids.ObjectID) *ray.Address {
	if owner := d.foreign[id]; owner != nil {
		return owner
	}
	return d.address
}

// location is the same as a raylet takes it.
func (d *Driver) location(id ids.ObjectID) (out raylet.Address, err error) {
	owner := d.foreign[id]
	if owner == nil {
		return d.self, nil
	}
	if out.Node, err = ids.Node(owner.NodeId); err != nil {
		return out, err
	}
	if out.Worker, err = ids.Worker(owner.WorkerId); err != nil {
		return out, err
	}
	if net.ParseIP(owner.IpAddress) == nil || owner.Port <= 0 || owner.Port > 0xFFFF {
		return out, fmt.Errorf("the owner of %s is at %s:%d, which is no address", id, owner.IpAddress, owner.Port)
	}
	out.IP, out.Port = owner.IpAddress, uint16(owner.Port)
	return out, nil
}

// Meet implements backend.Cluster.
func (d *Driver) Meet(id ids.ObjectID) {
	owner := d.foreign[id]
	if owner == nil {
		d.core.After(0, func() {
			d.core.Resolved(id, values.ObjectLost("a value refers to it and does not say who owns it"))
		})
		return
	}
	d.background(func() {
		v := d.resolve(id, owner)
		d.core.Do(func() {
			if !d.closed {
				d.core.Resolved(id, v)
			}
		})
	})
}

// resolve asks an owner for the value, which answers when there is one.
func (d *Driver) resolve(id ids.ObjectID, owner *ray.Address) values.Value {
	client, err := d.peer(owner)
	var r *ray.GetObjectStatusReply
	if err == nil {
		r, err = client.GetObjectStatus(d.ctx, &ray.GetObjectStatusRequest{OwnerWorkerId: owner.WorkerId, ObjectId: id.Bytes()})
	}
	switch {
	case err != nil:
		return values.OwnerDied(fmt.Sprintf("the worker that owns object %s does not answer: %s", id, status.Convert(err).Message()))
	case r.Status == ray.GetObjectStatusReply_FREED:
		return values.ObjectFreed("object " + id.String() + " was freed by its owner")
	case r.Status != ray.GetObjectStatusReply_CREATED:
		return values.ObjectLost("its owner has nothing of it any more")
	case string(r.GetObject().GetMetadata()) == "4": // in a store
		return values.Value{Stored: true}
	}
	v := values.Value{Data: r.Object.GetData(), Metadata: r.Object.GetMetadata()}
	_, v.IsError = values.Metadata(v.Metadata)
	d.core.Do(func() { d.note(r.Object.NestedInlinedRefs) })
	for _, ref := range r.Object.NestedInlinedRefs {
		if inner, err := ids.Object(ref.GetObjectId()); err == nil {
			v.Contained = append(v.Contained, inner)
		}
	}
	return v
}

// CancelElsewhere implements backend.Cluster.
func (d *Driver) CancelElsewhere(id ids.ObjectID, force, recursive bool) {
	owner := d.foreign[id]
	if owner == nil {
		return
	}
	d.background(func() {
		client, err := d.peer(owner)
		if err == nil {
			_, err = client.RequestOwnerToCancelTask(d.ctx, &ray.RequestOwnerToCancelTaskRequest{RemoteObjectId: id.Bytes(), ForceKill: force, Recursive: recursive})
		}
		if err != nil && status.Code(err) != codes.Unavailable { // an owner that is gone has no tasks
			d.report(fmt.Errorf("cancel a task of another owner: %w", err))
		}
	})
}
