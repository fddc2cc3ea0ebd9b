package pyshim

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/mobula/mobula/coreworker"
	"github.com/mobula/mobula/coreworker/ids"
	pb "github.com/mobula/mobula/proto/boundary"
)

func pb0() coreworker.Obituary { return coreworker.Obituary{PID: 4711, Text: "it ended"} }

// An abandoned request is not answered, and nothing of it is left; the next one is.
func TestAbandon(t *testing.T) {
	k := newKit(t)
	d := k.driver()
	obj := taskID(k, 1).Return(1)
	d.mutate(1, submit(k, 1))
	d.ask(1, get(1, obj))
	d.ask(1, &pb.Request{Id: 2, Kind: &pb.Request_Wait{Wait: &pb.Wait{ObjectIds: obj.Bytes(), NumReturns: 1, TimeoutMs: -1}}})
	k.eventually("both wait", func() bool { return k.counts().Parked == 2 })
	d.ask(1, &pb.Request{Id: 3, Kind: &pb.Request_Abandon{Abandon: &pb.Abandon{Id: 1}}})
	d.ask(1, &pb.Request{Id: 4, Kind: &pb.Request_Abandon{Abandon: &pb.Abandon{Id: 1}}}) // twice is as once
	d.sync(5, 1)
	if c := k.counts(); c.Parked != 1 {
		t.Errorf("%+v", c)
	}
	_, w := k.worker()
	w.mutate(1, done(w.run(), pb.Outcome_OUTCOME_OK))
	if r := d.reply(2); !bytes.Equal(r.GetWait().GetReady(), []byte{1}) {
		t.Errorf("%v", r)
	}
	d.sync(6, 1)
	for _, m := range d.left {
		if m.Reply.GetId() == 1 {
			t.Errorf("answered although abandoned: %v", m)
		}
	}
}

// A lane ends while its thread waits, and while a request of it waits for a mutation that another lane brings later:
// neither is kept.
func TestLaneEndsInTheMiddle(t *testing.T) {
	k := newKit(t)
	a, b := k.driver(), k.driver()
	obj := taskID(k, 1).Return(1)
	b.mutate(1, submit(k, 1))
	a.ask(1, get(1, obj))
	a.ask(2, get(2, obj))
	a.ask(2, &pb.Request{Id: 3, Kind: &pb.Request_Allocate{Allocate: &pb.Allocate{Size: 4096}}})
	k.eventually("one waits", func() bool { return k.counts().Parked == 1 })
	a.hangUp()
	k.eventually("the lane is gone", func() bool { return k.lanes() == 1 && k.counts().Parked == 0 })
	b.mutate(2, put(taskID(k, 2).Put(0, 1)))
	b.sync(1, 2)
	if c := k.counts(); c.Parked != 0 || c.Blocks != 0 {
		t.Errorf("%+v", c)
	}
}

func TestRequestNumberTwice(t *testing.T) {
	k := newKit(t)
	a, b := k.driver(), k.driver()
	a.mutate(1, submit(k, 1))
	a.ask(1, get(1, taskID(k, 1).Return(1)))
	a.ask(1, get(1, taskID(k, 1).Return(1)))
	if _, err := a.stream.Recv(); status.Code(err) != codes.InvalidArgument {
		t.Error(err)
	}
	k.eventually("nothing waits", func() bool { return k.counts().Parked == 0 })
	b.sync(1, 0)
}

// A shim that asks and asks and never reads is cut off; the core and the other lanes notice nothing.
func TestLaneThatDoesNotRead(t *testing.T) {
	k := newKit(t)
	k.server.maxQueued = 1 << 10 // tens of thousands take their time on a busy machine
	deaf, other := k.driver(), k.driver()
	value := bytes.Repeat([]byte("x"), 4096)
	other.mutate(1, &pb.Mutation{Kind: &pb.Mutation_Export{Export: &pb.Export{Namespace: "fun", Key: []byte("k"), Value: value}}})
	other.sync(1, 1)
	// What waits elsewhere is 64 KiB each in the client's window and in the quota of the writer: far less than 100 messages.
	for i := range uint64(k.server.maxQueued + 100) {
		q := &pb.Request{Id: i + 1, Kind: &pb.Request_KvGet{KvGet: &pb.KvGet{Namespace: "fun", Key: []byte("k")}}}
		if err := deaf.stream.Send(&pb.FromShim{Request: q}); err != nil {
			break // cut off already
		}
		if i%128 == 0 {
			other.sync(i+10, 1)
		}
	}
	k.eventually("it is cut off", func() bool { return k.lanes() == 1 })
	other.sync(2, 1)
	var err error
	for err == nil {
		_, err = deaf.stream.Recv()
	}
	if status.Code(err) != codes.ResourceExhausted {
		t.Error(err)
	}
}

