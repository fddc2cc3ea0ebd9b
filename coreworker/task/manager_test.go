package task_test

import (
	"testing"

	"github.com/mobula/mobula/coreworker/ids"
	"github.com/mobula/mobula/coreworker/task"
)

func spec(n byte, parent ids.TaskID) *task.Spec {
	return &task.Spec{ID: ids.TaskID{n}, Parent: parent, NumReturns: 1}
}

func TestManagerKnowsEachTaskOnce(t *testing.T) {
	m := task.NewManager()
	driver := ids.DriverTask(ids.JobFromInt(1))
	first, fresh := m.Add(spec(1, driver), ids.WorkerID{})
	if !fresh {
		t.Error("a new task was known")
	}
	if again, fresh := m.Add(spec(1, driver), ids.WorkerID{}); fresh || again != first {
		t.Error("the same id made a second entry")
	}
	m.Finish(first.Spec.ID)
	m.Finish(first.Spec.ID) // a second outcome changes nothing
	if m.Len() != 0 || m.Get(first.Spec.ID) != nil {
		t.Error("a finished task is still there")
	}
	if submitted, outcomes := m.Totals(); submitted != 1 || outcomes != 2 {
		t.Errorf("%d submitted, %d outcomes; the second one has to be seen", submitted, outcomes)
	}
	if err := m.Validate(); err != nil {
		t.Error(err)
	}
}

// Children come newest first: a recursive cancel reaches an actor's calls before the actor.
func TestChildrenNewestFirst(t *testing.T) {
	m := task.NewManager()
	parent := ids.TaskID{9}
	for n := byte(1); n <= 4; n++ {
		m.Add(spec(n, parent), ids.WorkerID{})
	}
	m.Add(spec(5, ids.TaskID{8}), ids.WorkerID{})
	m.Finish(ids.TaskID{2})
	var got []byte
	for _, e := range m.Children(parent) {
		got = append(got, e.Spec.ID[0])
	}
	if string(got) != "\x04\x03\x01" {
		t.Errorf("children %v", got)
	}
	if err := m.Validate(); err != nil {
		t.Error(err)
	}
}

func TestSpecNamesItsReturnsAndUses(t *testing.T) {
	s := spec(1, ids.TaskID{})
	s.NumReturns = 2
	ref, inside := ids.ObjectID{7}, ids.ObjectID{8}
	s.Args = []task.Arg{{IsRef: true, Ref: ref}, {}}
	s.Args[1].Value.Contained = []ids.ObjectID{inside}
	var returns, uses []ids.ObjectID
	s.Returns(func(id ids.ObjectID) { returns = append(returns, id) })
	s.Uses(func(id ids.ObjectID) { uses = append(uses, id) })
	if len(returns) != 2 || returns[0] != s.ID.Return(1) || returns[1] != s.ID.Return(2) {
		t.Errorf("returns %v", returns)
	}
	if len(uses) != 2 || uses[0] != ref || uses[1] != inside {
		t.Errorf("uses %v", uses)
	}
}
