package coreworker

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing/synctest"
	"time"

	"github.com/mobula/mobula/coreworker/ids"
	"github.com/mobula/mobula/coreworker/internal/golden"
	"github.com/mobula/mobula/coreworker/peer"
	"github.com/mobula/mobula/coreworker/sched"
	"github.com/mobula/mobula/coreworker/task"
)

// verbs of the scripts; the first word is the name of a task, worker or actor. Their answers are the world's log.
var verbs = logged(map[string]verb{
	"init": verbInit, "attach": verbAttach, "detach": verbDetach, "submit": verbSubmit, "actor": verbActor, "call": verbCall,
	"begin": verbBegin, "end": verbEnd, "cancel": verbCancel, "die": verbDie, "get": verbGet, "state": verbState,
	"kill": verbKill, "block": verbBlock, "wait": verbWait, "abandon": verbAbandon, "drop": verbDrop, "sleep": verbSleep,
	"pgroup": verbGroup, "ungroup": verbUngroup, "ready": verbReady, "groups": verbGroups,
	"release": verbRelease, "lookup": verbLookup, "settled": verbSettled, "idle": verbIdle, "empty": verbEmpty, "ask": verbAsk,
	"yield": verbYield, "next": verbNext, "demand": verbDemand, "taken": verbTaken, "forget": verbForget, "lose": verbLose,
	"setup": verbSetup, "why": verbWhy, "arrive": verbArrive, "again": verbAgain, "join": verbJoin, "leave": verbLeave,
})

type verb func(*world, *golden.Call) error

func logged(all map[string]verb) map[string]golden.Verb[*world] {
	out := map[string]golden.Verb[*world]{}
	for name, do := range all {
		out[name] = func(w *world, c *golden.Call) (string, error) {
			err := do(w, c)
			if refused := (refusal{}); err != nil && !errors.As(err, &refused) {
				w.broken = append(w.broken, fmt.Errorf("mistake in the script: %w", err))
				err = nil
			}
			return w.take(), err
		}
	}
	return out
}

// refusal is the core's answer; any other error of a verb is a mistake in the script.
type refusal struct{ error }

// init cpus=N [gpus=N]
func verbInit(w *world, c *golden.Call) error {
	w.start(c.Int("cpus", 2), c.Int("gpus", 0))
	return nil
}

// processors are the resources of cpus=N [gpu_tenths=N].
func processors(c *golden.Call, cpus int) (sched.Resources, error) {
	return sched.From(map[string]float64{sched.CPU: float64(c.Int("cpus", cpus)), sched.GPU: float64(c.Int("gpu_tenths", 0)) / 10})
}

// attach W [group=G] [loop]: a worker's first lane, or one that was asked for.
func verbAttach(w *world, c *golden.Call) error {
	k, err := w.worker(c.Word())
	group, loop := c.Opt("group", ""), c.Flag("loop")
	if err == nil {
		k.attach(group, loop)
	}
	return err
}

func (w *world) lane(c *golden.Call) (*fakeLane, error) {
	k, err := w.worker(c.Word())
	n := c.Int("lane", 0)
	if err == nil && n >= len(k.lanes) {
		err = fmt.Errorf("%s has %d lanes", k.name, len(k.lanes))
	}
	if err != nil {
		return nil, err
	}
	return k.lanes[n], nil
}

// detach W [lane=N]: the stream of a lane ends.
func verbDetach(w *world, c *golden.Call) error {
	l, err := w.lane(c)
	if err == nil {
		l.detach()
	}
	return err
}

func (w *world) dependencies(c *golden.Call, s *task.Spec) error {
	needs := c.Opt("needs", "")
	if needs == "" {
		return nil
	}
	objs, err := w.objects(needs)
	for _, id := range objs {
		s.Args = append(s.Args, task.Arg{IsRef: true, Ref: id})
	}
	return err
}

func (w *world) submit(s *task.Spec, parent string) error {
	p, err := w.submitter(parent)
	if err == nil {
		w.hold(p, s.ID.Return(1))
		w.core.Do(func() { p.Submit(s) })
	}
	return err
}

// away is the node of what says so: one that is not there.
func away(c *golden.Call) []byte {
	if c.Flag("away") {
		return []byte("elsewhere")
	}
	return nil
}

