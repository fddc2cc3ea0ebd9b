package ids_test

import (
	"bytes"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/mobula/mobula/coreworker/ids"
)

var job = ids.JobFromInt(1)

func TestRayLayout(t *testing.T) {
	if got, want := job.String(), "01000000"; got != want {
		t.Errorf("job 1 is %s, want %s", got, want)
	}
	if got, want := ids.DriverTask(job).String(), strings.Repeat("ff", 20)+"01000000"; got != want {
		t.Errorf("driver task %s, want %s", got, want)
	}
	if got, want := ids.DriverWorker(job).String(), "01000000"+strings.Repeat("ff", 24); got != want {
		t.Errorf("driver worker %s, want %s", got, want)
	}
	// Ray's driver ends its first put in 01 e1 f5 05.
	if got, want := ids.DriverTask(job).Put(0, 1).String(), "00"+strings.Repeat("ff", 19)+"01000000"+"01e1f505"; got != want {
		t.Errorf("first put %s, want %s", got, want)
	}
	actor := ids.NewActorID(job)
	if got, want := actor.Handle().String(), strings.Repeat("ff", 8)+actor.String()+"01000000"; got != want {
		t.Errorf("actor handle %s, want %s", got, want)
	}
}

func TestKindsOfTasks(t *testing.T) {
	actor := ids.NewActorID(job)
	for _, c := range []struct {
		name                      string
		task                      ids.TaskID
		driver, creation, ofActor bool
	}{
		{"driver", ids.DriverTask(job), true, false, false},
		{"normal", ids.NewTaskID(job), false, false, false},
		{"creation", actor.CreationTask(), false, true, false},
		{"method", ids.NewActorTaskID(actor), false, false, true},
	} {
		if c.task.IsDriverTask() != c.driver || c.task.IsActorCreation() != c.creation || c.task.IsActorTask() != c.ofActor {
			t.Errorf("%s: driver %t, creation %t, actor task %t", c.name, c.task.IsDriverTask(), c.task.IsActorCreation(), c.task.IsActorTask())
		}
		if c.task.Job() != job || c.task.Actor().Job() != job || c.task.Job().Int() != 1 {
			t.Errorf("%s: job %s", c.name, c.task.Job())
		}
		if c.task.Actor().IsNone() == (c.creation || c.ofActor) {
			t.Errorf("%s: actor %s", c.name, c.task.Actor())
		}
	}
}

func TestObjects(t *testing.T) {
	task := ids.NewTaskID(job)
	ret := task.Return(3)
	if ret.Task() != task || ret.Index() != 3 || ret.IsPut() || ret.Job() != job {
		t.Errorf("return 3 of %s is %s", task, ret)
	}
	first, again := task.Put(0, 7), task.Put(1, 7)
	if !first.IsPut() || first.Index() != ids.PutIndexBase+7 || first == again {
		t.Errorf("put 7: %s, in the second attempt %s", first, again)
	}
	if first.Task().Actor() != task.Actor() {
		t.Errorf("put of %s belongs to %s", task.Actor(), first.Task().Actor())
	}
}

func TestNil(t *testing.T) {
	if !(ids.TaskID{}).IsNil() || !(ids.JobID{}).IsNil() || ids.NewTaskID(job).IsNil() || job.IsNil() {
		t.Error("zero ids are nil, others are not")
	}
	ff := bytes.Repeat([]byte{0xFF}, 28)
	object, _ := ids.Object(ff)
	worker, _ := ids.Worker(ff)
	node, _ := ids.Node(ff)
	function, _ := ids.Function(ff)
	actor, _ := ids.Actor(ff[:16])
	if !object.IsNil() || !worker.IsNil() || !node.IsNil() || !function.IsNil() || !actor.IsNil() {
		t.Error("Ray's nil is all 0xFF")
	}
	if ids.DriverWorker(job).IsNil() || ids.NilActor(job).IsNil() {
		t.Error("no actor of a job is not nil: it names the job")
	}
}

func TestLengthsAreNamed(t *testing.T) {
	for _, c := range []struct {
		err  func([]byte) error
		want string
	}{
		{func(b []byte) error { _, err := ids.Job(b); return err }, "job id: want 4 bytes, got 5"},
		{func(b []byte) error { _, err := ids.Actor(b); return err }, "actor id: want 16 bytes, got 5"},
		{func(b []byte) error { _, err := ids.Task(b); return err }, "task id: want 24 bytes, got 5"},
		{func(b []byte) error { _, err := ids.Object(b); return err }, "object id: want 28 bytes, got 5"},
		{func(b []byte) error { _, err := ids.Worker(b); return err }, "worker id: want 28 bytes, got 5"},
		{func(b []byte) error { _, err := ids.Node(b); return err }, "node id: want 28 bytes, got 5"},
		{func(b []byte) error { _, err := ids.Function(b); return err }, "function id: want 28 bytes, got 5"},
		{func(b []byte) error { _, err := ids.Objects(b); return err }, "object ids: want a multiple of 28 bytes, got 5 (5 left over)"},
		{func(b []byte) error { _, err := ids.Actors(b); return err }, "actor ids: want a multiple of 16 bytes, got 5 (5 left over)"},
	} {
		if err := c.err(make([]byte, 5)); err == nil || err.Error() != c.want {
			t.Errorf("got %v, want %s", err, c.want)
		}
	}
}

func TestBytesAreACopy(t *testing.T) {
	task := ids.NewTaskID(job)
	b := task.Bytes()
	again, err := ids.Task(b)
	if err != nil || again != task {
		t.Fatalf("%s came back as %s, %v", task, again, err)
	}
	b[0]++
	if again != task {
		t.Fatal("the id shares memory with its bytes")
	}
}

func TestRandomIDsDiffer(t *testing.T) {
	worker, node, function := ids.NewWorkerID(), ids.NewNodeID(), ids.NewFunctionID()
	if worker == ids.NewWorkerID() || node == ids.NewNodeID() || function == ids.NewFunctionID() {
		t.Error("the same twice")
	}
}

func TestDerivationsReverse(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		raw := rapid.SliceOfN(rapid.Byte(), ids.ActorLen, ids.ActorLen).Draw(t, "actor")
		index := rapid.Uint32().Draw(t, "index")
		actor, err := ids.Actor(raw)
		if err != nil {
			t.Fatal(err)
		}
		task := ids.NewActorTaskID(actor)
		if o := task.Return(index); o.Task() != task || o.Index() != index || o.Task().Actor() != actor || o.Job() != actor.Job() {
			t.Fatalf("return %d of %s is %s", index, task, o)
		}
		if actor.CreationTask().Actor() != actor {
			t.Fatalf("creation of %s belongs to %s", actor, actor.CreationTask().Actor())
		}
	})
}

func FuzzLists(f *testing.F) {
	f.Add([]byte{})
	f.Add(make([]byte, 28*16))
	f.Add(make([]byte, 29))
	f.Fuzz(func(t *testing.T, b []byte) {
		objects, err := ids.Objects(b)
		if (err == nil) != (len(b)%ids.ObjectLen == 0) || err == nil && !bytes.Equal(ids.JoinObjects(objects), b) {
			t.Fatalf("objects of %x: %v, %v", b, objects, err)
		}
		actors, err := ids.Actors(b)
		if (err == nil) != (len(b)%ids.ActorLen == 0) || err == nil && !bytes.Equal(ids.JoinActors(actors), b) {
			t.Fatalf("actors of %x: %v, %v", b, actors, err)
		}
	})
}
