package remote_test

import (
	"context"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/vmihailenco/msgpack/v5"

	"github.com/mobula/mobula/coreworker/cluster/wire"
	"github.com/mobula/mobula/coreworker/ids"
	"github.com/mobula/mobula/coreworker/objects"
	"github.com/mobula/mobula/coreworker/submit"
	"github.com/mobula/mobula/coreworker/task"
	"github.com/mobula/mobula/proto/ray"
)

var counter = wire.Function{Module: "__main__", Class: "Counter", Name: "__init__", Hash: "1"}

// owner is what a driver has to serve for its actors to live.
type owner struct {
	ray.UnimplementedCoreWorkerServiceServer
	d *driver
}

func (o owner) WaitForActorRefDeleted(ctx context.Context, r *ray.WaitForActorRefDeletedRequest) (*ray.WaitForActorRefDeletedReply, error) {
	id, err := ids.Actor(r.ActorId)
	if err != nil {
		return nil, err
	}
	return &ray.WaitForActorRefDeletedReply{}, o.d.actors.WaitForRefDeleted(ctx, id)
}

// make makes a Counter that starts at 0.
func (d *driver) make(restarts, retries, concurrency int) (ids.ActorID, chan outcome) {
	id := ids.NewActorID(d.job)
	s := &task.Spec{Type: task.ActorCreation, ID: id.CreationTask(), Actor: id, Function: counter.ID(), MaxRetries: retries,
		Args: []task.Arg{{Value: plain(d.t, 0)}}, Creation: &task.Creation{MaxRestarts: restarts, MaxConcurrency: concurrency, ClassName: "Counter",
			Namespace: "remote-test", MaxPendingCalls: -1, OutOfOrder: concurrency > 1}}
	done := make(chan outcome, 1)
	d.Do(func() {
		d.done[s.ID] = done
		e, _ := d.tasks.Add(s, ids.DriverWorker(d.job))
		d.queues[id] = submit.NewActor(d, d.actors.Directory(), id)
		if err := d.actors.Directory().Register(e); err != nil {
			d.t.Error(err)
		}
		d.actors.Directory().Create(id, nil)
	})
	return id, done
}

func (d *driver) call(id ids.ActorID, method string, retries int, args ...objects.Value) (*task.Entry, chan outcome) {
	s := &task.Spec{Type: task.ActorMethod, ID: ids.NewActorTaskID(id), Actor: id, Name: "Counter." + method, Method: method, NumReturns: 1, MaxRetries: retries}
	for _, v := range args {
		s.Args = append(s.Args, task.Arg{Value: v})
	}
	done := make(chan outcome, 1)
	var e *task.Entry
	d.Do(func() {
		d.done[s.ID] = done
		e, _ = d.tasks.Add(s, ids.DriverWorker(d.job))
		d.queues[id].Submit(e)
	})
	return e, done
}

func (d *driver) number(done chan outcome) int {
	d.t.Helper()
	o := d.wait(done)
	if o.verdict != task.Complete {
		d.t.Fatalf("%s %+v", o.verdict, o.reply)
	}
	var n int
	check(d.t, msgpack.Unmarshal(o.reply.Returns[0].Data[9:], &n))
	return n
}

// TestActors calls an actor in order, kills its process, calls on, cancels, and lets it go.
func TestActors(t *testing.T) {
	d := join(t)
	id, made := d.make(1, -1, 1)
	var all []chan outcome
	for range 30 { // before it lives: they wait, and keep their order
		_, done := d.call(id, "inc", 0)
		all = append(all, done)
	}
	for i, done := range all {
		if got := d.number(done); got != i+1 {
			t.Errorf("call %d returned %d", i+1, got)
		}
	}
	if o := d.wait(made); o.verdict != task.Complete {
		t.Errorf("its creation: %s %+v", o.verdict, o.reply)
	}

	_, died := d.call(id, "die", 0)
	_, again := d.call(id, "inc", -1)
	if o := d.wait(died); o.verdict != task.FailDead {
		t.Errorf("the call that ended the process: %s %+v", o.verdict, o.reply)
	}
	if got := d.number(again); got != 1 {
		t.Errorf("a call that is tried again finds the actor at %d, made anew", got)
	}
	_, after := d.call(id, "inc", 0)
	if got := d.number(after); got != 2 {
		t.Errorf("the numbers of calls begin anew too: %d", got)
	}

	path := t.TempDir() + "/began"
	e, canceled := d.call(id, "canceled", 0, plain(t, path))
	await(t, path)
	d.Do(func() {
		e.Canceled = true
		d.queues[id].Cancel(e, true)
	})
	if o := d.wait(canceled); o.verdict != task.FailCancel {
		t.Errorf("a call whose method saw is_canceled() and returned: %s %+v", o.verdict, o.reply)
	}
	_, kept := d.call(id, "inc", 0)
	if got := d.number(kept); got != 1003 {
		t.Errorf("the state that the canceled method left is %d", got)
	}

	d.Do(func() { d.actors.Directory().Kill(id, true) })
	for { // until the cluster has told: what is on its way before may still be run
		_, done := d.call(id, "inc", 0)
		if o := d.wait(done); o.verdict == task.FailDead {
			if kind, _ := objects.Metadata(o.reply.Error.Metadata); o.reply.Error.Metadata != nil && kind != objects.ActorDiedType {
				t.Errorf("a killed actor's call: %+v", o.reply)
			}
			break
		}
	}

	other, made := d.make(0, 0, 1)
	if o := d.wait(made); o.verdict != task.Complete {
		t.Fatalf("%s %+v", o.verdict, o.reply)
	}
	d.Do(func() { d.actors.Directory().OutOfScope(other) })
	d.dead(other)
}

// dead waits until the cluster has told that the actor is dead.
func (d *driver) dead(id ids.ActorID) {
	d.t.Helper()
	for until := time.Now().Add(patience); ; time.Sleep(5 * time.Millisecond) {
		state := submit.Pending
		d.Do(func() { target, _ := d.actors.Directory().Target(id); state = target.State })
		if state == submit.Dead {
			return
		}
		if time.Now().After(until) {
			d.t.Fatalf("it is %s", state)
		}
	}
}

func await(t *testing.T, path string) {
	t.Helper()
	for until := time.Now().Add(patience); ; time.Sleep(5 * time.Millisecond) {
		if _, err := os.Stat(path); err == nil {
			return
		}
		if time.Now().After(until) {
			t.Fatal(fmt.Errorf("%s is not there: the task does not run", path))
		}
	}
}