// submit T [cpus=N] [gpu_tenths=N] [away] [needs=A+B] [parent=T] [told] [retries=N] [env=E] [calls=N] [pg=G] [bundle=N]
// [labels=K:V]: told, the parent knew of its cancel; with calls, of one function that has this limit; with away, it has to
// run on a node that is not there.
func verbSubmit(w *world, c *golden.Call) error {
	name, parent := c.Word(), c.Opt("parent", "")
	s := w.spec(name, task.Normal, parent)
	streamOptions(c, s)
	s.Told = c.Flag("told")
	var err error
	s.Resources, err = processors(c, 1)
	s.Env = c.Opt("env", "")
	s.MaxRetries, s.MaxCalls = c.Int("retries", 0), c.Int("calls", 0)
	if s.MaxCalls > 0 {
		s.Function[0] = 1
	}
	s.Node = away(c)
	return errors.Join(err, w.place(c, s), w.dependencies(c, s), w.submit(s, parent))
}

// actor A [threads=N] [group=NAME] [async] [in_order] [restarts=N] [parent=T] [told] [cpus=N] [placement=N] [needs=A]
// [named=N] [get_if_exists] [detached] [env=E] [pg=G] [bundle=N] [labels=K:V]
func verbActor(w *world, c *golden.Call) error {
	name, parent := c.Word(), c.Opt("parent", "")
	s := w.spec(name, task.ActorCreation, parent)
	s.Told = c.Flag("told")
	s.Actor = w.actorID(name, parent)
	s.ID = s.Actor.CreationTask()
	w.tasks[name], w.names[s.ID] = s.ID, name
	s.Resources, s.Node, s.Env = sched.CPUs(c.Int("cpus", 0)), away(c), c.Opt("env", "")
	s.Creation = &task.Creation{MaxConcurrency: c.Int("threads", 1), Asyncio: c.Flag("async"), MaxRestarts: c.Int("restarts", 0),
		ClassName: name, Name: c.Opt("named", ""), Detached: c.Flag("detached")}
	s.Creation.OutOfOrder = (s.Creation.Asyncio || s.Creation.MaxConcurrency > 1) && !c.Flag("in_order")
	if cpus := c.Int("placement", 0); cpus > 0 {
		s.Creation.Placement, s.Creation.HasPlacement = sched.CPUs(cpus), true
	}
	if group := c.Opt("group", ""); group != "" {
		s.Creation.Groups = []task.Group{{Name: group, MaxConcurrency: 1}}
	}
	existing := c.Flag("get_if_exists")
	p, err := w.submitter(parent)
	if err = errors.Join(err, w.place(c, s), w.dependencies(c, s)); err != nil {
		return err
	}
	w.core.Do(func() {
		if s.Creation.Name == "" {
			p.Submit(s)
		} else {
			var found *task.Spec
			var created bool
			if found, created, err = p.RegisterActor(s, existing); err != nil {
				err = refusal{err}
				return
			}
			if !created {
				w.say("there is %s", w.names[found.ID])
				w.actors[name], s = found.Actor, found
			}
		}
		p.Refs([]ids.ObjectID{s.Actor.Handle()}, nil)
		w.hold(p, s.Actor.Handle())
	})
	return err
}

// join D: a further driver, whose name stands for it as a parent.
func verbJoin(w *world, c *golden.Call) error {
	name := c.Word()
	var err error
	w.core.Do(func() {
		var job ids.JobID
		if job, err = w.core.Join(); err == nil {
			w.drivers[name] = w.core.Attach(ids.DriverWorker(job), Driver, 2)
		}
	})
	return err
}

// leave D: it has ended.
func verbLeave(w *world, c *golden.Call) error {
	name := c.Word()
	d := w.drivers[name]
	if d == nil {
		return fmt.Errorf("no driver %s has joined", name)
	}
	w.core.Do(func() { w.core.Leave(d.Job, "its driver has left", func() { w.say("%s has left", name) }) })
	if w.core.Attach(d.ID, Driver, 2) != nil {
		return fmt.Errorf("%s could come back", name)
	}
	delete(w.held, d)
	return nil
}

