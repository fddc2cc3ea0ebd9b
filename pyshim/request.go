package pyshim

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/mobula/mobula/coreworker"
	"github.com/mobula/mobula/coreworker/backend"
	"github.com/mobula/mobula/coreworker/embedded"
	"github.com/mobula/mobula/coreworker/ids"
	"github.com/mobula/mobula/coreworker/objects"
	"github.com/mobula/mobula/coreworker/task"
	pb "github.com/mobula/mobula/proto/boundary"
)

// answer sends the reply to a request, unless it was abandoned.
func (l *lane) answer(id uint64, r *pb.Reply) { l.answerWith(id, r, nil) }

// answerActor answers with an actor, and with a handle of it: one that the process told of later, it might never tell of, and then
// nothing would end the actor.
func (l *lane) answerActor(id uint64, found *task.Spec, created bool, err error) {
	var handle []ids.ObjectID
	if err == nil {
		handle = []ids.ObjectID{found.Actor.Handle()}
		l.process.Refs(handle, nil)
	}
	l.answerWith(id, encodeActor(found, created, err), handle)
}

func (l *lane) answerWith(id uint64, r *pb.Reply, actor []ids.ObjectID) {
	delete(l.requests, id)
	r.Id = id
	if l.number != 0 {
		l.handOver(id, r, actor)
	}
	n := l.process.Applied()
	l.acked = n
	l.send(&pb.ToShim{Reply: r, Applied: n})
}

func (l *lane) asker(taskID []byte, told bool) (coreworker.Asker, error) {
	a := coreworker.Asker{Process: l.process, Lane: l.exec, Told: told}
	if len(taskID) > 0 {
		id, err := ids.Task(taskID)
		if err != nil {
			return a, err
		}
		a.Task, a.HasTask = id, true
	}
	return a, nil
}

// limit turns a time limit of the wire into one of the core: negative means none.
func limit(ms int64) (d time.Duration, limited bool) {
	const most = int64(1<<63-1) / int64(time.Millisecond)
	if ms < 0 {
		return 0, false
	}
	return time.Duration(min(ms, most)) * time.Millisecond, true
}

// decodeRequest reads one request and gives what carries it out.
func (l *lane) decodeRequest(q *pb.Request) (func(), error) {
	id, p, core := q.Id, l.process, l.server.core
	switch k := q.Kind.(type) {
	case *pb.Request_Get:
		objs, err := ids.Objects(k.Get.ObjectIds)
		if err != nil {
			return nil, err
		}
		asker, err := l.asker(k.Get.TaskId, k.Get.Told)
		if err != nil {
			return nil, err
		}
		timeout, limited := limit(k.Get.TimeoutMs)
		return func() {
			l.hold(id, func() func() {
				return core.Get(asker, objs, timeout, limited, func(f coreworker.Fetched) { l.answer(id, encodeFetched(f)) })
			})
		}, nil
	case *pb.Request_Wait:
		objs, err := ids.Objects(k.Wait.ObjectIds)
		if err != nil {
			return nil, err
		}
		asker, err := l.asker(k.Wait.TaskId, k.Wait.Told)
		if err != nil {
			return nil, err
		}
		timeout, limited := limit(k.Wait.TimeoutMs)
		want := min(int(k.Wait.NumReturns), len(objs))
		return func() {
			l.hold(id, func() func() {
				return core.Wait(asker, objs, want, timeout, limited, func(w coreworker.Waited) { l.answer(id, encodeWaited(w)) })
			})
		}, nil
	case *pb.Request_NextItems:
		return l.decodeNextItems(id, k.NextItems)
	case *pb.Request_Demand:
		return l.decodeDemand(id, k.Demand)
	case *pb.Request_Allocate:
		size := k.Allocate.Size
		return func() {
			l.hold(id, func() func() {
				return p.Allocate(size, func(b objects.Block, err error) { l.answer(id, encodeAllocated(b, err)) })
			})
		}, nil
	case *pb.Request_RegisterActor:
		spec, err := decodeSpec(k.RegisterActor.GetSpec())
		if err != nil {
			return nil, err
		}
		if spec.Type != task.ActorCreation {
			return nil, fmt.Errorf("only actor creations are registered")
		}
		existing := k.RegisterActor.GetIfExists
		return func() {
			l.laterActor(id, func(answer func(*task.Spec, bool, error)) { p.MakeActor(spec, existing, answer) })
		}, nil
	case *pb.Request_LookupActor:
		return func() {
			l.laterActor(id, func(answer func(*task.Spec, bool, error)) {
				core.FindActor(k.LookupActor.Namespace, k.LookupActor.Name, func(found *task.Spec, err error) { answer(found, false, err) })
			})
		}, nil
	case *pb.Request_ListNamedActors:
		return func() {
			l.later(id, func(answer func(*pb.Reply)) {
				core.NamedActors(k.ListNamedActors.Namespace, k.ListNamedActors.AllNamespaces, func(names []backend.Named, err error) {
					answer(encodeNames(names, err))
				})
			})
		}, nil
	case *pb.Request_KvGet:
		return func() {
			l.later(id, func(answer func(*pb.Reply)) {
				core.Lookup(k.KvGet.Namespace, k.KvGet.Key, func(value []byte, found bool, err error) {
					if err != nil {
						answer(refused(pb.ErrorKind_ERROR_INTERNAL, err))
						return
					}
					answer(&pb.Reply{Kind: &pb.Reply_Kv{Kv: &pb.KvValue{Found: found, Value: value}}})
				})
			})
		}, nil
	case *pb.Request_ClusterInfo:
		return func() {
			l.later(id, func(answer func(*pb.Reply)) {
				if !core.Nodes(func(nodes []backend.Node, err error) { answer(encodeNodes(nodes, err)) }) {
					answer(encodeInfo(core.Info()))
				}
			})
		}, nil
	case *pb.Request_ClusterRows:
		return l.decodeClusterRows(id, k.ClusterRows)
	case *pb.Request_TaskEvents:
		asked := k.TaskEvents
		return func() { l.answer(id, &pb.Reply{Kind: &pb.Reply_TaskEvents{TaskEvents: events(core, asked)}}) }, nil
	case *pb.Request_CreateGroup:
		return l.decodeCreateGroup(id, k.CreateGroup)
	case *pb.Request_RemoveGroup:
		return l.decodeRemoveGroup(id, k.RemoveGroup)
	case *pb.Request_FindGroups:
		return l.decodeFindGroups(id, k.FindGroups)
	case *pb.Request_Sync:
		return l.decodeSync(id, k.Sync)
	case *pb.Request_Abandon:
		given := k.Abandon.Id
		return func() {
			if abandon := l.requests[given]; abandon != nil {
				delete(l.requests, given)
				abandon()
			}
		}, nil
	}
	return nil, fmt.Errorf("a request of an unknown kind")
}

