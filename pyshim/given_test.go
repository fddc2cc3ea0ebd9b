package pyshim

import (
	"bytes"
	"testing"

	"github.com/mobula/mobula/coreworker/ids"
	pb "github.com/mobula/mobula/proto/boundary"
)

func giveUp(lane, request uint64) *pb.Mutation {
	return &pb.Mutation{Kind: &pb.Mutation_GiveUp{GiveUp: &pb.GiveUp{Lane: lane, Request: request}}}
}

func (k *kit) numbered(n uint64) *shim {
	k.t.Helper()
	a := k.driverAttach(pb.LaneKind_LANE_CALLS)
	a.Lane = n
	return k.open(a)
}

func allocate(id uint64) *pb.Request {
	return &pb.Request{Id: id, Kind: &pb.Request_Allocate{Allocate: &pb.Allocate{Size: 4096}}}
}

// large puts an object into a block; it takes mutation n and request id.
func (s *shim) large(n, id uint64, obj ids.ObjectID) {
	s.t.Helper()
	s.ask(n-1, allocate(id))
	block := s.reply(id).GetAllocate()
	s.mutate(n, &pb.Mutation{Kind: &pb.Mutation_Put{Put: &pb.Put{ObjectId: obj.Bytes(),
		Value: &pb.Value{Block: &pb.Block{Id: block.Id}, Metadata: []byte("RAW")}}}})
}

// What an answer has handed over comes back when the request is given up, whichever lane says so.
func TestGiveUpAfterTheAnswer(t *testing.T) {
	k := newKit(t)
	broken, other := k.numbered(7), k.numbered(8)
	obj := taskID(k, 1).Put(0, 1)
	broken.large(1, 1, obj)
	broken.ask(1, get(2, obj))
	if broken.reply(2).GetGet() == nil || k.counts().Pins != 1 {
		t.Fatalf("%+v", k.counts())
	}
	other.mutate(2, giveUp(7, 2), giveUp(7, 2), giveUp(9, 2)) // twice is as once, and a lane that is gone has nothing
	other.sync(1, 4)
	if c := k.counts(); c.Pins != 0 || c.Blocks != 1 {
		t.Errorf("%+v", c)
	}
	broken.ask(4, allocate(3))
	broken.reply(3)
	other.mutate(5, giveUp(7, 3), drop(obj))
	other.sync(2, 6)
	if c := k.counts(); c.Blocks != 0 {
		t.Errorf("%+v", c)
	}
}

// What was handed over on a lane that the core has ended comes back all the same: the process learns of the end first, and then
// gives up what it has not read.
func TestGiveUpAfterTheEndOfTheLane(t *testing.T) {
	k := newKit(t)
	broken, other := k.numbered(7), k.numbered(8)
	broken.ask(0, allocate(3))
	broken.reply(3)
	broken.hangUp()
	k.eventually("the lane has ended", func() bool { return k.lanes() == 1 })
	other.mutate(1, giveUp(7, 2), giveUp(7, 3), giveUp(7, 3)) // another request of it, and twice
	other.sync(1, 3)
	if c := k.counts(); c.Blocks != 0 {
		t.Errorf("%+v", c)
	}
}

// Lanes that have ended are not remembered for ever.
func TestEndedLanesAreForgotten(t *testing.T) {
	var b bereft
	for n := uint64(1); n <= 2*maxBereft; n++ {
		b.ended(laneKey{number: n}, given{request: n, block: n})
		b.ended(laneKey{number: n + 1<<32}, given{request: n}) // nothing would have to come back
	}
	if len(b.given) != maxBereft || len(b.order) != maxBereft || b.given[laneKey{number: 2 * maxBereft}].block == 0 {
		t.Errorf("%d, %d", len(b.given), len(b.order))
	}
}

// A block that its writer has put stays, when it gives up the request that got it, and when it discards it as well.
func TestGiveUpOfWhatWasPut(t *testing.T) {
	k := newKit(t)
	d := k.numbered(7)
	obj := taskID(k, 1).Put(0, 1)
	d.large(1, 1, obj)
	d.mutate(2, giveUp(7, 1), &pb.Mutation{Kind: &pb.Mutation_Discard{Discard: []byte{1, 0, 0, 0, 0, 0, 0, 0}}})
	d.ask(3, get(2, obj))
	if v := d.reply(2).GetGet().GetValues(); len(v) != 1 || v[0].Block == nil {
		t.Errorf("%v", v)
	}
}