// lookup N: the driver gets the actor by its name, and holds a handle of it.
func verbLookup(w *world, c *golden.Call) error {
	name := c.Word()
	var s *task.Spec
	var err error
	w.core.Do(func() {
		if s, err = w.core.LookupActor("", name); err == nil {
			w.say("%s", w.names[s.ID])
			w.driver.Refs([]ids.ObjectID{s.Actor.Handle()}, nil)
			w.hold(w.driver, s.Actor.Handle())
		}
	})
	if err != nil {
		return refusal{err}
	}
	return nil
}

// call A.m [needs=T] [parent=T] [told] [retries=N] [group=G]
func verbCall(w *world, c *golden.Call) error {
	name, parent := c.Word(), c.Opt("parent", "")
	actor, _, _ := strings.Cut(name, ".")
	s := w.spec(name, task.ActorMethod, parent)
	streamOptions(c, s)
	s.Told = c.Flag("told")
	s.Actor = w.actors[actor]
	copy(s.ID[8:], s.Actor[:])
	w.tasks[name], w.names[s.ID] = s.ID, name
	s.Resources = sched.Resources{}
	s.MaxRetries, s.Group = c.Int("retries", 0), c.Opt("group", "")
	return errors.Join(w.dependencies(c, s), w.submit(s, parent))
}

// begin W [lane=N]: the shim takes its next task.
func verbBegin(w *world, c *golden.Call) error {
	l, err := w.lane(c)
	if err == nil && !l.begin() {
		w.say("%s has nothing to do", l.name)
	}
	return err
}

// lose T [at=I]: the large value of its result, or of its item I, cannot be read back from disk.
func verbLose(w *world, c *golden.Call) error {
	name := c.Word()
	item := c.Int("at", -1)
	if item < 0 {
		delete(w.outcomes, name)
	}
	w.core.Do(func() { w.core.unreadable(w.tasks[name].Return(uint32(item+2)), errors.New("lost by the script")) })
	return nil
}

// end T [error] [retryable] [stopped] [left] [large]: its run ends; with large, its values lie in the arena.
func verbEnd(w *world, c *golden.Call) error {
	r := w.running(c.Word())
	reply := peer.Reply{End: task.OK}
	if c.Flag("error") {
		reply = userError()
	}
	reply.Retryable = c.Flag("retryable")
	if c.Flag("stopped") {
		reply.End = task.Stopped
	}
	if c.Flag("left") {
		reply.End = task.LeftActor
	}
	large, late := c.Flag("large"), c.Flag("late")
	if r == nil {
		return errors.New("it does not run")
	}
	if large {
		w.core.Do(func() { reply.Returns = append(reply.Returns, r.lane.large()) })
	}
	r.end(reply, late)
	return nil
}

// arrive W: what its process has sent and is under way.
func verbArrive(w *world, c *golden.Call) error {
	k, err := w.worker(c.Word())
	if err == nil {
		k.arrive()
	}
	return err
}

// again W: its process sends its newest result once more.
func verbAgain(w *world, c *golden.Call) error {
	k, err := w.worker(c.Word())
	if err == nil && k.last == nil {
		err = errors.New("it has sent no result")
	}
	if err == nil {
		k.last()
	}
	return err
}

// cancel T [force] [recursive]
func verbCancel(w *world, c *golden.Call) error {
	id, err := w.object(c.Word())
	force, recursive := c.Flag("force"), c.Flag("recursive")
	w.core.Do(func() { w.core.Cancel(id, force, recursive) })
	return err
}

// setup E [fails]: what workers with this environment need is there, or could not be made.
func verbSetup(w *world, c *golden.Call) error {
	env, failure := c.Word(), ""
	if c.Flag("fails") {
		failure = "no such package"
	}
	done := w.setups[env]
	if done == nil {
		return fmt.Errorf("%s is not being set up", env)
	}
	delete(w.setups, env)
	done(failure)
	return nil
}

// die W [never] [oom] [unset] [slain]: its process ends, or could not be started, or could not set its environment up, or was killed
// from outside.
func verbDie(w *world, c *golden.Call) error {
	k, err := w.worker(c.Word())
	o := Obituary{Text: "killed by the script", NeverStarted: c.Flag("never"), OOM: c.Flag("oom"), Slain: c.Flag("slain"),
		SetupFailed: c.Flag("unset")}
	if err == nil {
		k.die(o)
	}
	return err
}

// get T …: what get would answer now.
func verbGet(w *world, c *golden.Call) error {
	for _, name := range c.Words() {
		w.say("%s: %s", name, w.outcome(name))
	}
	return nil
}

