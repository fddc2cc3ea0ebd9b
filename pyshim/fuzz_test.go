package pyshim

import (
	"encoding/binary"
	"runtime/metrics"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/mobula/mobula/coreworker"
	"github.com/mobula/mobula/coreworker/embedded"
	"github.com/mobula/mobula/coreworker/ids"
	"github.com/mobula/mobula/coreworker/sched"
	pb "github.com/mobula/mobula/proto/boundary"
)

// bench is a core with a driver lane, an executor lane that runs a task, and an actor: what messages are thrown at.
type bench struct {
	core   *coreworker.Core
	driver *lane
	worker *lane
	procs  []*proc
}

// Prepare implements Processes: nothing has to be set up.
func (*bench) Prepare(embedded.Kind, func(string)) bool { return true }

func (*bench) Forget(ids.JobID) {}

func (b *bench) Spawn(id ids.WorkerID, _ embedded.Kind, started func(coreworker.Child), ended func(coreworker.Obituary)) {
	b.procs = append(b.procs, &proc{id: id, started: started, end: ended})
}

func newBench(t testing.TB) *bench {
	b := &bench{}
	b.core = coreworker.New(coreworker.Config{Resources: sched.CPUs(2), ArenaBytes: 1 << 20, Processes: b,
		Reserve: func(uint64, uint64) error { return nil }})
	server := NewServer(b.core, nil, "1.0", "ns")
	server.Show(b.core.Job)
	newLane := func(id ids.WorkerID, role coreworker.Role) *lane {
		l := &lane{server: server, requests: map[uint64]func(){}, wake: make(chan struct{}, 1), done: make(chan struct{})}
		b.core.Do(func() { l.process = b.core.Attach(id, role, 1) })
		return l
	}
	b.driver = newLane(ids.DriverWorker(b.core.Job), coreworker.Driver)
	for _, m := range seeds(b.core.Job)[:2] {
		if err := b.driver.apply(m); err != nil {
			t.Fatal(err)
		}
	}
	b.procs[0].started(b.procs[0])
	b.worker = newLane(b.procs[0].id, coreworker.Worker)
	b.core.Do(func() { b.worker.exec = b.worker.process.AttachExecutor(b.worker, "", false, 0) })
	return b
}

func (b *bench) taken() (n int) {
	for _, l := range []*lane{b.driver, b.worker} {
		l.mu.Lock()
		n += len(l.queue)
		l.queue = nil
		l.mu.Unlock()
	}
	return n
}

