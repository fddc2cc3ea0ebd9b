package pyshim

import (
	"bytes"
	"testing"

	pb "github.com/mobula/mobula/proto/boundary"
)

// submitTelling sends submissions of which the last one's outcome is to come unasked.
func (s *shim) submitTelling(first uint64, list ...*pb.Mutation) {
	s.t.Helper()
	s.send(&pb.FromShim{FirstMutation: first, Mutations: list, Ahead: true})
}

func (s *shim) ahead() *pb.ToShim {
	s.t.Helper()
	return s.until(func(m *pb.ToShim) bool { return m.Ahead != nil })
}

// The outcome of the last submission of a message comes by itself, with an ack; that of others does not.
func TestAnOutcomeSentAhead(t *testing.T) {
	k := newKit(t)
	d := k.driver()
	d.mutate(1, submit(k, 1))
	_, w := k.worker()
	w.mutate(1, done(w.run(), pb.Outcome_OUTCOME_OK))
	w.sync(1, 1) // else the second could be behind the first, and both be taken back from a worker that draws no tickets
	d.submitTelling(2, put(taskID(k, 9).Put(0, 1)), submit(k, 2))
	w.mutate(2, done(w.run(), pb.Outcome_OUTCOME_OK))
	m := d.ahead()
	if id := taskID(k, 2).Return(1); !bytes.Equal(m.Ahead.ObjectId, id.Bytes()) || string(m.Ahead.Value.GetData()) != "v" || m.Applied != 3 {
		t.Errorf("%v", m)
	}
	d.ask(3, get(1, taskID(k, 1).Return(1), taskID(k, 2).Return(1)))
	if v := d.reply(1).GetGet().GetValues(); len(v) != 2 {
		t.Errorf("%v", v)
	}
	for _, m := range d.left {
		if m.Ahead != nil {
			t.Errorf("unasked: %v", m)
		}
	}
}

// What ends a task in another way than by a value is an outcome, too; it comes once.
func TestACancelIsSentAhead(t *testing.T) {
	k := newKit(t)
	d := k.driver()
	d.submitTelling(1, submit(k, 1))
	object := taskID(k, 1).Return(1)
	cancel := &pb.Mutation{Kind: &pb.Mutation_Cancel{Cancel: &pb.Cancel{ObjectId: object.Bytes()}}}
	d.mutate(2, cancel, cancel)
	if m := d.ahead(); !bytes.Equal(m.Ahead.ObjectId, object.Bytes()) || len(m.Ahead.Value.GetMetadata()) == 0 {
		t.Errorf("%v", m)
	}
	d.sync(1, 3)
	for _, m := range d.left {
		if m.Ahead != nil {
			t.Errorf("a second time: %v", m)
		}
	}
}

// The barrier behind a cancel brings the outcome of what the cancel has ended, and of nothing else.
func TestABarrierBringsAnError(t *testing.T) {
	k := newKit(t)
	d := k.driver()
	d.mutate(1, submit(k, 1), submit(k, 2))
	canceled, pending := taskID(k, 1).Return(1), taskID(k, 2).Return(1)
	d.mutate(3, &pb.Mutation{Kind: &pb.Mutation_Cancel{Cancel: &pb.Cancel{ObjectId: canceled.Bytes()}}})
	sync := func(id uint64, objects []byte) *pb.Reply {
		d.ask(3, &pb.Request{Id: id, Kind: &pb.Request_Sync{Sync: &pb.Sync{ObjectIds: objects}}})
		return d.reply(id)
	}
	got := sync(1, append(canceled.Bytes(), pending.Bytes()...)).GetGet()
	if len(got.Values) != 2 || string(got.Values[0].Metadata) != "5" || len(got.Values[1].Metadata) != 0 {
		t.Errorf("%v", got)
	}
	if r := sync(2, nil); r.Kind != nil || r.Error != "" {
		t.Errorf("%v", r)
	}
}

// A value in the arena is not sent: a pin would belong to nobody. Nor is one that nobody refers to any more.
func TestWhatCannotBeSentAhead(t *testing.T) {
	k := newKit(t)
	d := k.driver()
	d.submitTelling(1, submit(k, 1))
	_, w := k.worker()
	run := w.run()
	w.ask(0, allocate(1))
	large := done(run, pb.Outcome_OUTCOME_OK)
	large.GetDone().Returns = []*pb.Value{{Block: &pb.Block{Id: w.reply(1).GetAllocate().Id}, Metadata: []byte("RAW")}}
	w.mutate(1, large)
	if m := d.ahead(); m.Ahead.Value != nil {
		t.Errorf("%v", m)
	}
	if c := k.counts(); c.Pins != 0 || c.Blocks != 1 {
		t.Errorf("%+v", c)
	}
	d.submitTelling(2, submit(k, 2))
	d.mutate(3, drop(taskID(k, 2).Return(1)))
	d.sync(2, 3)
	w.mutate(2, done(w.run(), pb.Outcome_OUTCOME_OK))
	if m := d.ahead(); m.Ahead.Value != nil {
		t.Errorf("%v", m)
	}
}

// A lane that has ended is not sent to, and nothing is kept for it.
func TestALaneEndsBeforeItsOutcome(t *testing.T) {
	k := newKit(t)
	other, d := k.driver(), k.driver()
	d.submitTelling(1, submit(k, 1))
	_, w := k.worker()
	run := w.run()
	before := k.lanes()
	d.hangUp()
	k.eventually("its lane is gone", func() bool { return k.lanes() < before })
	w.mutate(1, done(run, pb.Outcome_OUTCOME_OK))
	other.ask(1, get(1, taskID(k, 1).Return(1)))
	if v := other.reply(1).GetGet().GetValues(); len(v) != 1 {
		t.Errorf("%v", v)
	}
}

// What makes no sense ends the lane.
func TestNothingToBeSentAhead(t *testing.T) {
	two := func(k *kit) *pb.Mutation {
		m := submit(k, 1)
		m.GetSubmit().NumReturns = 2
		return m
	}
	for name, bad := range map[string]func(k *kit) *pb.FromShim{
		"nothing":     func(*kit) *pb.FromShim { return &pb.FromShim{Ahead: true} },
		"a put":       func(k *kit) *pb.FromShim { return message(put(taskID(k, 1).Put(0, 1))) },
		"two returns": func(k *kit) *pb.FromShim { return message(two(k)) },
		"no id": func(*kit) *pb.FromShim {
			return message(&pb.Mutation{Kind: &pb.Mutation_Submit{Submit: &pb.TaskSpec{}}})
		},
	} {
		t.Run(name, func(t *testing.T) {
			k := newKit(t)
			d := k.driver()
			d.send(bad(k))
			for {
				if _, err := d.stream.Recv(); err != nil {
					break
				}
			}
			k.driver().sync(1, 0) // nobody else notices
		})
	}
}

func message(m *pb.Mutation) *pb.FromShim {
	return &pb.FromShim{FirstMutation: 1, Mutations: []*pb.Mutation{m}, Ahead: true}
}
