package coreworker

import (
	"testing"

	"github.com/mobula/mobula/coreworker/ids"
	"github.com/mobula/mobula/coreworker/objects"
	"github.com/mobula/mobula/coreworker/peer"
	"github.com/mobula/mobula/coreworker/sched"
	"github.com/mobula/mobula/coreworker/task"
)

// streamWorld is a driver with one streaming task under way; its items are told by the driver's own process, for a
// stream does not care who runs its task.
type streamWorld struct {
	*world
	t  *testing.T
	id ids.TaskID
}

func newStreamWorld(t *testing.T, limit int) *streamWorld {
	w := &streamWorld{world: newWorld(t), t: t}
	w.start(1, 0)
	t.Cleanup(func() {
		if len(w.reported) > 0 {
			t.Errorf("the core reported %v", w.reported)
		}
	})
	w.id = ids.NewTaskID(w.job)
	w.driver.Submit(&task.Spec{Type: task.Normal, ID: w.id, Parent: ids.DriverTask(w.job), NumReturns: 1,
		Resources: sched.CPUs(1), Streaming: true, Backpressure: limit})
	return w
}

func (w *streamWorld) generator() ids.ObjectID { return w.id.Return(1) }

func (w *streamWorld) yield(index int, text string) {
	w.driver.Item(w.id, index, objects.Value{Data: []byte(text), Metadata: []byte("RAW")})
}

func (w *streamWorld) ask(index int) *Items {
	var got *Items
	w.core.NextItems(Asker{Process: w.driver}, w.id.Return(uint32(index+2)), 10, 0, false, func(i Items) { got = &i })
	return got
}

func (w *streamWorld) settle(v task.Verdict, r peer.Reply) {
	w.core.Settle(w.core.tasks.Get(w.id), v, r)
}

func TestItemsAreToldAheadAndThenTheEnd(t *testing.T) {
	w := newStreamWorld(t, 0)
	var early *Items
	w.core.NextItems(Asker{Process: w.driver}, w.id.Return(2), 10, 0, false, func(i Items) { early = &i })
	if early != nil {
		t.Fatalf("answered before there was an item: %+v", early)
	}
	w.yield(0, "a")
	if early == nil || len(early.Values) != 1 || string(early.Values[0].Data) != "a" {
		t.Fatalf("the first item brought %+v", early)
	}
	w.yield(1, "b")
	w.yield(2, "c")
	if got := w.ask(1); got == nil || len(got.Values) != 2 || got.Ended {
		t.Fatalf("from item 1 on there is %+v", got)
	}
	w.settle(task.Complete, peer.Reply{Returns: []objects.Value{{Data: []byte("none")}}})
	if got := w.ask(3); got == nil || !got.Ended || got.Failed {
		t.Fatalf("after the last item there is %+v", got)
	}
}

func TestItemsOfAnEarlierAttemptStay(t *testing.T) {
	w := newStreamWorld(t, 0)
	w.yield(0, "a")
	w.yield(1, "b")
	for i, text := range []string{"a again", "b again", "c"} { // the second attempt
		w.yield(i, text)
	}
	got := w.ask(0)
	if got == nil || len(got.Values) != 3 || string(got.Values[0].Data) != "a" || string(got.Values[2].Data) != "c" {
		t.Fatalf("the stream has %+v", got)
	}
}

func TestAFailureOfTheTaskIsToldAfterTheItems(t *testing.T) {
	w := newStreamWorld(t, 0)
	w.yield(0, "a")
	w.settle(task.FailCancel, peer.Reply{End: task.Stopped})
	w.yield(1, "too late")
	if got := w.ask(0); got == nil || len(got.Values) != 1 {
		t.Fatalf("what was yielded before the cancel: %+v", got)
	}
	if got := w.ask(1); got == nil || !got.Ended || !got.Failed {
		t.Fatalf("after it: %+v", got)
	}
}

func TestADroppedStreamKeepsWhatWasTakenOnly(t *testing.T) {
	w := newStreamWorld(t, 0)
	before := w.core.store.Len()
	for i := range 4 {
		w.yield(i, "x")
	}
	w.driver.DropStream(w.generator(), 1)
	w.yield(4, "nobody reads it")
	if _, there := w.core.store.Get(w.id.Return(2)); !there {
		t.Error("the item that was taken is gone")
	}
	if got, want := w.core.store.Len(), before; got != want { // the taken item stands where the expected one stood
		t.Errorf("the store has %d objects, want %d", got, want)
	}
	w.driver.Refs(nil, []ids.ObjectID{w.id.Return(2), w.generator()})
	w.settle(task.Complete, peer.Reply{Returns: []objects.Value{{Data: []byte("none")}}})
	if n := w.core.store.Len(); n != 0 {
		t.Errorf("%d objects are left", n)
	}
}

func TestAProducerIsHeldBackAtItsLimit(t *testing.T) {
	w := newStreamWorld(t, 2)
	answers := []bool{}
	demand := func(produced int) {
		w.core.Demand(Asker{Process: w.driver}, w.generator(), produced, func(canceled bool) { answers = append(answers, canceled) })
	}
	w.yield(0, "a")
	demand(1)
	if len(answers) != 1 {
		t.Fatal("held back below its limit")
	}
	w.yield(1, "b")
	demand(2)
	if len(answers) != 1 {
		t.Fatal("not held back at its limit")
	}
	w.driver.Taken(w.generator(), 1)
	if len(answers) != 2 || answers[1] {
		t.Fatalf("an item was taken, and the answers are %v", answers)
	}
	w.yield(2, "c")
	demand(3)
	w.driver.DropStream(w.generator(), 1)
	if len(answers) != 3 {
		t.Fatal("nobody reads the stream, and the producer waits on")
	}
}

func TestACanceledProducerIsNotHeldBack(t *testing.T) {
	w := newStreamWorld(t, 1)
	w.yield(0, "a")
	var got *bool
	w.core.Demand(Asker{Process: w.driver, Task: w.id, HasTask: true}, w.generator(), 1, func(canceled bool) { got = &canceled })
	w.driver.Wake(w.id)
	if got == nil || !*got {
		t.Fatal("the wait for demand did not end as canceled")
	}
	w.driver.Taken(w.generator(), 1) // what was answered must not be answered again
}

func TestTheStreamsOfAProcessGoWithIt(t *testing.T) {
	w := newStreamWorld(t, 1)
	w.yield(0, "a")
	w.core.removeProcess(w.driver, "it ended")
	if len(w.core.streams) != 0 || w.core.store.Len() != 0 {
		t.Errorf("%d streams and %d objects are left", len(w.core.streams), w.core.store.Len())
	}
}