// A worker whose main lane is cut off in the middle of a task is ended by the core.
func TestExecutorLaneEnds(t *testing.T) {
	k := newKit(t)
	k.driver().mutate(1, submit(k, 1))
	p, w := k.worker()
	w.run()
	p.TakeTickets()
	w.hangUp()
	k.eventually("it is killed", func() bool { return p.was("kill") == 1 })
	p.end(pb0())
	if c := k.counts(); c.TasksPending != 0 || c.Leases != 0 {
		t.Errorf("%+v", c)
	}
}

func output(k *kit, n int) {
	for i := range n {
		k.server.Output(k.core.Job, ids.NewWorkerID(), 1, false, "", fmt.Appendf(nil, "line %d %s", i, bytes.Repeat([]byte("x"), 200)))
	}
}

// readLogs reads until the drop counter was told, and gives how many lines came and how many were dropped.
func readLogs(t *testing.T, s *shim) (lines, dropped int) {
	t.Helper()
	for {
		for _, l := range s.until(func(m *pb.ToShim) bool { return len(m.Logs) > 0 }).Logs {
			if l.Name != "mobula" {
				lines++
			} else if _, err := fmt.Sscanf(string(l.Text), "%d messages", &dropped); err != nil {
				t.Fatalf("%s: %v", l.Text, err)
			} else {
				return lines, dropped
			}
		}
	}
}

// What workers print before the driver listens is kept, up to a bound; how much was lost is said.
func TestLogsBeforeTheDriver(t *testing.T) {
	k := newKit(t)
	output(k, maxLogs+100)
	s := k.open(k.driverAttach(pb.LaneKind_LANE_NOTICES))
	if lines, dropped := readLogs(t, s); lines != maxLogs || dropped != 100 {
		t.Errorf("%d lines, %d dropped", lines, dropped)
	}
	output(k, 3)
	for range 3 {
		s.until(func(m *pb.ToShim) bool { return len(m.Logs) == 1 })
	}
}

// A driver that does not read its logs holds nobody up; what came meanwhile and was too much is counted.
func TestLogsBackPressure(t *testing.T) {
	k := newKit(t)
	s := k.open(k.driverAttach(pb.LaneKind_LANE_NOTICES))
	const n = 4 * maxLogs
	output(k, n)
	lines, dropped := readLogs(t, s)
	if lines+dropped != n || lines < maxLogs || dropped == 0 {
		t.Errorf("%d lines, %d dropped", lines, dropped)
	}
	s.sync(1, 0)
}

// is_canceled() by the page, by the RPC and by the core's own set are the same.
func TestCanceledEverywhere(t *testing.T) {
	k := newKit(t)
	d := k.driver()
	obj := taskID(k, 1).Return(1)
	d.mutate(1, submit(k, 1))
	p, w := k.worker()
	run := w.run()
	p.TakeTickets()
	canceled := func() bool {
		t.Helper()
		r, err := w.client.IsTaskCanceled(context.Background(), &pb.IsTaskCanceledRequest{WorkerId: p.id.Bytes(), TaskId: run.Spec.TaskId})
		if err != nil {
			t.Fatal(err)
		}
		if page := k.page.words[w.said.Slot] == run.Epoch<<1|1; page != r.Canceled {
			t.Errorf("the page says %t, the set %t", page, r.Canceled)
		}
		return r.Canceled
	}
	if canceled() {
		t.Error("canceled by nobody")
	}
	d.mutate(2, &pb.Mutation{Kind: &pb.Mutation_Cancel{Cancel: &pb.Cancel{ObjectId: obj.Bytes()}}},
		&pb.Mutation{Kind: &pb.Mutation_Cancel{Cancel: &pb.Cancel{ObjectId: obj.Bytes()}}})
	d.sync(1, 3)
	if !canceled() || p.was("interrupt") != 1 {
		t.Errorf("not told, or told %d times", p.was("interrupt"))
	}
	w.mutate(1, done(run, pb.Outcome_OUTCOME_CANCELED))
	w.sync(1, 1)
	if r, err := w.client.IsTaskCanceled(context.Background(), &pb.IsTaskCanceledRequest{WorkerId: p.id.Bytes(), TaskId: run.Spec.TaskId}); err != nil || r.Canceled {
		t.Errorf("%v, %v", r, err)
	}
	if _, err := w.client.IsTaskCanceled(context.Background(), &pb.IsTaskCanceledRequest{}); status.Code(err) != codes.InvalidArgument {
		t.Error(err)
	}
	d.ask(3, get(2, obj))
	if r := d.reply(2); !r.GetGet().GetFailed() {
		t.Errorf("%v", r)
	}
}