// seeds are messages of every kind. The first two are what a bench begins with.
func seeds(job ids.JobID) []*pb.FromShim {
	task := func(n uint64) ids.TaskID {
		id := ids.NilActor(job).CreationTask()
		binary.LittleEndian.PutUint64(id[:], n)
		return id
	}
	actor := ids.NilActor(job)
	actor[0] = 7
	method := task(8)
	copy(method[8:], actor[:])
	function := make([]byte, 28)
	obj, block := task(1).Return(1).Bytes(), binary.LittleEndian.AppendUint64(nil, 1)
	spec := func(n uint64, args ...*pb.Arg) *pb.TaskSpec {
		return &pb.TaskSpec{TaskId: task(n).Bytes(), ParentTaskId: task(1).Bytes(), FunctionId: function, NumReturns: 2, Args: args,
			Resources: []*pb.Resource{{Name: "CPU", Amount: 1}, {Name: "x", Amount: 0.5}}, MaxRetries: 1}
	}
	creation := &pb.TaskSpec{Type: pb.TaskType_ACTOR_CREATION_TASK, TaskId: actor.CreationTask().Bytes(), ActorId: actor.Bytes(), FunctionId: function,
		Actor: &pb.ActorCreation{MaxRestarts: 1, MaxConcurrency: 3, Groups: []*pb.ConcurrencyGroup{{Name: "io", MaxConcurrency: 2}},
			Name: "n", Handle: []byte("h"), PlacementResources: []*pb.Resource{{Name: "CPU", Amount: 1}}}}
	call := &pb.TaskSpec{Type: pb.TaskType_ACTOR_TASK, TaskId: method.Bytes(), ActorId: actor.Bytes(), Method: "m", NumReturns: 1, ConcurrencyGroup: "io"}
	mutations := func(first uint64, list ...*pb.Mutation) *pb.FromShim {
		return &pb.FromShim{FirstMutation: first, Mutations: list}
	}
	request := func(after uint64, q *pb.Request) *pb.FromShim {
		return &pb.FromShim{After: after, Request: q}
	}
	plain := spec(1)
	wanted := spec(12)
	wanted.NumReturns = 1
	plain.Resources = plain.Resources[:1]
	group := make([]byte, ids.GroupLen)
	group[0] = 1
	selector := &pb.LabelSelector{Matches: []*pb.LabelMatch{{Key: "zone", Values: []string{"a"}, Not: true}}}
	placed := spec(3)
	placed.Resources, placed.Labels = plain.Resources, []*pb.LabelSelector{selector}
	placed.Placement = &pb.Placement{GroupId: group, Bundle: 1}
	return []*pb.FromShim{
		mutations(1, &pb.Mutation{Kind: &pb.Mutation_Submit{Submit: plain}}),
		mutations(2, &pb.Mutation{Kind: &pb.Mutation_Submit{Submit: spec(2, &pb.Arg{Ref: obj}, &pb.Arg{Value: &pb.Value{Data: []byte("x"), Contained: obj}, Keyword: "k", HasKeyword: true})}}),
		mutations(3, &pb.Mutation{Kind: &pb.Mutation_Submit{Submit: creation}}, &pb.Mutation{Kind: &pb.Mutation_Submit{Submit: call}},
			&pb.Mutation{Kind: &pb.Mutation_MeetActor{MeetActor: &pb.MeetActor{ActorId: actor.Bytes(), Module: "m", ClassName: "C", FunctionHash: "h"}}},
			&pb.Mutation{Kind: &pb.Mutation_ActorHandles{ActorHandles: &pb.ActorHandles{Added: actor.Bytes()}}}),
		mutations(3, &pb.Mutation{Kind: &pb.Mutation_Put{Put: &pb.Put{ObjectId: task(1).Put(0, 1).Bytes(), Value: &pb.Value{Data: []byte("x"), Metadata: []byte("RAW"), Contained: obj}}}},
			&pb.Mutation{Kind: &pb.Mutation_Refs{Refs: &pb.Refs{Added: obj, Dropped: append(obj, obj...)}}}),
		mutations(4, &pb.Mutation{Kind: &pb.Mutation_Cancel{Cancel: &pb.Cancel{ObjectId: obj, Force: true, Recursive: true}}}),
		mutations(1, &pb.Mutation{Kind: &pb.Mutation_Done{Done: &pb.TaskDone{TaskId: task(1).Bytes(), Returns: []*pb.Value{{Data: []byte("r")}, {Block: &pb.Block{Id: 1}}}}}}),
		mutations(1, &pb.Mutation{Kind: &pb.Mutation_Done{Done: &pb.TaskDone{TaskId: task(1).Bytes(), Outcome: pb.Outcome_OUTCOME_ERROR, Error: &pb.Value{Metadata: []byte("3")}, Retryable: true}}}),
		mutations(1, &pb.Mutation{Kind: &pb.Mutation_Unpin{Unpin: block}}, &pb.Mutation{Kind: &pb.Mutation_Discard{Discard: block}},
			&pb.Mutation{Kind: &pb.Mutation_Export{Export: &pb.Export{Namespace: "fun", Key: function, Value: []byte("f")}}},
			&pb.Mutation{Kind: &pb.Mutation_KillActor{KillActor: &pb.KillActor{ActorId: actor.Bytes()}}}),
		request(0, &pb.Request{Id: 1, Kind: &pb.Request_Get{Get: &pb.Get{ObjectIds: append(obj, obj...), TimeoutMs: -1, TaskId: task(1).Bytes()}}}),
		request(0, &pb.Request{Id: 2, Kind: &pb.Request_Wait{Wait: &pb.Wait{ObjectIds: obj, NumReturns: 1, TimeoutMs: 1 << 62}}}),
		request(3, &pb.Request{Id: 3, Kind: &pb.Request_Allocate{Allocate: &pb.Allocate{Size: 5000}}}),
		request(0, &pb.Request{Id: 4, Kind: &pb.Request_RegisterActor{RegisterActor: &pb.RegisterActor{Spec: creation, GetIfExists: true}}}),
		request(0, &pb.Request{Id: 5, Kind: &pb.Request_LookupActor{LookupActor: &pb.LookupActor{Name: "n"}}}),
		request(0, &pb.Request{Id: 6, Kind: &pb.Request_Abandon{Abandon: &pb.Abandon{Id: 1}}}),
		{Dropped: &pb.RunDropped{Generation: 1}},
		request(0, &pb.Request{Id: 7, Kind: &pb.Request_CreateGroup{CreateGroup: &pb.CreateGroup{GroupId: group, Name: "n", Strategy: pb.PlacementStrategy_SPREAD,
			Bundles: []*pb.GroupBundle{{Resources: plain.Resources, Labels: selector}, {Resources: plain.Resources}}}}}),
		mutations(3, &pb.Mutation{Kind: &pb.Mutation_AwaitGroup{AwaitGroup: &pb.AwaitGroup{GroupId: group, ObjectId: task(1).Put(0, 2).Bytes(), Value: &pb.Value{Data: []byte("g")}}}},
			&pb.Mutation{Kind: &pb.Mutation_Submit{Submit: placed}}),
		request(0, &pb.Request{Id: 8, Kind: &pb.Request_FindGroups{FindGroups: &pb.FindGroups{Name: "n"}}}),
		request(0, &pb.Request{Id: 9, Kind: &pb.Request_RemoveGroup{RemoveGroup: &pb.RemoveGroup{GroupId: group}}}),
		{FirstMutation: 3, Mutations: []*pb.Mutation{{Kind: &pb.Mutation_Submit{Submit: wanted}}}, Ahead: true},
	}
}

