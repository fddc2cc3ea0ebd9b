package coreworker

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"

	"github.com/mobula/mobula/coreworker/ids"
	"github.com/mobula/mobula/coreworker/peer"
	"github.com/mobula/mobula/coreworker/sched"
	"github.com/mobula/mobula/coreworker/task"
)

// TestScripts plays the golden scripts of testdata: one behaviour a file, both orders of every race. After each the
// invariants hold and nothing is left. `go test -run Scripts -rewrite` writes what happened into the files: commit a
// difference only if you understand it.
func TestScripts(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no scripts: %v", err)
	}
	for _, path := range files {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".txt"), func(t *testing.T) {
			var w *world
			datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
				if d.Cmd == "init" {
					cpus := 2
					d.MaybeScanArgs(t, "cpus", &cpus)
					w = newWorld(t, cpus)
					return ""
				}
				verb := verbs[d.Cmd]
				if verb == nil {
					d.Fatalf(t, "no verb %s", d.Cmd)
				}
				verb(t, w, d)
				return w.take()
			})
			w.settled(false)
			w.core.Close()
		})
	}
}

type verb func(*testing.T, *world, *datadriven.TestData)

// verbs of the scripts; the first argument is the name of a task, worker or actor.
var verbs = map[string]verb{
	"attach": verbAttach, "submit": verbSubmit, "actor": verbActor, "call": verbCall, "begin": verbBegin, "end": verbEnd,
	"cancel": verbCancel, "die": verbDie, "get": verbGet, "state": verbState, "kill": verbKill, "block": verbBlock,
	"drop": verbDrop, "wait": verbWait, "settled": verbSettled,
}

func name(d *datadriven.TestData) string { return d.CmdArgs[0].Key }

func str(t *testing.T, d *datadriven.TestData, key string) string {
	var s string
	d.MaybeScanArgs(t, key, &s)
	return s
}

func num(t *testing.T, d *datadriven.TestData, key string, otherwise int) int {
	d.MaybeScanArgs(t, key, &otherwise)
	return otherwise
}

// attach W [group=G] [loop]: a worker's first lane, or one that was asked for.
func verbAttach(t *testing.T, w *world, d *datadriven.TestData) {
	w.worker(name(d)).attach(str(t, d, "group"), d.HasArg("loop"))
}

func dependencies(t *testing.T, w *world, d *datadriven.TestData, s *task.Spec) {
	if deps := str(t, d, "needs"); deps != "" {
		for dep := range strings.SplitSeq(deps, "+") {
			s.Args = append(s.Args, task.Arg{IsRef: true, Ref: w.tasks[dep].Return(1)})
		}
	}
}

// submit T [cpus=N] [needs=A+B] [parent=T] [retries=N]
func verbSubmit(t *testing.T, w *world, d *datadriven.TestData) {
	parent := str(t, d, "parent")
	s := w.spec(name(d), task.Normal, parent)
	s.Resources = sched.CPUs(num(t, d, "cpus", 1))
	s.MaxRetries = num(t, d, "retries", 0)
	dependencies(t, w, d, s)
	w.core.Do(func() { w.submitter(parent).Submit(s) })
}

// actor A [threads=N] [async] [restarts=N] [parent=T] [cpus=N] [needs=A]
func verbActor(t *testing.T, w *world, d *datadriven.TestData) {
	parent := str(t, d, "parent")
	s := w.spec(name(d), task.ActorCreation, parent)
	s.Actor = w.actorID(name(d))
	s.ID = s.Actor.CreationTask()
	w.tasks[name(d)], w.names[s.ID] = s.ID, name(d)
	s.Resources = sched.CPUs(num(t, d, "cpus", 0))
	s.Creation = &task.Creation{MaxConcurrency: num(t, d, "threads", 1), Asyncio: d.HasArg("async"),
		MaxRestarts: num(t, d, "restarts", 0), ClassName: name(d)}
	s.Creation.OutOfOrder = s.Creation.Asyncio || s.Creation.MaxConcurrency > 1
	dependencies(t, w, d, s)
	w.core.Do(func() {
		p := w.submitter(parent)
		p.Submit(s)
		p.Refs([]ids.ObjectID{s.Actor.Handle()}, nil)
	})
}

