package coreworker

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/mobula/mobula/coreworker/embedded"
	"github.com/mobula/mobula/coreworker/ids"
	"github.com/mobula/mobula/coreworker/objects"
	"github.com/mobula/mobula/coreworker/peer"
	"github.com/mobula/mobula/coreworker/sched"
	"github.com/mobula/mobula/coreworker/task"
)

// world is a core with worker processes that do what a script says. Every effect of the core is a line of its log.
type world struct {
	core       *Core
	driver     *Process
	drivers    map[string]*Process // that have joined
	job        ids.JobID
	tasks      map[string]ids.TaskID
	names      map[ids.TaskID]string
	groupNames map[ids.GroupID]string
	actors     map[string]ids.ActorID
	groups     map[string]ids.GroupID
	workers    []*fakeWorker
	waits      map[string]*fakeWait
	held       map[*Process]map[ids.ObjectID]int // handles
	setups     map[string]func(failure string)
	log        []string
	reported   []error
	n          uint64

	// What a run must never do, whatever the script is.
	began    map[string]bool   // task and attempt
	outcomes map[string]string // what get gave first
	broken   []error
}

// fakeWait is a parked request of a running task or of the driver.
type fakeWait struct {
	abandon func()
	run     *fakeRun // nil for the driver
	over    bool
}

func newWorld(t *testing.T) *world {
	w := &world{drivers: map[string]*Process{}, groups: map[string]ids.GroupID{}, groupNames: map[ids.GroupID]string{}, tasks: map[string]ids.TaskID{}, names: map[ids.TaskID]string{}, actors: map[string]ids.ActorID{},
		waits: map[string]*fakeWait{}, held: map[*Process]map[ids.ObjectID]int{}, began: map[string]bool{}, outcomes: map[string]string{},
		setups: map[string]func(string){}}
	t.Cleanup(func() {
		if w.core != nil {
			w.core.Close()
		}
	})
	return w
}

func (w *world) start(cpus, gpus int) {
	total, err := sched.From(map[string]float64{sched.CPU: float64(cpus), sched.GPU: float64(gpus)})
	if err != nil {
		w.broken = append(w.broken, err)
	}
	w.core = New(Config{Resources: total, Labels: map[string]string{"zone": "a"},
		Warn: func(_ ids.JobID, text string) { w.say("warning: %s", w.named(text)) }, ArenaBytes: 1 << 20, Processes: w,
		Reserve: func(uint64, uint64) error { return nil },
		Report:  func(err error) { w.reported = append(w.reported, err) }})
	w.job = w.core.Job
	w.core.Do(func() { w.driver = w.core.Attach(ids.DriverWorker(w.job), Driver, 1) })
}

func (w *world) say(format string, args ...any) { w.log = append(w.log, fmt.Sprintf(format, args...)) }

func (w *world) take() string {
	out := strings.Join(w.log, "\n")
	w.log = nil
	return out
}

// Prepare implements Processes: an environment whose name begins with "setup" is set up when the script says so.
func (w *world) Prepare(kind embedded.Kind, done func(failure string)) bool {
	env := kind.Env
	if !strings.HasPrefix(env, "setup") {
		return true
	}
	w.setups[env] = done
	w.say("set up %s", env)
	return false
}

// Forget implements Processes.
func (w *world) Forget(job ids.JobID) { w.say("nothing is left%s", w.driverOf(job)) }

// Spawn implements Processes: the worker begins to live when the script attaches it.
func (w *world) Spawn(id ids.WorkerID, kind embedded.Kind, _ func(Child), ended func(Obituary)) {
	env, whose := kind.Env, w.driverOf(kind.Job)
	k := &fakeWorker{w: w, name: fmt.Sprintf("w%d", len(w.workers)+1), pid: 101 + len(w.workers), id: id, ended: ended}
	w.workers = append(w.workers, k)
	if env != "" {
		w.say("spawn %s%s (%s)", k.name, whose, env)
		return
	}
	w.say("spawn %s%s", k.name, whose)
}

func (w *world) worker(name string) (*fakeWorker, error) {
	for _, k := range w.workers {
		if k.name == name {
			return k, nil
		}
	}
	return nil, fmt.Errorf("no worker %s", name)
}

// running finds the run of a task that has begun and not ended.
func (w *world) running(name string) *fakeRun {
	for _, k := range w.workers {
		for _, l := range k.lanes {
			for _, r := range l.running {
				if w.names[r.Spec.ID] == name {
					return r
				}
			}
		}
	}
	return nil
}

// submitter is the process that runs the parent, or the driver of that name, or the first one.
func (w *world) submitter(parent string) (*Process, error) {
	if parent == "" {
		return w.driver, nil
	}
	if d := w.drivers[parent]; d != nil {
		return d, nil
	}
	if r := w.running(parent); r != nil {
		r.lane.k.arrive()
		return r.lane.k.proc, nil
	}
	return nil, fmt.Errorf("%s does not run", parent)
}

// spec makes a task of the driver, or of the task named parent.
func (w *world) spec(name string, typ task.Type, parent string) *task.Spec {
	w.n++
	var id ids.TaskID
	job := w.jobOf(parent)
	copy(id[:], ids.NilActor(job).CreationTask().Bytes())
	for i := range 8 {
		id[i] = byte(w.n >> (8 * i))
	}
	s := &task.Spec{Type: typ, ID: id, Name: name, NumReturns: 1, Resources: sched.CPUs(1), Parent: ids.DriverTask(job)}
	if _, isTask := w.tasks[parent]; isTask {
		s.Parent = w.tasks[parent]
	}
	w.tasks[name], w.names[id] = id, name
	return s
}

