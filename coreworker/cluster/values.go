package cluster

import (
	"errors"
	"fmt"

	"github.com/mobula/mobula/coreworker/cluster/objects"
	"github.com/mobula/mobula/coreworker/cluster/plasma"
	"github.com/mobula/mobula/coreworker/cluster/raylet"
	"github.com/mobula/mobula/coreworker/cluster/wire"
	"github.com/mobula/mobula/coreworker/ids"
	values "github.com/mobula/mobula/coreworker/objects"
	"github.com/mobula/mobula/coreworker/task"
	"github.com/mobula/mobula/proto/ray"
)

// A value of up to 100 KiB travels inside messages and is kept by the core. A larger one lies in the stores of nodes. What the driver
// puts lies in the core's arena first, where Python has written it, and is copied to the node's store; what it gets of a store is
// copied into the arena, where Python reads it.

// stored says whether a value can only be referred to in a message.
func stored(v *values.Value) bool { return v.Stored || v.Block != nil }

// Expect implements backend.Cluster.
func (d *Driver) Expect(id ids.ObjectID) {
	d.owner.Do(func(o *objects.Owner) []objects.Free { o.Expect(id); return nil })
}

// Made implements backend.Cluster.
func (d *Driver) Made(id ids.ObjectID, v values.Value, letGo func()) {
	switch {
	case v.Stored || d.foreign[id] != nil: // its owner has known before
		letGo()
	case v.Block == nil:
		awaited := false
		d.owner.Do(func(o *objects.Owner) []objects.Free {
			awaited = o.Placed(id)
			d.report(o.Inline(id, &ray.RayObject{Data: v.Data, Metadata: v.Metadata, NestedInlinedRefs: d.refs(v.Contained)}))
			return nil
		})
		if awaited {
			d.background(func() { d.reportPut(v, d.put(id, v)) })
		}
		letGo()
	case d.closed:
		letGo()
	default:
		d.background(func() {
			err := d.put(id, v)
			d.owner.Do(func(o *objects.Owner) []objects.Free {
				if err != nil {
					// Whoever waits for it hears that it was freed, which is better than waiting.
					return o.Free(id)
				}
				err = o.Stored(id, d.local.Node, v.Size()+uint64(len(v.Metadata)))
				if errors.Is(err, objects.ErrUnknown) {
					err = nil // nobody refers to it any more; its raylet is told when it announces the copy
				}
				return nil
			})
			d.reportPut(v, err)
			d.core.Do(letGo)
		})
	}
}

func (d *Driver) reportPut(v values.Value, err error) {
	if err != nil {
		d.report(fmt.Errorf("write an object of %d bytes to the cluster's store: %w", v.Size(), err))
	}
}

func (d *Driver) put(id ids.ObjectID, v values.Value) error {
	c, err := d.store.Put(d.ctx, id, d.self, v.Size(), uint64(len(v.Metadata)))
	if errors.Is(err, plasma.ErrExists) {
		return nil // put before, by an attempt whose end was not heard
	}
	if err != nil {
		return err
	}
	if v.Block == nil {
		copy(c.Data, v.Data)
	} else if _, err := d.cfg.Arena.ReadAt(c.Data, int64(v.Block.Offset)); err != nil {
		return errors.Join(err, c.Abort())
	}
	copy(c.Metadata, v.Metadata)
	return d.store.Finish(d.ctx, c, d.self)
}

func (d *Driver) refs(list []ids.ObjectID) (out []*ray.ObjectReference) {
	for _, id := range list {
		out = append(out, &ray.ObjectReference{ObjectId: id.Bytes(), OwnerAddress: d.ownerOf(id)})
	}
	return out
}

// stored makes the value of a return that lies in a node's store.
func (d *Driver) stored(node ids.NodeID) wire.Stored {
	return func(id ids.ObjectID, size uint64) values.Value {
		d.owner.Do(func(o *objects.Owner) []objects.Free {
			if err := o.Stored(id, node, size); !errors.Is(err, objects.ErrUnknown) { // nobody refers to it any more
				d.report(err)
			}
			return nil
		})
		if why, dead := d.dead[node]; dead { // it died between its answer and now: once the value is known it is lost
			d.core.After(0, func() { d.nodeDied(node, why) })
		}
		return values.Value{Stored: true}
	}
}

// Bring implements backend.Cluster.
func (d *Driver) Bring(id ids.ObjectID, room func(uint64, func(values.Block, error)), done func(values.Value, error)) {
	d.background(func() {
		v, err := d.bring(id, room)
		d.core.Do(func() {
			if !d.closed {
				done(v, err)
			}
		})
	})
}