// pack makes an input of messages: the lane, the length, the message, and so on.
func pack(t testing.TB, lane byte, list ...*pb.FromShim) (out []byte) {
	for _, m := range list {
		b, err := proto.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		out = binary.AppendUvarint(append(out, lane), uint64(len(b)))
		out = append(out, b...)
	}
	return out
}

// allocated is how many bytes were ever allocated.
func allocated() uint64 {
	s := []metrics.Sample{{Name: "/gc/heap/allocs:bytes"}}
	metrics.Read(s)
	return s[0].Value.Uint64()
}

// Whatever a process sends, the core goes on: no panic, no invariant broken, and no more memory than the message is worth.
func FuzzFromShim(f *testing.F) {
	all := seeds(ids.JobFromInt(1))
	for i, m := range all {
		f.Add(pack(f, 0, m))
		f.Add(pack(f, 1, m))
		f.Add(append(pack(f, 0, all[2]), pack(f, byte(i)&1, m)...))
	}
	f.Add(append(pack(f, 0, all[2:]...), pack(f, 1, all...)...))
	f.Fuzz(func(t *testing.T, data []byte) {
		b := newBench(t)
		defer b.core.Close()
		valid := func() {
			b.core.Do(func() {
				if err := b.core.Validate(); err != nil {
					t.Fatal(err)
				}
			})
		}
		for rest := data; len(rest) > 1; {
			l := []*lane{b.driver, b.worker}[rest[0]&1]
			size, n := binary.Uvarint(rest[1:])
			if n <= 0 || size > uint64(len(rest)-1-n) {
				break
			}
			m := new(pb.FromShim)
			if proto.Unmarshal(rest[1+n:][:size], m) != nil {
				break
			}
			rest = rest[1+n+int(size):]
			if tooMany(m) {
				break
			}
			before := allocated()
			_ = l.apply(m) // refused or not
			if grew := allocated() - before; grew > 16<<20+size*4096 {
				t.Fatalf("%d bytes were allocated for a message of %d", grew, size)
			}
			valid()
			b.taken()
		}
		b.procs[0].end(coreworker.Obituary{Text: "it ended"})
		valid()
	})
}

// tooMany says whether a message asks for more returns than a fuzzer should spend its time on; the limit itself is tested.
func tooMany(m *pb.FromShim) bool {
	for _, mutation := range m.Mutations {
		if mutation.GetSubmit().GetNumReturns() > 1000 {
			return true
		}
	}
	return m.GetRequest().GetRegisterActor().GetSpec().GetNumReturns() > 1000
}

// A spec that is accepted is what it says: bounded, with an id of its kind, and sent on as it came.
func FuzzSpec(f *testing.F) {
	for _, m := range seeds(ids.JobFromInt(1)) {
		for _, mutation := range m.Mutations {
			if s := mutation.GetSubmit(); s != nil {
				b, err := proto.Marshal(s)
				if err != nil {
					f.Fatal(err)
				}
				f.Add(b)
			}
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		in := new(pb.TaskSpec)
		if proto.Unmarshal(data, in) != nil {
			return
		}
		s, err := decodeSpec(in)
		if err != nil {
			return
		}
		if s.NumReturns > maxReturns || len(s.Args) != len(in.Args) || checkID(s) != nil {
			t.Fatalf("%+v", s)
		}
		if string(s.ID.Bytes()) != string(in.TaskId) || s.Wire != in {
			t.Fatalf("%+v of %v", s, in)
		}
		uses := 0
		s.Uses(func(ids.ObjectID) { uses++ })
		if uses > len(data)/ids.ObjectLen {
			t.Fatalf("%d objects in %d bytes", uses, len(data))
		}
		if _, err := sched.Collect(s.Resources.All()); err != nil {
			t.Fatal(err)
		}
	})
}

// The limit of returns holds before anything is allocated.
func TestTooManyReturns(t *testing.T) {
	s := submit(&kit{core: newBench(t).core}, 1).GetSubmit()
	s.NumReturns = maxReturns + 1
	if _, err := decodeSpec(s); err == nil {
		t.Error("accepted")
	}
}

// counts is how much of everything there is.
func (b *bench) counts() (c coreworker.Counts) {
	b.core.Do(func() { c = b.core.Counts() })
	return c
}
