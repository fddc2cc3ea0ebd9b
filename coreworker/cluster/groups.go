package cluster

import (
	"context"
	"errors"
	"fmt"
	"time"

	"google.golang.org/grpc"

	"github.com/mobula/mobula/coreworker/backend"
	"github.com/mobula/mobula/coreworker/cluster/gcs"
	"github.com/mobula/mobula/coreworker/ids"
	"github.com/mobula/mobula/coreworker/sched"
	"github.com/mobula/mobula/proto/ray"
)

// Placement groups are the GCS's: it finds the nodes, and reserves. What runs in a group asks its raylet for the group's own resources:
// wire.Resources.

func (d *Driver) groups() ray.PlacementGroupInfoGcsServiceClient {
	return ray.NewPlacementGroupInfoGcsServiceClient(d.gcs.Conn())
}

// asked runs a question to the GCS that it answers at once.
func (d *Driver) asked(what string, question func(ctx context.Context) (*ray.GcsStatus, error), answer func(error)) {
	d.background(func() {
		ctx, cancel := context.WithTimeout(d.ctx, lookupPatience)
		defer cancel()
		status, err := question(ctx)
		if err == nil {
			err = gcs.Check(status)
		}
		if err != nil {
			err = fmt.Errorf("%s: %w", what, err)
		}
		d.core.Do(func() { answer(err) })
	})
}

// CreateGroup implements backend.Groups.
func (d *Driver) CreateGroup(g backend.Group, answer func(error)) {
	spec := &ray.PlacementGroupSpec{PlacementGroupId: g.ID.Bytes(), Name: g.Name, Strategy: ray.PlacementStrategy(g.Strategy),
		CreatorJobId: d.job.Bytes(), CreatorActorId: nilActor, CreatorActorDead: true, IsDetached: g.Detached, SoftTargetNodeId: g.Target}
	for i, b := range g.Bundles {
		spec.Bundles = append(spec.Bundles, &ray.Bundle{BundleId: &ray.Bundle_BundleIdentifier{PlacementGroupId: g.ID.Bytes(), BundleIndex: int32(i)},
			UnitResources: b.Resources, LabelSelector: b.Labels})
	}
	if len(g.Domains) > 0 {
		spec.TopologyStrategy = map[string]ray.PlacementStrategy{}
	}
	for _, label := range g.Domains {
		spec.TopologyStrategy[label] = ray.PlacementStrategy_STRICT_PACK
	}
	d.asked("make a placement group", func(ctx context.Context) (*ray.GcsStatus, error) {
		r, err := d.groups().CreatePlacementGroup(ctx, &ray.CreatePlacementGroupRequest{PlacementGroupSpec: spec}, grpc.WaitForReady(true))
		return r.GetStatus(), err
	}, answer)
}

// nilActor says that no actor has made the group, but the job. It counts as dead: else the group would outlive the job.
var nilActor = func() []byte {
	b := make([]byte, ids.ActorLen)
	for i := range b {
		b[i] = 0xFF
	}
	return b
}()

// RemoveGroup implements backend.Groups.
func (d *Driver) RemoveGroup(id ids.GroupID, answer func(error)) {
	d.asked("remove a placement group", func(ctx context.Context) (*ray.GcsStatus, error) {
		r, err := d.groups().RemovePlacementGroup(ctx, &ray.RemovePlacementGroupRequest{PlacementGroupId: id.Bytes()}, grpc.WaitForReady(true))
		return r.GetStatus(), err
	}, func(err error) {
		if err == nil {
			d.carrier.Leases().GroupRemoved(id)
		}
		answer(err)
	})
}

// AwaitGroup implements backend.Groups. It is answered when there is something to say, however long that takes.
func (d *Driver) AwaitGroup(id ids.GroupID, answer func(error)) {
	d.background(func() {
		r, err := d.groups().WaitPlacementGroupUntilReady(d.ctx, &ray.WaitPlacementGroupUntilReadyRequest{PlacementGroupId: id.Bytes()}, grpc.WaitForReady(true))
		if err == nil {
			err = gcs.Check(r.GetStatus())
		}
		d.core.Do(func() {
			if !d.closed {
				answer(err)
			}
		})
	})
}

// FindGroups implements backend.Groups.
func (d *Driver) FindGroups(id *ids.GroupID, namespace, name string, answer func([]backend.Group, error)) {
	var rows []*ray.PlacementGroupTableData
	d.asked("look for placement groups", func(ctx context.Context) (*ray.GcsStatus, error) {
		switch {
		case id != nil:
			r, err := d.groups().GetPlacementGroup(ctx, &ray.GetPlacementGroupRequest{PlacementGroupId: id.Bytes()})
			rows = append(rows, r.GetPlacementGroupTableData())
			return r.GetStatus(), err
		case name != "":
			r, err := d.groups().GetNamedPlacementGroup(ctx, &ray.GetNamedPlacementGroupRequest{Name: name, RayNamespace: namespace})
			rows = append(rows, r.GetPlacementGroupTableData())
			return r.GetStatus(), err
		}
		r, err := d.groups().GetAllPlacementGroup(ctx, &ray.GetAllPlacementGroupRequest{})
		rows = r.GetPlacementGroupTableData()
		return r.GetStatus(), err
	}, func(err error) {
		var refused *gcs.Refusal
		if errors.As(err, &refused) && refused.Code == gcs.NotFound {
			err, rows = nil, nil
		}
		var out []backend.Group
		for _, row := range rows {
			if len(row.GetPlacementGroupId()) == 0 {
				continue // the GCS knows none
			}
			g, wrong := group(row)
			err = errors.Join(err, wrong)
			out = append(out, g)
		}
		answer(out, err)
	})
}

func group(t *ray.PlacementGroupTableData) (backend.Group, error) {
	id, err := ids.Group(t.PlacementGroupId)
	stats := t.GetStats()
	g := backend.Group{ID: id, Name: t.Name, Namespace: t.RayNamespace, Strategy: sched.Strategy(t.Strategy), Detached: t.IsDetached,
		Scheduling: stats.GetSchedulingState().String(), Attempts: int(stats.GetSchedulingAttempt()),
		Latency:    time.Duration(stats.GetSchedulingLatencyUs()) * time.Microsecond,
		Made:       time.Duration(stats.GetEndToEndCreationLatencyUs()) * time.Microsecond,
		RetryDelay: time.Duration(stats.GetHighestRetryDelayMs() * float64(time.Millisecond))}
	switch t.State {
	case ray.PlacementGroupTableData_PENDING:
		g.State = backend.GroupPending
	case ray.PlacementGroupTableData_PREPARED:
		g.State = backend.GroupPrepared
	case ray.PlacementGroupTableData_CREATED:
		g.State = backend.GroupCreated
	case ray.PlacementGroupTableData_RESCHEDULING:
		g.State = backend.GroupRescheduling
	default:
		g.State = backend.GroupRemoved
	}
	for _, b := range t.Bundles {
		g.Bundles = append(g.Bundles, backend.Bundle{Resources: b.UnitResources, Labels: b.LabelSelector, Node: b.NodeId})
	}
	return g, err
}
