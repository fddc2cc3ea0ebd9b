package coreworker

import (
	"testing"

	"github.com/mobula/mobula/coreworker/ids"
)

// What the state machines allocate for an operation, at most: a count does not depend on who else uses the machine. Who makes one
// smaller lowers the figure here; who makes one larger says in the commit what it buys.
func TestAllocationsOfTheHotPaths(t *testing.T) {
	const rounds = 2000
	count := func(name string, most float64, fn func()) {
		t.Helper()
		fn()
		if n := testing.AllocsPerRun(rounds, fn); n > 1.05*most {
			t.Errorf("%s: %g allocations, and it was %g", name, n, most)
		}
	}
	m := newMill(t)
	none := ids.NilActor(m.core.Job)
	m.submit(m.task(none))
	m.attach()
	m.work()
	count("a task, its run and its get", 38, func() {
		obj := m.submit(m.task(none))
		if m.work() != 1 || m.get(obj) != 1 {
			t.Fatal("it did not run")
		}
	})
	called := newMill(t)
	actor := called.actor()
	count("a method, its run and its get", 24, func() {
		obj := called.submit(called.task(actor))
		if called.work() != 1 || called.get(obj) != 1 {
			t.Fatal("it did not run")
		}
	})
	queued := newMill(t)
	queued.submit(queued.task(none)) // whose worker never comes
	count("a queued task and its cancel", 37, func() {
		obj := queued.submit(queued.task(none))
		queued.core.Do(func() { queued.core.Cancel(obj, false, true) })
		if queued.get(obj) != 1 {
			t.Fatal("not canceled")
		}
	})
}