// decodeSync reads a barrier. Only errors come along: they are never blocks, so nothing is handed over.
func (l *lane) decodeSync(id uint64, s *pb.Sync) (func(), error) {
	if len(s.ObjectIds) == 0 {
		return func() { l.answer(id, &pb.Reply{}) }, nil
	}
	objs, err := ids.Objects(s.ObjectIds)
	if err != nil {
		return nil, err
	}
	return func() {
		values := make([]*pb.Value, len(objs))
		for i, object := range objs {
			values[i] = &pb.Value{}
			if v, ok := l.server.core.Value(object); ok && v.IsError && v.Block == nil {
				values[i].Data, values[i].Metadata = v.Data, v.Metadata
			}
		}
		l.answer(id, &pb.Reply{Kind: &pb.Reply_Get{Get: &pb.GetReply{Values: values}}})
	}, nil
}

// hold keeps the way to give a request up, if it was not answered at once.
func (l *lane) hold(id uint64, begin func() func()) {
	if l.requests[id] != nil {
		l.stop(status.Errorf(codes.InvalidArgument, "request %d is under way already", id))
		return
	}
	l.requests[id] = func() {}
	abandon := begin()
	if _, open := l.requests[id]; open {
		l.requests[id] = abandon
	}
}

// laterActor is later for an actor. Of one that was made for a request which was given up meanwhile nobody has a handle: it goes.
func (l *lane) laterActor(id uint64, begin func(answer func(*task.Spec, bool, error))) {
	l.hold(id, func() func() {
		given := false
		begin(func(found *task.Spec, created bool, err error) {
			switch {
			case !given:
				l.answerActor(id, found, created, err)
			case created && err == nil:
				handle := []ids.ObjectID{found.Actor.Handle()}
				l.process.Refs(handle, nil)
				l.process.Refs(nil, handle)
			}
		})
		return func() { given = true }
	})
}

// later answers a request whenever the answer comes, at once or not. Nothing gives such a request up: its answer is dropped.
func (l *lane) later(id uint64, begin func(answer func(*pb.Reply))) {
	l.hold(id, func() func() {
		given := false
		begin(func(r *pb.Reply) {
			if !given {
				l.answer(id, r)
			}
		})
		return func() { given = true }
	})
}

