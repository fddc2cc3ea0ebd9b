package cluster

import (
	"context"
	"fmt"

	"google.golang.org/grpc"

	"github.com/mobula/mobula/coreworker/cluster/gcs"
	"github.com/mobula/mobula/coreworker/cluster/objects"
	"github.com/mobula/mobula/coreworker/ids"
	"github.com/mobula/mobula/proto/ray"
)

// The GCS says which nodes have died. A machine that is gone closes no connection, so what was asked of it would wait for ever; and of
// what its store had no raylet looks for another copy: the owner does, or makes the value again.

// watchNodes hears of deaths from now on. It is called when something is first asked of another node: a driver that never does asks
// the GCS nothing. Not under the state lock.
func (d *Driver) watchNodes() {
	d.watch.Do(func() { d.core.Do(func() { d.background(d.hearOfNodes) }) })
}

func (d *Driver) hearOfNodes() {
	failed := func(err error) {
		if err != nil {
			d.report(fmt.Errorf("hear of nodes that die: %w", err))
		}
	}
	subscriber := gcs.NewSubscriber(ray.NewControlPlanePubSubGcsServiceClient(d.gcs.Conn()), d.worker)
	// What was before a subscription is not sent, so it is asked for, after it.
	begin := func() {
		err := subscriber.Subscribe(d.ctx, nil, ray.ChannelType_GCS_NODE_ADDRESS_AND_LIVENESS_CHANNEL)
		if err != nil {
			failed(err)
			return
		}
		nodes, err := d.gcs.Nodes(d.ctx)
		failed(err)
		for _, n := range nodes {
			if n.State == ray.GcsNodeInfo_DEAD {
				d.heardOfDeath(n.NodeId, n.DeathInfo)
			}
		}
	}
	begin()
	subscriber.Hear(d.ctx, func(m *ray.PubMessage) {
		if n := m.GetNodeAddressAndLivenessMessage(); n.GetState() == ray.GcsNodeInfo_DEAD {
			d.heardOfDeath(n.NodeId, n.DeathInfo)
		}
	}, begin, failed)
}

func (d *Driver) heardOfDeath(node []byte, info *ray.NodeDeathInfo) {
	id, err := ids.Node(node)
	if err != nil {
		d.report(fmt.Errorf("hear of nodes that die: %w", err))
		return
	}
	why := info.GetReasonMessage()
	if why == "" {
		why = "the GCS says that it is dead"
	}
	d.core.Do(func() {
		if _, known := d.dead[id]; !known && !d.closed {
			d.dead[id] = why
			d.carrier.NodeDied(id, why)
			d.nodeDied(id, why)
		}
	})
}

// nodeDied looks for what is left of the values that a dead node had. Called under the state lock.
func (d *Driver) nodeDied(id ids.NodeID, why string) {
	if d.closed {
		return
	}
	var lost []ids.ObjectID
	var next []objects.Copy
	d.owner.Do(func(o *objects.Owner) []objects.Free {
		lost, next = o.NodeDied(id)
		return nil
	})
	text := fmt.Sprintf("its only copy was on node %s, which has died: %s", id, why)
	for _, object := range lost {
		d.core.Lost(object, text)
	}
	if len(next) > 0 {
		d.background(func() { d.keepNext(next, text) })
	}
}

// keepNext asks nodes to keep copies that they could throw away otherwise.
func (d *Driver) keepNext(copies []objects.Copy, why string) {
	for _, c := range copies {
		for there := true; there; {
			if d.keepCopy(c) {
				break
			}
			var lost bool
			d.owner.Do(func(o *objects.Owner) []objects.Free {
				c, lost = o.NotThere(c)
				return nil
			})
			if there = !c.Node.IsNil(); lost {
				d.core.Do(func() { d.core.Lost(c.Object, why) })
			}
		}
	}
}

func (d *Driver) keepCopy(c objects.Copy) bool {
	manager, alive := d.manager(c.Node)
	if !alive {
		return false
	}
	ctx, cancel := context.WithTimeout(d.ctx, lookupPatience)
	defer cancel()
	r, err := manager.PinObjectIDs(ctx, &ray.PinObjectIDsRequest{ObjectIds: [][]byte{c.Object.Bytes()}, OwnerAddress: d.address}, grpc.WaitForReady(true))
	return err == nil && len(r.Successes) == 1 && r.Successes[0]
}
