package coreworker

import (
	"fmt"
	"sort"
	"strings"
	"testing"
	"time"

	"github.com/mobula/mobula/coreworker/execute"
	"github.com/mobula/mobula/coreworker/ids"
	"github.com/mobula/mobula/coreworker/objects"
	"github.com/mobula/mobula/coreworker/peer"
	"github.com/mobula/mobula/coreworker/sched"
	"github.com/mobula/mobula/coreworker/task"
)

// world is a core with worker processes that do what a script says. Every effect of the core is a line of its log.
type world struct {
	t       testing.TB
	core    *Core
	driver  *Process
	job     ids.JobID
	tasks   map[string]ids.TaskID
	names   map[ids.TaskID]string
	actors  map[string]ids.ActorID
	calls   map[string]int
	workers []*fakeWorker
	log     []string
	n       uint64
	silent  bool
}

// fakeWorker is a process with one main lane, and further lanes as they are asked for.
type fakeWorker struct {
	w       *world
	name    string
	id      ids.WorkerID
	ended   func(Obituary)
	proc    *Process
	lanes   []*fakeLane
	tickets int
	dead    bool
}

type fakeLane struct {
	k       *fakeWorker
	name    string
	lane    *execute.Lane
	stash   []*execute.Run // sent and not begun
	running []*execute.Run
	gen     uint64 // the highest generation it has dropped
	word    uint64
}

func newWorld(t testing.TB, cpus int) *world {
	w := &world{t: t, tasks: map[string]ids.TaskID{}, names: map[ids.TaskID]string{}, actors: map[string]ids.ActorID{},
		calls: map[string]int{}}
	w.core = New(Config{Resources: sched.CPUs(cpus), ArenaBytes: 1 << 20, Processes: w,
		Reserve: func(uint64, uint64) error { return nil },
		Report:  func(err error) { t.Errorf("invariant: %v", err) }})
	w.job = w.core.Job
	w.core.Do(func() { w.driver = w.core.Attach(ids.DriverWorker(w.job), Driver, 1) })
	return w
}

func (w *world) say(format string, args ...any) {
	if !w.silent {
		w.log = append(w.log, fmt.Sprintf(format, args...))
	}
}

// Spawn implements Processes: the worker begins to live when the script attaches it.
func (w *world) Spawn(id ids.WorkerID, started func(Child), ended func(Obituary)) {
	k := &fakeWorker{w: w, name: fmt.Sprintf("w%d", len(w.workers)+1), id: id, ended: ended}
	w.workers = append(w.workers, k)
	w.say("spawn %s", k.name)
}

func (w *world) worker(name string) *fakeWorker {
	for _, k := range w.workers {
		if k.name == name {
			return k
		}
	}
	w.t.Fatalf("no worker %s", name)
	return nil
}

func (k *fakeWorker) Grant(n int)      { k.tickets += n }
func (k *fakeWorker) TakeTickets() int { n := k.tickets; k.tickets = 0; return n }
func (k *fakeWorker) Interrupt()       { k.w.say("interrupt %s", k.name) }
func (k *fakeWorker) Kill()            { k.w.say("kill %s", k.name) }
func (k *fakeWorker) PID() int         { return 100 + int(k.name[1]-'0') }

func (k *fakeWorker) attach(group string, loop bool) {
	w := k.w
	w.core.Do(func() {
		if k.proc == nil {
			k.proc = w.core.Attach(k.id, Worker, k.PID())
			childOf(k.proc.worker).real = k
			k.proc.worker.PID = k.PID()
		}
		l := &fakeLane{k: k, name: k.name}
		if n := len(k.lanes); n > 0 {
			l.name = fmt.Sprintf("%s.%d", k.name, n)
		}
		k.lanes = append(k.lanes, l)
		l.lane = k.proc.AttachExecutor(l, group, loop, 0)
	})
}

func (l *fakeLane) Run(r *execute.Run) {
	l.stash = append(l.stash, r)
	l.k.w.say("%s <- %s", l.name, l.k.w.names[r.Spec.ID])
}
func (l *fakeLane) CancelRun(id ids.TaskID) {
	l.k.w.say("%s: cancel %s in the loop", l.name, l.k.w.names[id])
}
func (l *fakeLane) OpenLane(group string) { l.k.w.say("%s: open a lane of group %q", l.name, group) }
func (l *fakeLane) Flag(epoch uint64)     { l.word = epoch; l.k.w.say("flag %s", l.name) }
func (l *fakeLane) Wake(id ids.TaskID) {
	l.k.w.say("wake %s", l.k.w.names[id])
	l.k.proc.Wake(id)
}
func (l *fakeLane) Exit(now bool, why string) { l.k.w.say("%s: exit (%s)", l.name, why) }

// begin is what the shim does next: take a ticket and run, or drop. It says whether there was anything to do.
func (l *fakeLane) begin() bool {
	w := l.k.w
	for len(l.stash) > 0 {
		r := l.stash[0]
		l.stash = l.stash[1:]
		if r.Generation <= l.gen {
			continue // of a generation that was dropped
		}
		if r.Ticketed {
			if l.k.tickets == 0 {
				l.gen = r.Generation
				w.say("%s drops generation %d", l.name, l.gen)
				w.core.Do(func() { l.k.proc.Executor().Dropped(l.lane, l.gen) })
				return true
			}
			l.k.tickets--
		}
		l.running = append(l.running, r)
		flagged := ""
		if l.word == r.Epoch {
			flagged = " (flagged)"
		}
		w.say("%s runs %s%s", l.name, w.names[r.Spec.ID], flagged)
		return true
	}
	return false
}

