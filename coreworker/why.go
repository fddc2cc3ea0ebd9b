package coreworker

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/mobula/mobula/coreworker/embedded"
	"github.com/mobula/mobula/coreworker/execute"
	"github.com/mobula/mobula/coreworker/ids"
	"github.com/mobula/mobula/coreworker/objects"
	"github.com/mobula/mobula/coreworker/sched"
	"github.com/mobula/mobula/coreworker/submit"
	"github.com/mobula/mobula/coreworker/task"
)

// whyDeep and whyLong bound an explanation: one that is longer explains nothing.
const (
	whyDeep = 20
	whyLong = 200
)

// Reason is one line of an explanation; what stands deeper explains the line above it.
type Reason struct {
	Depth int
	Text  string
}

// Why explains what a task waits for, and what that waits for in turn, until there is something that is running or that
// only the outside can change. A circle of tasks that wait for each other is named as one.
func (c *Core) Why(id ids.TaskID) []Reason {
	w := &why{core: c, on: map[ids.TaskID]bool{}, told: map[ids.TaskID]bool{}}
	w.task(0, id)
	return w.lines
}

// FindTasks are the tasks without an outcome whose id begins with these hexadecimal digits, or whose name is this, the
// oldest first.
func (c *Core) FindTasks(text string) (found []ids.TaskID) {
	var entries []*task.Entry
	c.tasks.Each(func(e *task.Entry) {
		id := e.Spec.ID
		if e.Spec.Name == text || len(text) >= 4 && (strings.HasPrefix(id.String(), text) || strings.HasPrefix(shortTask(id), text)) {
			entries = append(entries, e)
		}
	})
	slices.SortFunc(entries, func(a, b *task.Entry) int { return cmp.Compare(a.Born, b.Born) })
	for _, e := range entries {
		found = append(found, e.Spec.ID)
	}
	return found
}

type why struct {
	core  *Core
	lines []Reason
	path  []ids.TaskID
	on    map[ids.TaskID]bool // the path
	told  map[ids.TaskID]bool
}

func (w *why) say(depth int, format string, args ...any) {
	if len(w.lines) < whyLong {
		w.lines = append(w.lines, Reason{depth, fmt.Sprintf(format, args...)})
	}
}

func (w *why) task(depth int, id ids.TaskID) {
	name := w.name(id)
	switch {
	case w.on[id]:
		w.circle(depth, id)
		return
	case w.told[id]:
		w.say(depth, "%s: see above", name)
		return
	case depth >= whyDeep || len(w.lines) >= whyLong:
		w.say(depth, "%s: and so on", name)
		return
	}
	w.told[id], w.on[id] = true, true
	w.path = append(w.path, id)
	defer func() {
		w.on[id] = false
		w.path = w.path[:len(w.path)-1]
	}()
	e := w.core.tasks.Get(id)
	if e == nil {
		w.say(depth, "%s is not pending: it has ended, or was never submitted", name)
		return
	}
	switch look := w.core.lookAtTask(e); look.Stage {
	case ForArguments:
		w.say(depth, "%s waits for its arguments", name)
		for i := range e.Spec.Args {
			if a := &e.Spec.Args[i]; a.IsRef {
				w.object(depth+1, a.Ref)
			}
		}
	case ForWorker:
		w.forWorker(depth, name, e)
	case ForActor:
		w.forActor(depth, name, e)
	default:
		w.atWorker(depth, name, look)
	}
}

// object explains an object that has no value yet; one that has explains nothing.
func (w *why) object(depth int, id ids.ObjectID) {
	if w.core.store.State(id) == objects.Ready {
		return
	}
	if id.IsPut() || w.core.tasks.Get(id.Task()) == nil {
		w.say(depth, "object %s: nothing that runs will make it", short(id.String()))
		return
	}
	w.task(depth, id.Task())
}

func (w *why) forWorker(depth int, name string, e *task.Entry) {
	wanted := e.Spec.Resources
	if e.Spec.Creation != nil && e.Spec.Creation.HasPlacement {
		wanted = e.Spec.Creation.Placement
	}
	machine := w.core.sched.Machine().Node()
	starting, own := w.core.sched.Starting(e.Owner, wanted)
	switch {
	case e.Spec.Place.Nowhere:
		w.say(depth, "%s waits for a node with labels that no node of this session has: it will wait for ever", name)
	case e.Spec.Place.InGroup():
		w.say(depth, "%s waits for %s in placement group %s", name, wanted, short(e.Spec.Place.Group.String()))
	case !machine.Feasible(wanted):
		w.say(depth, "%s waits for %s, and the session has %s in all: it will wait for ever", name, wanted, only(wanted, machine.Total()))
	case own || machine.Fits(wanted):
		w.say(depth, "%s waits for a worker process to start", name)
	default:
		w.say(depth, "%s waits for %s; free now is %s, and held by:", name, wanted, only(wanted, machine.Available()))
		w.core.sched.Each(func(worker *embedded.Worker) {
			if held := worker.Resources(); overlaps(held, wanted, worker.Lends()) {
				w.holder(depth+1, worker, held)
			}
		})
		for _, taken := range starting {
			if overlaps(taken, wanted, false) {
				w.say(depth+1, "%s: a worker process that is starting", taken)
			}
		}
	}
}

