package actors_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mobula/mobula/coreworker/cluster/actors"
	"github.com/mobula/mobula/coreworker/ids"
	"github.com/mobula/mobula/coreworker/internal/golden"
	"github.com/mobula/mobula/coreworker/objects"
	"github.com/mobula/mobula/coreworker/peer"
	"github.com/mobula/mobula/coreworker/task"
	"github.com/mobula/mobula/proto/ray"
)

// world is a host that writes down what it is to send, with a clock that stands still.
type world struct {
	golden.Names
	d      *actors.Directory
	log    []string
	now    time.Duration
	timers []*timer
	tasks  *task.Manager
}

type timer struct {
	due time.Duration
	fn  func()
}

// process is an executor that only has a name.
type process struct {
	peer.Executor
	ip string
}

func (w *world) tell(format string, args ...any)         { w.log = append(w.log, fmt.Sprintf(format, args...)) }
func (w *world) Register(e *task.Entry)                  { w.tell("register %s", e.Spec.Actor) }
func (w *world) Create(e *task.Entry, _ []objects.Value) { w.tell("create %s", e.Spec.Actor) }
func (w *world) Watch(id ids.ActorID)                    { w.tell("watch %s", id) }
func (w *world) Kill(id ids.ActorID, noRestart bool)     { w.tell("kill %s no-restart=%t", id, noRestart) }
func (w *world) LetGo(id ids.ActorID)                    { w.tell("let-go %s", id) }
func (w *world) Executor(_ ids.ActorID, at *ray.Address) peer.Executor {
	return &process{ip: at.GetIpAddress()}
}
func (w *world) Changed(id ids.ActorID) { w.tell("changed %s %s", id, w.target(id)) }
func (w *world) Settle(e *task.Entry, v task.Verdict, _ peer.Reply) {
	w.tasks.Finish(e.Spec.ID)
	w.tell("settle %s %s", e.Spec.Actor, v)
}
func (w *world) After(d time.Duration, fn func()) func() {
	t := &timer{w.now + d, fn}
	w.timers = append(w.timers, t)
	return func() { w.timers = slices.DeleteFunc(w.timers, func(o *timer) bool { return o == t }) }
}

func (w *world) target(id ids.ActorID) string {
	t, ok := w.d.Target(id)
	if !ok {
		return "unknown"
	}
	out := t.State.String()
	if t.Executor != nil {
		out += " at " + t.Executor.(*process).ip
	}
	if t.Death.IsError {
		kind, _ := objects.Metadata(t.Death.Metadata)
		info, err := objects.ErrorInfo(t.Death)
		out += fmt.Sprintf(" error=%d %q %v", kind, info.GetErrorMessage(), err)
	}
	return out
}

func (w *world) said() (string, error) {
	out := strings.Join(w.log, "\n")
	w.log = nil
	return out, nil
}

// cause is the cause of death of that name.
func cause(name string) *ray.ActorDeathCause {
	switch name {
	case "killed":
		return &ray.ActorDeathCause{Context: &ray.ActorDeathCause_ActorDiedErrorContext{ActorDiedErrorContext: &ray.ActorDiedErrorContext{
			ErrorMessage: "ray.kill", Reason: ray.ActorDiedErrorContext_RAY_KILL}}}
	case "raised":
		return &ray.ActorDeathCause{Context: &ray.ActorDeathCause_CreationTaskFailureContext{CreationTaskFailureContext: &ray.RayException{SerializedException: []byte("e")}}}
	case "unschedulable":
		return &ray.ActorDeathCause{Context: &ray.ActorDeathCause_ActorUnschedulableContext{ActorUnschedulableContext: &ray.ActorUnschedulableContext{ErrorMessage: "no node"}}}
	case "oom":
		return &ray.ActorDeathCause{Context: &ray.ActorDeathCause_OomContext{OomContext: &ray.OomContext{ErrorMessage: "too much"}}}
	}
	return nil
}

