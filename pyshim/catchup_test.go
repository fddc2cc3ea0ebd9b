package pyshim

import (
	"bytes"
	"context"
	"sync/atomic"
	"testing"

	"golang.org/x/net/http2"

	"github.com/mobula/mobula/coreworker/ids"
	pb "github.com/mobula/mobula/proto/boundary"
)

func cancel(object ids.ObjectID) *pb.Mutation {
	return &pb.Mutation{Kind: &pb.Mutation_Cancel{Cancel: &pb.Cancel{ObjectId: object.Bytes()}}}
}

// announce does what the driver does before it writes a cancel.
func (k *kit) announce(number uint64) { atomic.StoreUint64(&k.page.words[asked], number) }

// held has the loop wait for the core's lock, with one message in its hand, while fn runs.
func (k *kit) held(fn func()) {
	k.t.Helper()
	other := k.driver()
	k.core.Do(func() {
		other.ask(0, &pb.Request{Id: 1, Kind: &pb.Request_Sync{Sync: &pb.Sync{}}})
		fn()
	})
	other.reply(1)
}

// bytesOf is a message as it lies on the wire.
func bytesOf(t testing.TB, m *pb.FromShim) []byte {
	t.Helper()
	var wire bytes.Buffer
	if err := (&oneStream{framer: http2.NewFramer(&wire, nil)}).Send(m); err != nil {
		t.Fatal(err)
	}
	return wire.Bytes()
}

// What a worker says finds the cancel that it may know of, although the loop comes to the worker's line first.
func TestACancelIsReadBeforeWhatComesAfterIt(t *testing.T) {
	if !carriedDirectly {
		t.Skip("the driver waits for its cancels")
	}
	k := newKit(t)
	d := k.driver()
	once := submit(k, 1)
	once.GetSubmit().MaxRetries = 1
	d.mutate(1, once)
	p, w := k.worker()
	run := w.run()
	p.TakeTickets()
	failed := done(run, pb.Outcome_OUTCOME_ERROR)
	failed.GetDone().Error, failed.GetDone().Retryable = &pb.Value{Metadata: []byte("3")}, true
	said := bytesOf(t, &pb.FromShim{FirstMutation: 1, Mutations: []*pb.Mutation{failed}})
	obj := taskID(k, 1).Return(1)
	line := w.stream.(*oneStream).conn
	k.held(func() {
		// Half of it is there before the cancel: so the worker's line is ready before the driver's.
		if _, err := line.Write(said[:len(said)/2]); err != nil {
			t.Error(err)
		}
		k.announce(2)
		d.mutate(2, cancel(obj))
		if _, err := line.Write(said[len(said)/2:]); err != nil {
			t.Error(err)
		}
	})
	d.send(&pb.FromShim{After: 2, Request: get(3, obj)})
	if v := d.reply(3).GetGet().GetValues(); len(v) != 1 || string(v[0].Metadata) != "3" {
		t.Errorf("%v: it was tried again, so it was not canceled yet", v)
	}
	if k.page.behind() || p.was("interrupt") != 1 {
		t.Error("the cancel was not heard")
	}
}

// The same where the worker's end tells, or somebody looks.
func TestACancelIsReadBeforeADeath(t *testing.T) {
	if !carriedDirectly {
		t.Skip("the driver waits for its cancels")
	}
	for name, tell := range map[string]func(*kit, *proc){
		"death": func(k *kit, p *proc) { k.server.HearOut(p.id, 0) },
		"look": func(k *kit, _ *proc) {
			if _, err := k.server.Inspect(context.Background(), &pb.InspectRequest{}); err != nil {
				t.Error(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			k := newKit(t)
			d := k.driver()
			d.mutate(1, submit(k, 1))
			p, w := k.worker()
			w.run()
			p.TakeTickets()
			told := make(chan struct{})
			k.held(func() {
				k.announce(2)
				go func() { // waits for the loop, which is held
					tell(k, p)
					close(told)
				}()
				d.mutate(2, cancel(taskID(k, 1).Return(1)))
			})
			<-told
			if p.was("interrupt") != 1 {
				t.Error("the cancel was not heard")
			}
		})
	}
}

// A number that no driver's lane brings holds nobody up: the lane was lost, and the driver will send it again.
func TestACancelThatIsLost(t *testing.T) {
	k := newKit(t)
	d := k.driver()
	d.mutate(1, submit(k, 1))
	p, w := k.worker()
	run := w.run()
	p.TakeTickets()
	k.announce(2)
	w.mutate(1, done(run, pb.Outcome_OUTCOME_OK))
	w.sync(1, 1)
	if !k.page.behind() {
		t.Error("nobody has said anything of mutation 2")
	}
	d.mutate(2, cancel(taskID(k, 1).Return(1)))
	d.sync(1, 2)
	if k.page.behind() {
		t.Error("mutation 2 was applied")
	}
}