func (w *why) holder(depth int, worker *embedded.Worker, held sched.Resources) {
	tasks := runningIn(worker)
	if id, ok := worker.Actor(); ok && len(tasks) == 0 {
		w.say(depth, "%s: %s, for as long as it lives (pid %d)", held, w.actorName(id), worker.PID)
		return
	}
	for _, id := range tasks {
		w.task(depth, id)
	}
	if len(tasks) == 0 {
		w.say(depth, "%s: a worker between two tasks (pid %d)", held, worker.PID)
	}
}

func (w *why) forActor(depth int, name string, e *task.Entry) {
	t, known := w.core.actors.Target(e.Spec.Actor)
	switch {
	case !known || t.State == submit.Dead:
		w.say(depth, "%s is about to fail: its actor is dead", name)
	case t.State == submit.Pending:
		w.say(depth, "%s waits for its actor to be created", name)
		w.task(depth+1, e.Spec.Actor.CreationTask())
	case t.State == submit.Restarting:
		w.say(depth, "%s waits for its actor, which is being restarted", name)
	default:
		w.say(depth, "%s waits for a call before it, which is not ready to be sent", name)
		w.core.tasks.Each(func(o *task.Entry) {
			if o.Owner == e.Owner && o.Spec.Actor == e.Spec.Actor && o.Seq < e.Seq && o.State == task.Waiting {
				w.task(depth+1, o.Spec.ID)
			}
		})
	}
}

func (w *why) atWorker(depth int, name string, look TaskLook) {
	p := w.core.procs[look.Worker]
	if p == nil {
		w.say(depth, "%s is on its way to a worker", name)
		return
	}
	switch look.Stage {
	case Running:
		w.say(depth, "%s runs%s (pid %d)", name, w.since(look), look.PID)
	case Blocked:
		w.say(depth, "%s runs%s (pid %d) and waits in get() or wait() for:", name, w.since(look), look.PID)
		for _, id := range p.waitsIn(look.Entry.Spec.ID).objs {
			w.object(depth+1, id)
		}
	default:
		w.say(depth, "%s is queued in its worker (pid %d), behind:", name, look.PID)
		run, _ := p.Executor().Find(look.Entry.Spec.ID)
		for _, id := range tasksOf(p.Executor().Ahead(run)) {
			w.task(depth+1, id)
		}
	}
}

func (w *why) since(look TaskLook) string {
	if look.Since == 0 {
		return ""
	}
	return fmt.Sprintf(" since %.1f s", (w.core.Now() - look.Since).Seconds())
}

func (w *why) circle(depth int, id ids.TaskID) {
	var names []string
	for _, one := range w.path[slices.Index(w.path, id):] {
		names = append(names, w.name(one))
	}
	w.say(depth, "and so a circle is closed, which nothing but a cancel will open: %s", strings.Join(append(names, w.name(id)), " waits for "))
}

func (w *why) name(id ids.TaskID) string {
	e := w.core.tasks.Get(id)
	if e == nil {
		return shortTask(id)
	}
	return fmt.Sprintf("%s [%s]", e.Spec.Name, shortTask(id))
}

func (w *why) actorName(id ids.ActorID) string {
	look, _ := w.core.actors.Look(id)
	name := look.Spec.Creation.ClassName
	if look.Spec.Creation.Name != "" {
		name = look.Spec.Creation.Name
	}
	return fmt.Sprintf("actor %s [%s]", name, short(id.String()))
}

// short is as much of an id as people read; `mobula why` takes it back.
func short(id string) string { return id[:12] }

// shortTask is the same for a task: the first half of what creates an actor is no different from any other's.
func shortTask(id ids.TaskID) string {
	if id.IsActorCreation() {
		return short(id.Actor().String())
	}
	return short(id.String())
}

// runningIn are the tasks in user code of a worker, sorted.
func runningIn(w *embedded.Worker) []ids.TaskID {
	var runs []*execute.Run
	w.Exec.Each(func(r *execute.Run, running bool) {
		if running {
			runs = append(runs, r)
		}
	})
	return tasksOf(runs)
}

func tasksOf(runs []*execute.Run) (out []ids.TaskID) {
	for _, r := range runs {
		out = append(out, r.Spec.ID)
	}
	slices.SortFunc(out, func(a, b ids.TaskID) int { return bytes.Compare(a[:], b[:]) })
	return out
}

// only is of what there is the part that is of the kinds wanted.
func only(wanted, there sched.Resources) string {
	var parts []string
	for name := range wanted.All() {
		parts = append(parts, fmt.Sprintf("%s: %g", name, there.Get(name)))
	}
	return "{" + strings.Join(parts, ", ") + "}"
}

// overlaps says whether what is held keeps some of what is wanted from others. Lent processors keep nothing.
func overlaps(held, wanted sched.Resources, lent bool) bool {
	for name := range wanted.All() {
		if held.Get(name) > 0 && !(lent && name == sched.CPU) {
			return true
		}
	}
	return false
}