func encodeAllocated(b objects.Block, err error) *pb.Reply {
	switch {
	case err == nil:
		return &pb.Reply{Kind: &pb.Reply_Allocate{Allocate: encodeBlock(b)}}
	case errors.Is(err, objects.ErrFull):
		return refused(pb.ErrorKind_ERROR_STORE_FULL, err)
	default:
		return refused(pb.ErrorKind_ERROR_OUT_OF_DISK, err)
	}
}

func refused(kind pb.ErrorKind, err error) *pb.Reply {
	return &pb.Reply{Error: err.Error(), ErrorKind: kind}
}

func encodeFetched(f coreworker.Fetched) *pb.Reply {
	if f.Canceled {
		return canceledReply()
	}
	out := &pb.GetReply{TimedOut: f.TimedOut, Failed: f.Failed, FailedIndex: uint32(f.Index), Values: make([]*pb.Value, len(f.Values))}
	for i, v := range f.Values {
		out.Values[i] = encodeValue(v)
	}
	return &pb.Reply{Kind: &pb.Reply_Get{Get: out}}
}

func encodeWaited(w coreworker.Waited) *pb.Reply {
	if w.Canceled {
		return canceledReply()
	}
	ready := make([]byte, len(w.Ready))
	for i, r := range w.Ready {
		ready[i] = byte(r)
	}
	return &pb.Reply{Kind: &pb.Reply_Wait{Wait: &pb.WaitReply{Ready: ready}}}
}

func encodeActor(s *task.Spec, created bool, err error) *pb.Reply {
	switch {
	case err == nil:
		return &pb.Reply{Kind: &pb.Reply_Actor{Actor: &pb.ActorInfo{ActorId: s.Actor.Bytes(), Handle: s.Creation.Handle, Created: created}}}
	case errors.Is(err, embedded.ErrNameTaken):
		return refused(pb.ErrorKind_ERROR_NAME_TAKEN, err)
	case errors.Is(err, embedded.ErrNoSuchActor):
		return refused(pb.ErrorKind_ERROR_NOT_FOUND, err)
	default:
		return refused(pb.ErrorKind_ERROR_INTERNAL, err)
	}
}

func encodeNames(names []backend.Named, err error) *pb.Reply {
	if err != nil {
		return refused(pb.ErrorKind_ERROR_INTERNAL, err)
	}
	out := &pb.NamedActors{}
	for _, n := range names {
		out.Names = append(out.Names, n.Name)
		out.Namespaces = append(out.Namespaces, n.Namespace)
	}
	return &pb.Reply{Kind: &pb.Reply_NamedActors{NamedActors: out}}
}

// storeResource is the resource under which Ray tells of the room in the object store.
const storeResource = "object_store_memory"

// encodeNodes tells of the nodes of a cluster, and of what those that are alive have together.
func encodeNodes(nodes []backend.Node, err error) *pb.Reply {
	if err != nil {
		return refused(pb.ErrorKind_ERROR_INTERNAL, err)
	}
	out := &pb.ClusterInfoReply{}
	sums, free := map[string]float64{}, map[string]float64{}
	for _, n := range nodes {
		out.Nodes = append(out.Nodes, &pb.ClusterNode{NodeId: n.ID.Bytes(), Alive: n.Alive, Address: n.Address, Hostname: n.Hostname, Name: n.Name,
			Head: n.Head, Total: n.Total, Labels: n.Labels})
		if n.Alive {
			for name, amount := range n.Total {
				sums[name] += amount
			}
			for name, amount := range n.Available {
				free[name] += amount
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(sums)) {
		out.Total = append(out.Total, &pb.Resource{Name: name, Amount: sums[name]})
		out.Available = append(out.Available, &pb.Resource{Name: name, Amount: free[name]})
	}
	return &pb.Reply{Kind: &pb.Reply_ClusterInfo{ClusterInfo: out}}
}

func encodeInfo(i coreworker.Info) *pb.Reply {
	available := encodeResources(i.Available)
	for _, r := range available {
		if r.Name == storeResource {
			r.Amount = max(r.Amount-float64(i.StoreUsed), 0)
		}
	}
	return &pb.Reply{Kind: &pb.Reply_ClusterInfo{ClusterInfo: &pb.ClusterInfoReply{Total: encodeResources(i.Total),
		Available: available, GroupsTotal: encodeResources(i.GroupsTotal),
		GroupsAvailable: encodeResources(i.GroupsAvailable), Labels: i.Labels, NodeName: i.NodeName,
		ObjectStoreBytes: i.StoreBytes, ObjectStoreUsed: i.StoreUsed}}}
}