// call A.m [needs=T] [parent=T] [retries=N]
func verbCall(t *testing.T, w *world, d *datadriven.TestData) {
	actor, _, _ := strings.Cut(name(d), ".")
	parent := str(t, d, "parent")
	s := w.spec(name(d), task.ActorMethod, parent)
	s.Actor = w.actors[actor]
	copy(s.ID[8:], s.Actor[:])
	w.tasks[name(d)], w.names[s.ID] = s.ID, name(d)
	s.Resources = sched.Resources{}
	s.MaxRetries = num(t, d, "retries", 0)
	dependencies(t, w, d, s)
	w.core.Do(func() { w.submitter(parent).Submit(s) })
}

// begin W [lane=N]: the shim takes its next task.
func verbBegin(t *testing.T, w *world, d *datadriven.TestData) {
	if !w.worker(name(d)).lanes[num(t, d, "lane", 0)].begin() {
		w.say("%s has nothing to do", name(d))
	}
}

// end T [error] [retryable] [stopped] [left]: its run ends.
func verbEnd(t *testing.T, w *world, d *datadriven.TestData) {
	r := reply(d)
	if !w.finish(w.tasks[name(d)], r) {
		w.say("%s does not run", name(d))
	}
}

func reply(d *datadriven.TestData) peer.Reply {
	switch {
	case d.HasArg("error"):
		r := userError()
		r.Retryable = d.HasArg("retryable")
		return r
	case d.HasArg("stopped"):
		return peer.Reply{End: task.Stopped}
	case d.HasArg("left"):
		return peer.Reply{End: task.LeftActor}
	}
	return peer.Reply{End: task.OK}
}

// cancel T [force] [recursive]
func verbCancel(t *testing.T, w *world, d *datadriven.TestData) {
	w.core.Do(func() { w.core.Cancel(w.tasks[name(d)].Return(1), d.HasArg("force"), d.HasArg("recursive")) })
}

// die W
func verbDie(t *testing.T, w *world, d *datadriven.TestData) {
	w.worker(name(d)).die(Obituary{Text: "killed by the script"})
}

// get T …
func verbGet(t *testing.T, w *world, d *datadriven.TestData) {
	for _, a := range d.CmdArgs {
		w.say("%s: %s", a.Key, w.outcome(a.Key))
	}
}

// state: every task without an outcome.
func verbState(t *testing.T, w *world, d *datadriven.TestData) {
	w.say("%s", strings.TrimSpace(w.state()))
}

// kill A [restart]
func verbKill(t *testing.T, w *world, d *datadriven.TestData) {
	w.core.Do(func() { w.core.KillActor(w.actors[name(d)], !d.HasArg("restart")) })
}

// block T on=U: the running task T waits for U's value in get.
func verbBlock(t *testing.T, w *world, d *datadriven.TestData) {
	who, on := name(d), str(t, d, "on")
	for _, k := range w.workers {
		for _, l := range k.lanes {
			for _, r := range l.running {
				if r.Spec.ID != w.tasks[name(d)] {
					continue
				}
				a := Asker{Process: k.proc, Lane: l.lane, Task: r.Spec.ID, HasTask: true}
				w.core.Do(func() {
					w.core.Get(a, []ids.ObjectID{w.tasks[on].Return(1)}, 0, false, func(f Fetched) {
						w.say("%s got %s: canceled=%t failed=%t", who, on, f.Canceled, f.Failed)
					})
				})
				return
			}
		}
	}
	d.Fatalf(t, "%s does not run", name(d))
}

// drop A: the driver's handle of the actor goes.
func verbDrop(t *testing.T, w *world, d *datadriven.TestData) {
	w.core.Do(func() { w.driver.Refs(nil, []ids.ObjectID{w.actors[name(d)].Handle()}) })
}

// wait: for what the core does by its own timers.
func verbWait(t *testing.T, w *world, d *datadriven.TestData) { w.later(2 * time.Second) }

// settled: nothing is under way.
func verbSettled(t *testing.T, w *world, d *datadriven.TestData) { w.settled(true) }