// Each request's answer.
func TestAnswers(t *testing.T) {
	k := newKit(t)
	d := k.driver()
	n := uint64(0)
	ask := func(q *pb.Request) *pb.Reply {
		t.Helper()
		q.Id = n
		d.ask(0, q)
		return d.reply(n)
	}
	d.mutate(1, &pb.Mutation{Kind: &pb.Mutation_Export{Export: &pb.Export{Namespace: "fun", Key: []byte("k"), Value: []byte("v")}}})
	if r := ask(&pb.Request{Kind: &pb.Request_KvGet{KvGet: &pb.KvGet{Namespace: "fun", Key: []byte("k")}}}); string(r.GetKv().GetValue()) != "v" {
		t.Errorf("%v", r)
	}
	if r := ask(&pb.Request{Kind: &pb.Request_KvGet{KvGet: &pb.KvGet{Namespace: "x", Key: []byte("k")}}}); r.GetKv() == nil || r.GetKv().Found {
		t.Errorf("%v", r)
	}
	if r := ask(&pb.Request{Kind: &pb.Request_Allocate{Allocate: &pb.Allocate{Size: 5000}}}); r.GetAllocate().GetSize() != 5000 {
		t.Errorf("%v", r)
	}
	if r := ask(&pb.Request{Kind: &pb.Request_Allocate{Allocate: &pb.Allocate{Size: 1 << 60}}}); r.ErrorKind != pb.ErrorKind_ERROR_STORE_FULL {
		t.Errorf("%v", r)
	}
	if r := ask(&pb.Request{Kind: &pb.Request_ClusterInfo{ClusterInfo: &pb.ClusterInfo{}}}); len(r.GetClusterInfo().GetTotal()) != 1 {
		t.Errorf("%v", r)
	}
	if r := ask(&pb.Request{Kind: &pb.Request_LookupActor{LookupActor: &pb.LookupActor{Name: "n"}}}); r.ErrorKind != pb.ErrorKind_ERROR_NOT_FOUND {
		t.Errorf("%v", r)
	}
	if r := ask(get(0, taskID(k, 9).Return(1))); !r.GetGet().GetFailed() { // nobody knows it: freed, not for ever
		t.Errorf("%v", r)
	}
	actor := ids.NilActor(k.core.Job)
	actor[0] = 1
	register := func() *pb.Request {
		return &pb.Request{Kind: &pb.Request_RegisterActor{RegisterActor: &pb.RegisterActor{Spec: &pb.TaskSpec{Type: pb.TaskType_ACTOR_CREATION_TASK,
			TaskId: actor.CreationTask().Bytes(), ActorId: actor.Bytes(), FunctionId: make([]byte, 28), Actor: &pb.ActorCreation{Name: "n", Handle: []byte("h")}}}}}
	}
	if r := ask(register()); !r.GetActor().GetCreated() || string(r.GetActor().GetHandle()) != "h" {
		t.Errorf("%v", r)
	}
	if r := ask(register()); !r.GetActor().GetCreated() { // asked again after a lane was lost
		t.Errorf("%v", r)
	}
	actor[0] = 2
	if r := ask(register()); r.ErrorKind != pb.ErrorKind_ERROR_NAME_TAKEN {
		t.Errorf("%v", r)
	}
	if r := ask(&pb.Request{Kind: &pb.Request_ListNamedActors{ListNamedActors: &pb.ListNamedActors{AllNamespaces: true}}}); len(r.GetNamedActors().GetNames()) != 1 {
		t.Errorf("%v", r)
	}
	if r := ask(&pb.Request{Kind: &pb.Request_ClusterRows{ClusterRows: &pb.ClusterRows{Most: 1}}}); r.ErrorKind != pb.ErrorKind_ERROR_INTERNAL || !strings.Contains(r.Error, "no cluster") {
		t.Errorf("%v", r)
	}
	if r, err := d.client.Inspect(context.Background(), &pb.InspectRequest{}); err != nil || r.Lanes != 1 || r.Processes != 2 || r.Actors != 1 || r.Fds == 0 {
		t.Errorf("%v, %v", r, err)
	}
}