var script = golden.Script[*world]{
	New: func(*testing.T) *world {
		w := &world{tasks: task.NewManager()}
		w.d = actors.New(w)
		return w
	},
	Check: func(w *world) error { return w.d.Validate() },
	Show:  func(w *world, answer string) string { return w.Show(answer) },
	Verbs: map[string]golden.Verb[*world]{
		// make A [canceled]: its creation is submitted.
		"make": func(w *world, c *golden.Call) (string, error) {
			id := w.Actor(c.Word())
			e, _ := w.tasks.Add(&task.Spec{Type: task.ActorCreation, ID: id.CreationTask(), Actor: id, Creation: &task.Creation{}}, ids.WorkerID{})
			e.Canceled = c.Flag("canceled")
			if err := w.d.Register(e); err != nil {
				return "", err
			}
			return w.said()
		},
		"meet": func(w *world, c *golden.Call) (string, error) {
			w.d.Meet(w.Actor(c.Word()), false)
			return w.said()
		},
		"ready": func(w *world, c *golden.Call) (string, error) {
			w.d.Create(w.Actor(c.Word()), nil)
			return w.said()
		},
		// registered A [refused], created A [at=IP] [cause=C] [refused]: answers of the GCS.
		"registered": func(w *world, c *golden.Call) (string, error) {
			var err error
			id := w.Actor(c.Word())
			if c.Flag("refused") {
				err = errors.New("the name is taken")
			}
			w.d.Registered(id, err)
			return w.said()
		},
		"created": func(w *world, c *golden.Call) (string, error) {
			var err error
			id := w.Actor(c.Word())
			if c.Flag("refused") {
				err = errors.New("the GCS is gone")
			}
			w.d.Created(id, &ray.Address{IpAddress: c.Opt("at", "")}, cause(c.Opt("cause", "")), err)
			return w.said()
		},
		// told A STATE [n=restarts] [at=IP] [cause=C]: what is published.
		"told": func(w *world, c *golden.Call) (string, error) {
			id := w.Actor(c.Word())
			w.d.Told(id, &ray.ActorTableData{State: ray.ActorTableData_ActorState(ray.ActorTableData_ActorState_value[c.Word()]), NumRestarts: int64(c.Int("n", 0)),
				Address: &ray.Address{IpAddress: c.Opt("at", "")}, DeathCause: cause(c.Opt("cause", ""))})
			return w.said()
		},
		// fails A: a call finds that the worker does not answer.
		"fails": func(w *world, c *golden.Call) (string, error) {
			id := w.Actor(c.Word())
			t, _ := w.d.Target(id)
			w.d.News(id, t.Executor, func() { w.tell("news of %s: %s", id, w.target(id)) })
			return w.said()
		},
		// late A: the same, by a call that was with a worker that the actor has left.
		"late": func(w *world, c *golden.Call) (string, error) {
			id := w.Actor(c.Word())
			w.d.News(id, &process{}, func() { w.tell("news of %s: %s", id, w.target(id)) })
			return w.said()
		},
		"sleep": func(w *world, c *golden.Call) (string, error) {
			w.now += time.Duration(c.Int("ms", 0)) * time.Millisecond
			due := w.timers
			w.timers = nil
			for _, t := range due {
				if t.due <= w.now {
					t.fn()
				} else {
					w.timers = append(w.timers, t)
				}
			}
			return w.said()
		},
		"kill": func(w *world, c *golden.Call) (string, error) {
			w.d.Kill(w.Actor(c.Word()), true)
			return w.said()
		},
		"out-of-scope": func(w *world, c *golden.Call) (string, error) {
			w.d.OutOfScope(w.Actor(c.Word()))
			return w.said()
		},
		"target": func(w *world, c *golden.Call) (string, error) { return w.target(w.Actor(c.Word())), nil },
	},
}

func TestScripts(t *testing.T) { script.Run(t, "testdata") }
