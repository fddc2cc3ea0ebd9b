package coreworker

import (
	"encoding/binary"
	"fmt"
	"testing"
	"time"

	"github.com/mobula/mobula/coreworker/embedded"
	"github.com/mobula/mobula/coreworker/execute"
	"github.com/mobula/mobula/coreworker/ids"
	"github.com/mobula/mobula/coreworker/objects"
	"github.com/mobula/mobula/coreworker/peer"
	"github.com/mobula/mobula/coreworker/sched"
	"github.com/mobula/mobula/coreworker/task"
)

// mill is a core whose workers run everything at once: what is measured is the core alone, without lanes and messages.
type mill struct {
	core    *Core
	driver  *Process
	n       uint64
	sent    []*execute.Run
	worker  *Process
	lane    *execute.Lane
	tickets int
}

// Prepare implements Processes: nothing has to be set up.
func (*mill) Prepare(embedded.Kind, func(string)) bool { return true }

func (*mill) Forget(ids.JobID) {}

func (m *mill) Spawn(id ids.WorkerID, _ embedded.Kind, _ func(Child), _ func(Obituary)) {
	if m.worker == nil {
		m.worker = m.core.procs[id]
	}
}

func (m *mill) Grant(n int)             { m.tickets += n }
func (m *mill) TakeTickets() int        { n := m.tickets; m.tickets = 0; return n }
func (m *mill) Interrupt()              {}
func (m *mill) Kill()                   {}
func (m *mill) PID() int                { return 1 }
func (m *mill) Run(r *execute.Run)      { m.sent = append(m.sent, r) }
func (m *mill) CancelRun(ids.TaskID)    {}
func (m *mill) OpenLane(string)         {}
func (m *mill) Flag(uint64)             {}
func (m *mill) Wake(ids.TaskID)         {}
func (m *mill) Exit(now bool, _ string) {}
func (m *mill) Close()                  {}

func newMill(b testing.TB) *mill {
	m := &mill{}
	m.core = New(Config{Resources: sched.CPUs(1), ArenaBytes: 1 << 20, Processes: m,
		Reserve: func(uint64, uint64) error { return nil }, Report: func(err error) { b.Error(err) }})
	b.Cleanup(m.core.Close)
	m.core.Do(func() { m.driver = m.core.Attach(ids.DriverWorker(m.core.Job), Driver, 1) })
	return m
}

func (m *mill) attach() {
	m.core.Do(func() {
		childOf(m.worker.worker).real = m
		m.lane = m.worker.AttachExecutor(m, "", false, 0)
	})
}

func (m *mill) task(actor ids.ActorID) *task.Spec {
	m.n++
	s := &task.Spec{Type: task.Normal, ID: actor.CreationTask(), NumReturns: 1, Parent: ids.DriverTask(m.core.Job), Resources: sched.CPUs(1)}
	binary.LittleEndian.PutUint64(s.ID[:], m.n)
	if !actor.IsNone() {
		s.Type, s.Actor, s.Resources = task.ActorMethod, actor, sched.Resources{}
	}
	return s
}

func (m *mill) submit(s *task.Spec) ids.ObjectID {
	m.core.Do(func() { m.driver.Submit(s) })
	return s.ID.Return(1)
}

// actor makes one that lives, with one thread.
func (m *mill) actor() ids.ActorID {
	id := ids.NilActor(m.core.Job)
	id[0] = 1
	s := &task.Spec{Type: task.ActorCreation, ID: id.CreationTask(), Actor: id, Creation: &task.Creation{MaxConcurrency: 1}}
	m.core.Do(func() {
		m.driver.Submit(s)
		m.driver.Refs([]ids.ObjectID{id.Handle()}, nil)
	})
	m.attach()
	m.work()
	return id
}

