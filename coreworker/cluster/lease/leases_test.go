package lease_test

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/mobula/mobula/coreworker/cluster/lease"
	"github.com/mobula/mobula/coreworker/cluster/raylet"
	"github.com/mobula/mobula/coreworker/ids"
	"github.com/mobula/mobula/coreworker/internal/golden"
	"github.com/mobula/mobula/coreworker/objects"
	"github.com/mobula/mobula/coreworker/peer"
	"github.com/mobula/mobula/coreworker/sched"
	"github.com/mobula/mobula/coreworker/submit"
	"github.com/mobula/mobula/coreworker/task"
)

// world is a host that writes down what it is to send, with a clock that stands still.
type world struct {
	l      *lease.Leases
	log    []string
	last   string // worker that was leased
	now    time.Duration
	timers []*timer
	wishes map[string]*submit.Request
	leases map[string]*submit.Lease
	nodes  map[raylet.Address]string
	at     map[string]raylet.Address // of each question that is out
}

type timer struct {
	due time.Duration
	fn  func()
}

func newWorld(*testing.T) *world {
	w := &world{wishes: map[string]*submit.Request{}, leases: map[string]*submit.Lease{}, nodes: map[raylet.Address]string{},
		at: map[string]raylet.Address{}}
	w.l = lease.New(w, w.node("here"), ids.DriverWorker(golden.Job))
	return w
}

func (w *world) node(name string) raylet.Address {
	a := raylet.Address{IP: name, Port: 1}
	copy(a.Node[:], name)
	w.nodes[a] = name
	return a
}

func (w *world) tell(format string, args ...any) { w.log = append(w.log, fmt.Sprintf(format, args...)) }

func number(id lease.ID) string { return fmt.Sprint("#", binary.LittleEndian.Uint32(id[:])) }

func id(number string) (id lease.ID, err error) {
	n, err := strconv.Atoi(strings.TrimPrefix(number, "#"))
	worker := ids.DriverWorker(golden.Job)
	binary.LittleEndian.PutUint32(id[:], uint32(n))
	copy(id[4:], worker[:])
	return id, err
}

func (w *world) Ask(a lease.Ask) {
	mode := ""
	if a.OrReject {
		mode = " or-reject"
	}
	w.at[number(a.ID)] = a.At
	w.tell("ask %s %s backlog=%d%s", number(a.ID), w.nodes[a.At], a.Backlog, mode)
}
func (w *world) Withdraw(at raylet.Address, id lease.ID) {
	w.tell("withdraw %s %s", number(id), w.nodes[at])
}
func (w *world) GiveBack(g lease.Grant, how lease.Ending) {
	w.tell("give-back %s to %s %s", g.Worker.IP, w.nodes[g.At], how)
}
func (w *world) Executor(l *submit.Lease, g lease.Grant) peer.Executor {
	w.leases[g.Worker.IP], w.last = l, g.Worker.IP
	l.Lost = func() { w.tell("lost %s", g.Worker.IP) }
	return nil
}
func (w *world) After(d time.Duration, fn func()) func() {
	t := &timer{w.now + d, fn}
	w.timers = append(w.timers, t)
	return func() { w.timers = slices.DeleteFunc(w.timers, func(o *timer) bool { return o == t }) }
}

// sleep lets time pass, timer by timer.
func (w *world) sleep(d time.Duration) {
	end := w.now + d
	for {
		slices.SortStableFunc(w.timers, func(a, b *timer) int { return int(a.due - b.due) })
		if len(w.timers) == 0 || w.timers[0].due > end {
			w.now = end
			return
		}
		t := w.timers[0]
		w.timers = w.timers[1:]
		w.now = t.due
		t.fn()
	}
}

func (w *world) said() string {
	out := strings.Join(w.log, "\n")
	w.log = nil
	return out
}

var errUnknown = errors.New("the script names nothing that there is")

func group(name string) (id ids.GroupID) {
	copy(id[:], name)
	return id
}