func (d *Driver) bring(id ids.ObjectID, room func(uint64, func(values.Block, error))) (v values.Value, err error) {
	var owner raylet.Address
	d.core.Do(func() { owner, err = d.location(id) })
	if err != nil {
		return v, err
	}
	found, err := d.store.Get(d.ctx, []raylet.Ref{{Object: id, Owner: owner}}, -1)
	if err != nil {
		return v, err
	}
	o := found[0]
	defer func() { err = errors.Join(err, o.Release()) }()
	v.Metadata = append([]byte(nil), o.Metadata...)
	_, v.IsError = values.Metadata(v.Metadata)
	if v.IsError { // small, mostly: a raylet writes one where it cannot bring the object
		v.Data = append([]byte(nil), o.Data...)
		return v, nil
	}
	type place struct {
		block values.Block
		err   error
	}
	given := make(chan place, 1)
	d.core.Do(func() { room(uint64(len(o.Data)), func(b values.Block, err error) { given <- place{b, err} }) })
	select {
	case p := <-given:
		if p.err != nil {
			return v, p.err
		}
		v.Block = &p.block
		_, err = d.cfg.Arena.WriteAt(o.Data, int64(p.block.Offset))
		return v, err
	case <-d.ctx.Done():
		return v, d.ctx.Err()
	}
}

// Forget implements backend.Cluster. What somebody borrows is kept for him.
func (d *Driver) Forget(id ids.ObjectID) {
	if id.Index() == 1 {
		delete(d.streams, id.Task()) // of one whose end was not answered
	}
	if d.giveBack(id) {
		return
	}
	d.owner.Do(func(o *objects.Owner) []objects.Free {
		if o.Lent(id) {
			d.gone[id] = struct{}{}
			return nil
		}
		return o.Forget(id)
	})
}

// replied takes from an answer who has kept references that he was given.
func (d *Driver) replied(s *task.Spec, from raylet.Address, r *ray.PushTaskReply) {
	delete(d.streams, s.ID)
	for _, o := range r.ReturnObjects {
		d.note(o.NestedInlinedRefs)
	}
	d.items(s, from.Node, r.DynamicReturnObjects)
	if len(r.BorrowedRefs) == 0 {
		return
	}
	at := &ray.Address{NodeId: from.Node.Bytes(), IpAddress: from.IP, Port: int32(from.Port), WorkerId: from.Worker.Bytes()}
	var watches []objects.Watch
	d.owner.Do(func(o *objects.Owner) []objects.Free {
		var err error
		watches, err = o.Merge(at, r.BorrowedRefs)
		d.report(err)
		return nil
	})
	d.report(d.watcher.Watch(watches))
}

// items takes what a task with num_returns="dynamic" has made; its return refers to them, and holds them once it has come. Their ids
// are as of puts: the number in them says nothing of their place.
func (d *Driver) items(s *task.Spec, node ids.NodeID, all []*ray.ReturnObject) {
	if !s.Dynamic {
		return
	}
	for _, o := range all {
		id, err := ids.Object(o.ObjectId)
		if err != nil {
			d.report(err)
			continue
		}
		d.note(o.NestedInlinedRefs)
		d.Expect(id)
		v, err := wire.Value(id, o, d.stored(node))
		if err != nil {
			d.report(err)
			continue
		}
		d.core.Came(id, v)
		d.core.After(0, func() { d.core.LetGo(id) }) // after the task's own answer, which comes with the lock held
	}
}

// letGo hears that a borrower holds an object no more.
func (d *Driver) letGo(id ids.ObjectID, borrower ids.WorkerID, counts []*ray.ObjectReferenceCount) {
	var further []objects.Watch
	d.owner.Do(func(o *objects.Owner) []objects.Free {
		var err error
		further, err = o.LetGo(id, borrower, counts)
		d.report(err)
		return d.unlent(o, id)
	})
	d.report(d.watcher.Watch(further))
}

func (d *Driver) borrowerDied(borrower ids.WorkerID, _ error) {
	d.owner.Do(func(o *objects.Owner) (frees []objects.Free) {
		for _, id := range o.WorkerDied(borrower) {
			frees = append(frees, d.unlent(o, id)...)
		}
		return frees
	})
}

// unlent forgets an object that nobody borrows any more where nobody here refers to it either.
func (d *Driver) unlent(o *objects.Owner, id ids.ObjectID) []objects.Free {
	if _, gone := d.gone[id]; !gone || o.Lent(id) {
		return nil
	}
	delete(d.gone, id)
	if t := id.Task(); t.IsActorCreation() && id == t.Actor().Handle() {
		d.actors.LetGo(t.Actor()) // a handle was borrowed: the actor has none left
	}
	return o.Forget(id)
}

// manager is a node's raylet, to be told what to free.
func (d *Driver) manager(id ids.NodeID) (ray.NodeManagerServiceClient, bool) {
	at := d.local
	if id != at.Node {
		nodes, err := d.gcs.Nodes(d.ctx)
		d.report(err)
		found := false
		for _, n := range nodes {
			if string(n.NodeId) == string(id[:]) && n.State == ray.GcsNodeInfo_ALIVE {
				at, found = raylet.Address{Node: id, IP: n.NodeManagerAddress, Port: uint16(n.NodeManagerPort)}, true
			}
		}
		if !found {
			return nil, false
		}
	}
	conn, err := d.dial(at)
	if err != nil {
		d.report(err)
		return nil, false
	}
	return ray.NewNodeManagerServiceClient(conn), true
}