// work runs what was sent until nothing more comes.
func (m *mill) work() (n int) {
	returns := []objects.Value{{Data: []byte("x"), Metadata: []byte("RAW")}}
	for len(m.sent) > 0 {
		r := m.sent[0]
		m.sent = m.sent[1:]
		if m.tickets == 0 {
			m.sent = nil // all that was sent before is of this generation
			m.core.Do(func() { m.worker.Executor().Dropped(m.lane, r.Generation) })
			continue
		}
		m.tickets--
		n++
		m.core.Do(func() { m.worker.Finished(r.Spec.ID, r.Attempt, peer.Reply{End: task.OK, Returns: returns}) })
	}
	return n
}

func (m *mill) get(objs ...ids.ObjectID) (n int) {
	m.core.Do(func() {
		m.core.Get(Asker{Process: m.driver}, objs, 0, true, func(f Fetched) { n = len(f.Values) })
		m.driver.Refs(nil, objs)
	})
	return n
}

// One task after the other: submitted, pushed, finished, fetched, forgotten.
func BenchmarkTask(b *testing.B) {
	m := newMill(b)
	m.submit(m.task(ids.NilActor(m.core.Job)))
	m.attach()
	m.work()
	b.ReportAllocs()
	for b.Loop() {
		obj := m.submit(m.task(ids.NilActor(m.core.Job)))
		if m.work() != 1 || m.get(obj) != 1 {
			b.Fatal("it did not run")
		}
	}
}

func BenchmarkCall(b *testing.B) {
	m := newMill(b)
	a := m.actor()
	b.ReportAllocs()
	for b.Loop() {
		obj := m.submit(m.task(a))
		if m.work() != 1 || m.get(obj) != 1 {
			b.Fatal("it did not run")
		}
	}
}

// many is how much is queued in what follows.
const many = 100_000

func perTask(b *testing.B, fn func(m *mill)) {
	b.Helper()
	b.ReportAllocs()
	for b.Loop() {
		fn(newMill(b))
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/many, "ns/task")
}

func (m *mill) submitMany(a ids.ActorID, arg ...task.Arg) []ids.ObjectID {
	objs := make([]ids.ObjectID, many)
	for i := range objs {
		s := m.task(a)
		s.Args = arg
		objs[i] = m.submit(s)
	}
	return objs
}

func BenchmarkManyTasks(b *testing.B) {
	perTask(b, func(m *mill) {
		objs := m.submitMany(ids.NilActor(m.core.Job))
		m.attach()
		for n := m.work(); n < many; n += m.work() {
			time.Sleep(time.Millisecond) // what waited behind a slow task was taken back
		}
		if m.get(objs...) != many {
			b.Fatal("not all are there")
		}
	})
}

func BenchmarkManyCalls(b *testing.B) {
	perTask(b, func(m *mill) {
		objs := m.submitMany(m.actor())
		if n := m.work(); n != many || m.get(objs...) != many {
			b.Fatalf("%d ran", n)
		}
	})
}

// Cancels of everything that is queued: for a worker, at an actor, behind a call that waits for its argument.
func BenchmarkCancelMany(b *testing.B) {
	for _, where := range []string{"tasks", "calls", "calls-behind-argument", "waiting"} {
		for _, order := range []string{"first", "last"} {
			b.Run(fmt.Sprintf("%s/%s", where, order), func(b *testing.B) {
				perTask(b, func(m *mill) {
					var objs []ids.ObjectID
					none := ids.NilActor(m.core.Job)
					a := none
					if where == "calls" || where == "calls-behind-argument" {
						a = m.actor()
					}
					arg := task.Arg{IsRef: true, Ref: m.submit(m.task(none))} // whose worker never comes
					switch where {
					case "tasks":
						objs = m.submitMany(none)
					case "calls":
						objs = m.submitMany(a)
					case "calls-behind-argument":
						head := m.task(a)
						head.Args = []task.Arg{arg}
						m.submit(head)
						objs = m.submitMany(a)
					default:
						objs = m.submitMany(none, arg)
					}
					for i := range objs {
						at := i
						if order == "last" {
							at = len(objs) - 1 - i
						}
						m.core.Do(func() { m.core.Cancel(objs[at], false, true) })
					}
					if m.get(objs...) != 1 {
						b.Fatal("not canceled")
					}
				})
			})
		}
	}
}