// finish ends the run of a task wherever it runs.
func (w *world) finish(id ids.TaskID, reply peer.Reply) bool {
	for _, k := range w.workers {
		for _, l := range k.lanes {
			for i, r := range l.running {
				if r.Spec.ID != id {
					continue
				}
				l.running = append(l.running[:i], l.running[i+1:]...)
				if reply.End == task.OK {
					for range r.Spec.NumReturns {
						reply.Returns = append(reply.Returns, objects.Value{Data: []byte(w.names[id]), Metadata: []byte("RAW")})
					}
				}
				w.core.Do(func() { k.proc.Finished(l.lane, id, reply) })
				return true
			}
		}
	}
	return false
}

func (k *fakeWorker) die(o Obituary) {
	k.dead = true
	for _, l := range k.lanes {
		l.stash, l.running = nil, nil
	}
	o.PID = k.PID()
	k.ended(o)
}

// spec makes a task of the driver, or of the task named parent.
func (w *world) spec(name string, typ task.Type, parent string) *task.Spec {
	w.n++
	var id ids.TaskID
	copy(id[:], ids.NilActor(w.job).CreationTask().Bytes())
	for i := range 8 {
		id[i] = byte(w.n >> (8 * i))
	}
	s := &task.Spec{Type: typ, ID: id, Name: name, NumReturns: 1, Resources: sched.CPUs(1), Parent: ids.DriverTask(w.job)}
	if parent != "" {
		s.Parent = w.tasks[parent]
	}
	w.tasks[name], w.names[id] = id, name
	return s
}

func (w *world) actorID(name string) ids.ActorID {
	id := ids.NilActor(w.job)
	w.n++
	for i := range 8 {
		id[i] = byte(w.n >> (8 * i))
	}
	w.actors[name] = id
	return id
}

// submitter is the process that runs the parent, or the driver.
func (w *world) submitter(parent string) *Process {
	if parent != "" {
		for _, k := range w.workers {
			for _, l := range k.lanes {
				for _, r := range l.running {
					if r.Spec.ID == w.tasks[parent] {
						return k.proc
					}
				}
			}
		}
	}
	return w.driver
}

// outcome tells what get would give now.
func (w *world) outcome(name string) string {
	out := ""
	id := w.tasks[name].Return(1)
	w.core.Do(func() {
		w.core.Get(Asker{Process: w.driver}, []ids.ObjectID{id}, 0, true, func(f Fetched) {
			switch {
			case f.TimedOut:
				out = "pending"
			case f.Failed:
				kind, _ := objects.Metadata(f.Values[0].Metadata)
				out = errorNames[kind]
				if out == "" {
					out = fmt.Sprintf("error %d", kind)
				}
			default:
				out = "value of " + string(f.Values[0].Data)
			}
		})
	})
	return out
}

var errorNames = map[objects.ErrorType]string{
	objects.WorkerDiedType: "WorkerCrashedError", objects.ActorDiedType: "ActorDiedError",
	objects.TaskCancelledType: "TaskCancelledError", objects.TaskExecutionExceptionType: "user's exception",
	objects.OwnerDiedType: "OwnerDiedError", objects.OutOfMemoryType: "OutOfMemoryError", objects.ObjectFreedType: "ObjectFreedError",
}

// userError is what an executor sends for an exception.
func userError() peer.Reply {
	return peer.Reply{End: task.Failed, Error: objects.Value{Metadata: []byte("3"), Data: []byte("x"), IsError: true}, Text: "boom"}
}

// settled checks the invariants, and what must hold when nothing is under way.
func (w *world) settled(quiet bool) {
	w.core.Do(func() {
		if err := w.core.Validate(); err != nil {
			w.t.Errorf("invariants: %v", err)
		}
		c := w.core.Counts()
		if quiet && (c.TasksPending+c.TasksQueued+c.TasksRunning+c.Canceled+c.Parked > 0 || c.Leases > 0) {
			w.t.Errorf("something is left: %+v", c)
		}
	})
}

func (w *world) take() string {
	out := strings.Join(w.log, "\n")
	w.log = nil
	if out != "" {
		out += "\n"
	}
	return out
}

func (w *world) state() string {
	var out []string
	w.core.Do(func() {
		w.core.tasks.Each(func(e *task.Entry) {
			flag := ""
			if e.Canceled {
				flag = " canceled"
			}
			out = append(out, fmt.Sprintf("%s %s%s", w.names[e.Spec.ID], e.State, flag))
		})
	})
	sort.Strings(out)
	return strings.Join(out, "\n") + "\n"
}

// later waits until the log has something or the time is over: for what the core does by its own timers.
func (w *world) later(d time.Duration) {
	for end := time.Now().Add(d); time.Now().Before(end); time.Sleep(time.Millisecond) {
		quiet := false
		w.core.Do(func() { quiet = len(w.log) == 0 })
		if !quiet {
			return
		}
	}
}