// state: every task without an outcome.
func verbState(w *world, _ *golden.Call) error {
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
	slices.Sort(out)
	w.log = append(w.log, out...)
	return nil
}

// kill A [restart]
func verbKill(w *world, c *golden.Call) error {
	id, restart := w.actors[c.Word()], c.Flag("restart")
	w.core.Do(func() { w.core.KillActor(id, !restart) })
	return nil
}

// asker is a running task, or the driver where by= is not given.
func (w *world) asker(c *golden.Call) (a Asker, run *fakeRun, err error) {
	a = Asker{Process: w.driver}
	if by := c.Opt("by", ""); by != "" {
		if run = w.running(by); run == nil {
			return a, nil, fmt.Errorf("%s does not run", by)
		}
		a = Asker{Process: run.lane.k.proc, Lane: run.lane.lane, Task: run.Spec.ID, HasTask: true, Told: c.Flag("told")}
	}
	return a, run, nil
}

func (w *world) park(name string, run *fakeRun, begin func(done func()) func()) {
	wait := &fakeWait{run: run}
	done := func() {
		wait.over = true
		if run != nil {
			run.waiting--
		}
		delete(w.waits, name)
	}
	if run != nil {
		run.waiting++
	}
	w.core.Do(func() { wait.abandon = begin(done) })
	if !wait.over {
		w.waits[name] = wait
	}
}

func limit(c *golden.Call) (time.Duration, bool) {
	ms := c.Int("ms", -1)
	return time.Duration(ms) * time.Millisecond, ms >= 0
}

// ask G on=A+B [by=T [told]] [ms=N]: a get that is named G.
func verbAsk(w *world, c *golden.Call) error {
	name := c.Word()
	objs, err := w.objects(c.Arg("on"))
	a, run, badAsker := w.asker(c)
	timeout, limited := limit(c)
	if err = errors.Join(err, badAsker); err != nil {
		return err
	}
	w.park(name, run, func(done func()) func() {
		return w.core.Get(a, objs, timeout, limited, func(f Fetched) {
			done()
			what := make([]string, len(f.Values))
			for i, v := range f.Values {
				what[i] = w.describe(v)
			}
			switch {
			case f.Canceled:
				what = []string{"canceled"}
			case f.TimedOut:
				what = []string{"timed out"}
			case f.Failed:
				what = append(what, fmt.Sprintf("at %d", f.Index))
			}
			w.say("%s got %s", name, strings.Join(what, ", "))
			a.Process.letGo(f)
		})
	})
	return nil
}

// block T on=A+B [told]: the running task T waits in get.
func verbBlock(w *world, c *golden.Call) error {
	by := c.Word()
	objs, err := w.objects(c.Arg("on"))
	run := w.running(by)
	if run == nil {
		err = errors.Join(err, fmt.Errorf("%s does not run", by))
	}
	if err != nil {
		return err
	}
	on := c.Arg("on")
	a := Asker{Process: run.lane.k.proc, Lane: run.lane.lane, Task: run.Spec.ID, HasTask: true, Told: c.Flag("told")}
	w.park(fmt.Sprintf("%s on %s", by, on), run, func(done func()) func() {
		return w.core.Get(a, objs, 0, false, func(f Fetched) {
			done()
			w.say("%s got %s: canceled=%t failed=%t", by, on, f.Canceled, f.Failed)
			a.Process.letGo(f)
		})
	})
	return nil
}

// letGo gives back what it was given to read.
func (p *Process) letGo(f Fetched) {
	for _, v := range f.Values {
		if v.Block != nil {
			p.Unpin([]uint64{v.Block.ID})
		}
	}
}

// wait W on=A+B+C want=N [by=T [told]] [ms=N]: a wait that is named W.
func verbWait(w *world, c *golden.Call) error {
	name := c.Word()
	objs, err := w.objects(c.Arg("on"))
	a, run, badAsker := w.asker(c)
	timeout, limited := limit(c)
	want := c.Int("want", 1)
	if err = errors.Join(err, badAsker); err != nil {
		return err
	}
	w.park(name, run, func(done func()) func() {
		return w.core.Wait(a, objs, want, timeout, limited, func(r Waited) {
			done()
			w.say("%s ready %v canceled=%t", name, r.Ready, r.Canceled)
		})
	})
	return nil
}

