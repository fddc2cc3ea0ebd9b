package pyshim

import (
	"strings"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/mobula/mobula/coreworker/ids"
	pb "github.com/mobula/mobula/proto/boundary"
)

// Mutations of one process are applied in the order of their numbers, whatever lane brings which when, each once.
func TestOrderAcrossLanes(t *testing.T) {
	k := newKit(t)
	a, b := k.driver(), k.driver()
	x, y := taskID(k, 1).Put(0, 1), taskID(k, 1).Put(0, 2)
	b.mutate(3, drop(x), drop(y)) // before what they drop was put
	b.ask(4, &pb.Request{Id: 7, Kind: &pb.Request_Sync{Sync: &pb.Sync{}}})
	b.ask(0, &pb.Request{Id: 8, Kind: &pb.Request_Sync{Sync: &pb.Sync{}}}) // waits for nothing, and passes by
	b.reply(8)
	if n := k.counts().Objects; n != 0 {
		t.Fatalf("%d objects", n)
	}
	a.mutate(2, put(y))
	a.sync(1, 0)
	a.mutate(1, put(x))
	b.reply(7)
	a.mutate(1, put(x), put(y), drop(x)) // again, after a lane was lost: seen before
	b.mutate(4, drop(y), put(x))         // the first one seen before, the second one new
	a.sync(2, 5)
	if n := k.counts().Objects; n != 1 {
		t.Errorf("%d objects", n)
	}
	if c := k.driver(); c.said.Applied != 5 {
		t.Errorf("a new lane is told %d", c.said.Applied)
	}
}

// A number that two lanes bring at once is applied once, also when both waited for the one before it.
func TestOrderSameNumberTwice(t *testing.T) {
	k := newKit(t)
	a, b := k.driver(), k.driver()
	x := taskID(k, 1).Put(0, 1)
	a.mutate(2, put(x))
	b.mutate(2, put(x))
	a.sync(1, 0)
	b.sync(1, 0)
	a.mutate(1, put(taskID(k, 1).Put(0, 2)))
	a.sync(2, 2)
	a.mutate(3, drop(x)) // one handle: it was put once
	a.sync(3, 3)
	if n := k.counts().Objects; n != 1 {
		t.Errorf("%d objects", n)
	}
}

// From submit to get: the worker runs it, its result answers the get that was there before.
func TestWholeWay(t *testing.T) {
	k := newKit(t)
	d := k.driver()
	obj := taskID(k, 1).Return(1)
	d.send(&pb.FromShim{FirstMutation: 1, Mutations: []*pb.Mutation{submit(k, 1)}, After: 1, Request: get(1, obj)})
	p, w := k.worker()
	run := w.run()
	if p.TakeTickets() != 1 {
		t.Error("no ticket")
	}
	k.eventually("the get waits", func() bool { return k.counts().Parked == 1 })
	w.mutate(1, done(run, pb.Outcome_OUTCOME_OK))
	r := d.reply(1)
	if v := r.GetGet().GetValues(); len(v) != 1 || string(v[0].Data) != "v" {
		t.Fatalf("%v", r)
	}
	w.mutate(1, done(run, pb.Outcome_OUTCOME_OK)) // sent again: seen before
	w.sync(1, 1)
	d.mutate(2, drop(obj))
	d.sync(2, 2)
	if c := k.counts(); c.Objects+c.TasksPending+c.Parked+c.Leases != 0 {
		t.Errorf("%+v", c)
	}
}

// A result is a mutation: any lane of the process brings it, and what the process let go after it waits for it.
func TestResultFromAnotherLane(t *testing.T) {
	k := newKit(t)
	d := k.driver()
	obj := taskID(k, 1).Return(1)
	d.mutate(1, submit(k, 1))
	p, w := k.worker()
	run := w.run()
	p.TakeTickets()
	calls := k.workerAttach(p)
	calls.Kind = pb.LaneKind_LANE_CALLS
	other := k.open(calls)
	inner := taskID(k, 2).Put(0, 1)
	result := done(run, pb.Outcome_OUTCOME_OK)
	result.GetDone().Returns[0].Contained = inner.Bytes()
	other.mutate(2, result, drop(inner))
	w.mutate(1, put(inner))
	other.sync(1, 3)
	if c := k.counts(); c.Objects != 2 {
		t.Errorf("what is inside the result went with the handle of its maker: %+v", c)
	}
	d.mutate(2, drop(obj))
	d.sync(1, 2)
	if c := k.counts(); c.Objects != 0 {
		t.Errorf("%+v", c)
	}
}

// What a process has sent counts for nothing when its end was seen first: nobody could hold what it makes.
func TestMutationsOfTheDead(t *testing.T) {
	k := newKit(t)
	k.driver().mutate(1, submit(k, 1))
	p, w := k.worker()
	w.run()
	p.end(pb0())
	w.mutate(1, submit(k, 2), put(taskID(k, 3).Put(0, 1)))
	w.ask(2, get(1, ids.ObjectID{}))
	w.send(&pb.FromShim{Dropped: &pb.RunDropped{Generation: 1}})
	w.send(&pb.FromShim{FirstMutation: 0, Mutations: []*pb.Mutation{{}}}) // ends the lane: all before it was read
	if _, err := w.stream.Recv(); status.Code(err) != codes.InvalidArgument {
		t.Error(err)
	}
	if c := k.counts(); c.TasksPending > 1 || c.Objects > 1 || c.Parked > 0 {
		t.Errorf("%+v", c)
	}
}

// Mutations behind one that never comes do not pile up without end: who brings more is cut off. The other lanes of the
// process, and other processes, notice nothing, and the one that was missing is still taken.
func TestGapInTheNumbers(t *testing.T) {
	export := func(size int) *pb.Mutation {
		return &pb.Mutation{Kind: &pb.Mutation_Export{Export: &pb.Export{Namespace: "fun", Key: []byte("k"), Value: make([]byte, size)}}}
	}
	for name, one := range map[string]func() (*pb.FromShim, int){
		"many": func() (*pb.FromShim, int) {
			list := make([]*pb.Mutation, 1<<10)
			for i := range list {
				list[i] = export(1)
			}
			return &pb.FromShim{Mutations: list}, 1<<6 + 1
		},
		"large": func() (*pb.FromShim, int) {
			return &pb.FromShim{Mutations: []*pb.Mutation{export(2 << 20)}}, 128
		},
	} {
		t.Run(name, func(t *testing.T) {
			k := newKit(t)
			k.driver().mutate(1, submit(k, 1))
			_, worker := k.worker()
			worker.run()
			hostile, other := k.driver(), k.driver()
			m, times := one()
			for i := range times {
				m.FirstMutation = uint64(3 + i*len(m.Mutations))
				if err := hostile.stream.Send(m); err != nil {
					t.Fatalf("cut off at message %d: %v", i, err)
				}
			}
			var err error
			for err == nil {
				_, err = hostile.stream.Recv() // acknowledgments come before the end
			}
			if status.Code(err) != codes.ResourceExhausted || !strings.Contains(err.Error(), "wait for its mutation 2") {
				t.Error(err)
			}
			worker.sync(1, 0)
			other.sync(1, 1)
			other.mutate(2, put(taskID(k, 1).Put(0, 1)))
			other.sync(2, 2)
		})
	}
}