// jobOf is the job of a driver, or of a task.
func (w *world) jobOf(parent string) ids.JobID {
	if d := w.drivers[parent]; d != nil {
		return d.Job
	}
	if id, ok := w.tasks[parent]; ok {
		return id.Job()
	}
	return w.job
}

// driverOf names a driver that has joined, for the log.
func (w *world) driverOf(job ids.JobID) string {
	for name, d := range w.drivers {
		if d.Job == job {
			return " of " + name
		}
	}
	return ""
}

func (w *world) actorID(name, parent string) ids.ActorID {
	id := ids.NilActor(w.jobOf(parent))
	w.n++
	for i := range 8 {
		id[i] = byte(w.n >> (8 * i))
	}
	w.actors[name] = id
	return id
}

// object is the return of a task, or the handle of an actor.
func (w *world) object(name string) (ids.ObjectID, error) {
	if id, ok := w.tasks[name]; ok {
		return id.Return(1), nil
	}
	return ids.ObjectID{}, fmt.Errorf("nothing is named %s", name)
}

func (w *world) objects(names string) (out []ids.ObjectID, err error) {
	for name := range strings.SplitSeq(names, "+") {
		id, err := w.object(name)
		if err != nil {
			return nil, err
		}
		out = append(out, id)
	}
	return out, nil
}

// hold notes that a process got a handle.
func (w *world) hold(p *Process, id ids.ObjectID) {
	if w.held[p] == nil {
		w.held[p] = map[ids.ObjectID]int{}
	}
	w.held[p][id]++
}

// outcome tells what get would give now.
func (w *world) outcome(name string) string {
	out := ""
	id := w.tasks[name].Return(1)
	w.core.Do(func() {
		v, there := w.core.Value(id)
		out = "pending"
		if there {
			out = w.describe(v)
		}
	})
	return out
}

func (w *world) describe(v objects.Value) string {
	switch {
	case v.Block != nil:
		return "a large value"
	case !v.IsError:
		return "value of " + string(v.Data)
	}
	kind, _ := objects.Metadata(v.Metadata)
	if name := errorNames[kind]; name != "" {
		return name
	}
	return fmt.Sprintf("error %d", kind)
}

var errorNames = map[objects.ErrorType]string{
	objects.WorkerDiedType: "WorkerCrashedError", objects.ActorDiedType: "ActorDiedError", objects.ActorUnavailableType: "ActorUnavailableError",
	objects.TaskCancelledType: "TaskCancelledError", objects.TaskExecutionExceptionType: "user's exception",
	objects.TaskUnschedulableType: "TaskUnschedulableError", objects.ActorUnschedulableType: "ActorUnschedulableError",
	objects.TaskGroupRemovedType: "TaskPlacementGroupRemoved", objects.ActorGroupRemovedType: "ActorPlacementGroupRemoved",
	objects.OwnerDiedType: "OwnerDiedError", objects.OutOfMemoryType: "OutOfMemoryError", objects.ObjectFreedType: "ObjectFreedError",
	objects.ReconstructionExhaustedType:     "ObjectReconstructionFailedError (retries are used up)",
	objects.UnreconstructableMaxRetriesType: "ObjectReconstructionFailedError (max_retries=0)",
}

// userError is what an executor sends for an exception.
func userError() peer.Reply {
	return peer.Reply{End: task.Failed, Error: objects.Value{Metadata: []byte("3"), Data: []byte("x"), IsError: true}, Text: "boom"}
}

// check holds after every line of every script.
func (w *world) check() error {
	errs := slices.Concat(w.reported, w.broken)
	if w.core == nil {
		return errors.Join(errs...)
	}
	w.core.Do(func() {
		errs = append(errs, w.core.Validate())
		for name, id := range w.tasks {
			errs = append(errs, w.oneOutcome(name, id))
		}
		w.core.tasks.Each(func(e *task.Entry) {
			if e.Canceled && e.State != task.Pushed {
				errs = append(errs, fmt.Errorf("%s is canceled and still %s", w.names[e.Spec.ID], e.State))
			}
		})
	})
	for _, k := range w.workers {
		errs = append(errs, k.flags())
	}
	return errors.Join(errs...)
}

// oneOutcome says whether an object that had a value still has the same: an outcome is fixed once.
func (w *world) oneOutcome(name string, id ids.TaskID) error {
	v, there := w.core.store.Get(id.Return(1))
	if !there {
		if !w.core.refs.Known(id.Return(1)) {
			delete(w.outcomes, name) // nobody can ask for it again; made anew for what it was an argument of, it may be another
		}
		return nil
	}
	now := w.describe(v)
	switch first := w.outcomes[name]; first {
	case now:
		return nil
	case "":
		w.outcomes[name] = now
		if w.core.tasks.Get(id) != nil {
			return fmt.Errorf("%s has a value and is still under way", name)
		}
		return nil
	default:
		if owner, _ := w.core.refs.Owner(id.Return(1)); now == "OwnerDiedError" && w.core.procs[owner] == nil {
			w.outcomes[name] = now // its owner took it along
			return nil
		}
		return fmt.Errorf("the outcome of %s was %s and is %s", name, first, now)
	}
}

// rest says what is left when nothing should be under way.
func (w *world) rest() error {
	var c Counts
	w.core.Do(func() { c = w.core.Counts() })
	if c.TasksPending+c.TasksQueued+c.TasksRunning+c.Canceled+c.Parked > 0 || c.Leases > 0 {
		return fmt.Errorf("something is left: %+v", c)
	}
	return nil
}