var script = golden.Script[*world]{
	New:   newWorld,
	Check: func(w *world) error { return w.l.Validate() },
	Verbs: map[string]golden.Verb[*world]{
		// wish NAME [env=E] [node=N] [group=G]: somebody wishes for a worker.
		"wish": func(w *world, c *golden.Call) (string, error) {
			name := c.Word()
			s := &task.Spec{Env: c.Opt("env", ""), Node: []byte(c.Opt("node", "")), Resources: sched.CPUs(1)}
			w.wishes[name] = &submit.Request{Resources: s.Resources, Env: s.Env, Spec: s, Place: sched.Place{Group: group(c.Opt("group", ""))},
				Granted: func(l *submit.Lease) { w.tell("granted %s wanted=%t", name, l.Wanted) },
				Failed: func(r peer.Reply) {
					kind, _ := objects.Metadata(r.Error.Metadata)
					w.tell("failed %s %s error=%d", name, r.End, kind)
				}}
			w.l.Request(w.wishes[name])
			return w.said(), nil
		},
		"ungroup": func(w *world, c *golden.Call) (string, error) {
			w.l.GroupRemoved(group(c.Word()))
			return w.said(), nil
		},
		// node-died WORKER: the node of the worker's raylet.
		"node-died": func(w *world, c *golden.Call) (string, error) {
			w.l.NodeDied(w.node(c.Word()).Node)
			return w.said(), nil
		},
		"unwish": func(w *world, c *golden.Call) (string, error) {
			w.l.Cancel(w.wishes[c.Word()])
			return w.said(), nil
		},
		// grant #N WORKER, elsewhere #N NODE, reject #N, cancel #N [for-good], unreachable #N: the answers of raylets.
		"grant": answer(func(w *world, id lease.ID, c *golden.Call) {
			w.l.Granted(lease.Grant{ID: id, At: w.at[number(id)], Worker: raylet.Address{IP: c.Word()}})
		}),
		"elsewhere":   answer(func(w *world, id lease.ID, c *golden.Call) { w.l.Elsewhere(id, w.node(c.Word())) }),
		"reject":      answer(func(w *world, id lease.ID, c *golden.Call) { w.l.Rejected(id) }),
		"unreachable": answer(func(w *world, id lease.ID, c *golden.Call) { w.l.Unreachable(id, "connection refused") }),
		"cancel": answer(func(w *world, id lease.ID, c *golden.Call) {
			var why *objects.Value
			if c.Flag("for-good") {
				v := objects.TaskUnschedulable("no node has it")
				why = &v
			}
			w.l.Canceled(id, why)
		}),
		// return WORKER [spent]: the submitter has nothing for it.
		"return": func(w *world, c *golden.Call) (string, error) {
			l := w.leases[c.Word()]
			if l == nil {
				return "", errUnknown
			}
			l.Spent = c.Flag("spent")
			w.l.Return(l)
			return w.said(), nil
		},
		// lost WORKER exiting|broken: the executor has seen its end.
		"lost": func(w *world, c *golden.Call) (string, error) {
			l, how := w.leases[c.Word()], lease.Broken
			if c.Word() == "exiting" {
				how = lease.Exiting
			}
			w.l.Lost(l, how)
			return w.said(), nil
		},
		"sleep": func(w *world, c *golden.Call) (string, error) {
			w.sleep(time.Duration(c.Int("ms", 0)) * time.Millisecond)
			return w.said(), nil
		},
		"close": func(w *world, c *golden.Call) (string, error) {
			w.l.Close()
			return w.said(), nil
		},
		"counts": func(w *world, c *golden.Call) (string, error) {
			wishes, asked, inUse, idle := w.l.Counts()
			return fmt.Sprintf("wishes=%d asked=%d in-use=%d idle=%d", wishes, asked, inUse, idle), nil
		},
	},
}

func answer(fn func(*world, lease.ID, *golden.Call)) golden.Verb[*world] {
	return func(w *world, c *golden.Call) (string, error) {
		id, err := id(c.Word())
		if err != nil {
			return "", err
		}
		fn(w, id, c)
		return w.said(), nil
	}
}

func TestScripts(t *testing.T) { script.Run(t, "testdata") }

// TestNoWorkerIsLost plays random histories: whatever comes in whatever order, in the end every worker that was granted has
// been given back once, and nothing is left.
func TestNoWorkerIsLost(t *testing.T) { simulate(t) }