// abandon G: the get or wait of that name is given up.
func verbAbandon(w *world, c *golden.Call) error {
	name := c.Word()
	wait := w.waits[name]
	if wait == nil {
		return fmt.Errorf("nobody waits in %s", name)
	}
	delete(w.waits, name)
	if wait.run != nil {
		wait.run.waiting--
	}
	w.core.Do(wait.abandon)
	return nil
}

// drop A [by=T]: a handle of an actor, or of the return of a task, goes in the driver or where T runs.
func verbDrop(w *world, c *golden.Call) error {
	id, err := w.object(c.Word())
	p, gone := w.submitter(c.Opt("by", ""))
	if err = errors.Join(err, gone); err != nil {
		return err
	}
	if w.held[p][id] == 0 {
		return errors.New("it has no handle of that")
	}
	w.held[p][id]--
	w.core.Do(func() { p.Refs(nil, []ids.ObjectID{id}) })
	return nil
}

// release [W]: the driver, or a worker, lets all its handles go.
func verbRelease(w *world, c *golden.Call) error {
	p := w.driver
	for _, name := range c.Words() {
		k, err := w.worker(name)
		if err != nil || k.proc == nil {
			return fmt.Errorf("%s is not attached: %w", name, err)
		}
		p = k.proc
	}
	handles := slices.SortedFunc(maps.Keys(w.held[p]), func(a, b ids.ObjectID) int { return bytes.Compare(a[:], b[:]) })
	var all []ids.ObjectID
	for _, id := range handles {
		for range w.held[p][id] {
			all = append(all, id)
		}
	}
	delete(w.held, p)
	w.core.Do(func() { p.Refs(nil, all) })
	return nil
}

// sleep ms=N: time goes on.
func verbSleep(w *world, c *golden.Call) error {
	// The core's timers run in goroutines of their own: its lock orders what they do to the world and what the script does.
	w.core.Do(func() {})
	time.Sleep(time.Duration(c.Int("ms", 1)) * time.Millisecond)
	synctest.Wait()
	w.core.Do(func() {})
	return nil
}

// settled: nothing is under way.
func verbSettled(w *world, _ *golden.Call) error {
	w.broken = append(w.broken, w.rest())
	return nil
}

// idle: no task is without an outcome, and nobody waits.
func verbIdle(w *world, _ *golden.Call) error {
	var pending []string
	w.core.Do(func() {
		w.core.tasks.Each(func(e *task.Entry) {
			pending = append(pending, fmt.Sprintf("%s %s canceled=%t", w.names[e.Spec.ID], e.State, e.Canceled))
		})
	})
	if len(pending) > 0 || len(w.waits) > 0 {
		w.broken = append(w.broken, fmt.Errorf("it hangs: %v; waits %d; %+v", pending, len(w.waits), w.core.Counts()))
	}
	return nil
}

// empty: everything was let go of, and the core has nothing any more.
func verbEmpty(w *world, _ *golden.Call) error {
	w.core.Do(func() {
		core, c := w.core, w.core.Counts()
		for what, n := range map[string]int{"objects": c.Objects, "entries of refs": core.refs.Len(), "actors": c.Actors,
			"blocks with a ref": c.Blocks - c.BlocksWithoutRef, "kept tasks": core.lineage.Len(), "workers not idle": c.Workers - c.IdleWorkers,
			"queues to actors": len(core.callers), "waits in the store": core.store.Stats().Waiting} {
			if n != 0 {
				w.broken = append(w.broken, fmt.Errorf("there are %d %s: %+v", n, what, c))
			}
		}
		if !core.sched.Machine().Node().Idle() {
			w.broken = append(w.broken, fmt.Errorf("resources are missing: %s of %s", core.Info().Available, core.Info().Total))
		}
	})
	return nil
}

// why T: what the core says of what a task waits for.
func verbWhy(w *world, c *golden.Call) error {
	id, ok := w.tasks[c.Word()]
	if !ok {
		return fmt.Errorf("no such task")
	}
	var lines []Reason
	w.core.Do(func() { lines = w.core.Why(id) })
	for _, line := range lines {
		text := line.Text
		for id, name := range w.names {
			text = strings.ReplaceAll(text, shortTask(id), name)
		}
		w.say("%s%s", strings.Repeat("  ", line.Depth), text)
	}
	return nil
}