// What was given up while it waits is dropped; what comes after it was given up is not looked at; the next one is.
func TestGiveUpBeforeTheAnswer(t *testing.T) {
	k := newKit(t)
	d, other := k.numbered(7), k.numbered(8)
	obj := taskID(k, 1).Put(0, 1)
	other.mutate(1, submit(k, 2))
	d.ask(1, get(2, taskID(k, 2).Return(1)))
	k.eventually("one waits", func() bool { return k.counts().Parked == 1 })
	d.large(2, 3, obj)
	other.mutate(3, giveUp(7, 2), giveUp(7, 4))
	other.sync(1, 4)
	if c := k.counts(); c.Parked != 0 {
		t.Errorf("%+v", c)
	}
	d.ask(4, get(4, obj))
	d.sync(5, 4)
	if c := k.counts(); c.Pins != 0 {
		t.Errorf("%+v", c)
	}
	for _, m := range d.left {
		if id := m.Reply.GetId(); id == 2 || id == 4 {
			t.Errorf("answered although given up: %v", m)
		}
	}
	d.ask(4, get(6, obj))
	if v := d.reply(6).GetGet().GetValues(); len(v) != 1 || !bytes.Equal(v[0].Metadata, []byte("RAW")) {
		t.Errorf("%v", v)
	}
}

// A handle whose maker was interrupted counts only if its call came.
func TestUnsureHandles(t *testing.T) {
	k := newKit(t)
	d := k.driver()
	came, never := taskID(k, 1).Put(0, 1), taskID(k, 2).Put(0, 1)
	actor := ids.NilActor(k.core.Job)
	d.mutate(1, put(came),
		&pb.Mutation{Kind: &pb.Mutation_Refs{Refs: &pb.Refs{Unsure: ids.JoinObjects([]ids.ObjectID{came, never, came})}}},
		&pb.Mutation{Kind: &pb.Mutation_ActorHandles{ActorHandles: &pb.ActorHandles{Unsure: actor.Bytes()}}})
	d.sync(1, 3)
	if c := k.counts(); c.Objects != 0 {
		t.Errorf("%+v", c)
	}
}

// The answer with an actor gives a handle. One that is given up is gone, and with it the actor that nobody else refers to.
func TestGiveUpOfAnActor(t *testing.T) {
	k := newKit(t)
	d := k.numbered(7)
	actor := ids.NilActor(k.core.Job)
	actor[0] = 1
	register := func(id uint64) *pb.Request {
		spec := &pb.TaskSpec{Type: pb.TaskType_ACTOR_CREATION_TASK, TaskId: actor.CreationTask().Bytes(), ActorId: actor.Bytes(),
			FunctionId: make([]byte, 28), Actor: &pb.ActorCreation{Name: "n"}}
		return &pb.Request{Id: id, Kind: &pb.Request_RegisterActor{RegisterActor: &pb.RegisterActor{Spec: spec, GetIfExists: true}}}
	}
	unused := func() (is bool) {
		k.core.Do(func() {
			rows, _ := k.core.ActorsNow(1)
			is = rows[0].OfNoUse
		})
		return is
	}
	lookup := &pb.Request{Id: 2, Kind: &pb.Request_LookupActor{LookupActor: &pb.LookupActor{Name: "n"}}}
	drop := &pb.Mutation{Kind: &pb.Mutation_ActorHandles{ActorHandles: &pb.ActorHandles{Dropped: actor.Bytes()}}}
	d.ask(0, register(1))
	d.reply(1)
	d.ask(0, lookup)
	d.reply(2)
	d.mutate(1, giveUp(7, 2), giveUp(7, 1)) // the first one was taken, for another was asked for after it
	d.sync(3, 2)
	if unused() {
		t.Error("the handle that was taken is gone")
	}
	d.ask(2, register(4))
	d.reply(4)
	d.mutate(3, drop, giveUp(7, 4))
	d.sync(5, 4)
	if !unused() {
		t.Error("a handle is left of an answer that was given up")
	}
	d.ask(4, register(6)) // it is still being created: asked again, it is in use again
	if r := d.reply(6).GetActor(); !r.GetCreated() || unused() {
		t.Errorf("%v, out of use: %v", r, unused())
	}
	d.mutate(5, drop)
	d.sync(7, 5)
	if !unused() {
		t.Error("a handle is left")
	}
}
