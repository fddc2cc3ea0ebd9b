package coreworker

import (
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mobula/mobula/coreworker/task"
)

// TestSimulation lets everything happen in any order: tasks, actors, calls, cancels of all kinds, gets, deaths of
// processes and of lanes, handles that go, results that are long under way, come twice, or are lost with their process. What
// it does are lines of a script, so the invariants of the scripts hold
// after each; at the end everything is brought to rest and nothing may be left. A failing seed prints its script: put it
// into testdata, make it shorter, keep it.
//
// In `make test` it runs for three seconds under the race detector, always from seed 1: a change is not blamed for a seed that it
// did not break.
//
//	MOBULA_SIM_SECONDS=60  how long; MOBULA_SIM_SEED=7  only this one
func TestSimulation(t *testing.T) {
	seconds, seed := env(t, "MOBULA_SIM_SECONDS", 3), env(t, "MOBULA_SIM_SEED", -1)
	if seed >= 0 {
		simulate(t, uint64(seed), 300)
		return
	}
	start := uint64(1)
	if os.Getenv("MOBULA_SIM_SECONDS") != "" {
		start = rand.Uint64() >> 16
	}
	end := time.Now().Add(time.Duration(seconds) * time.Second)
	n := 0
	for s := start; time.Now().Before(end) && !t.Failed(); s++ {
		simulate(t, s, 40+int(s%200))
		n++
	}
	t.Logf("%d seeds from %d", n, start)
}

func env(t *testing.T, name string, otherwise int) int {
	text := os.Getenv(name)
	if text == "" {
		return otherwise
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return n
}

type sim struct {
	t     *testing.T
	w     *world
	rng   *rand.Rand
	seed  uint64
	lines []string
	trace []string // what each line was answered
	tasks []string
	acts  []string
	group string          // the placement group that was made last, if it was not removed
	leafs map[string]bool // tasks that need nothing and wait for nothing: waiting for them always ends
	n     int
}

func simulate(t *testing.T, seed uint64, steps int) (s *sim) {
	synctest.Test(t, func(t *testing.T) {
		s = &sim{t: t, rng: rand.New(rand.NewPCG(seed, 1)), seed: seed, leafs: map[string]bool{}, w: newWorld(t)}
		s.do("init cpus=3")
		for range steps {
			s.step()
		}
		s.finish()
	})
	return s
}

// do runs a line and fails with the whole script when something does not hold.
func (s *sim) do(format string, args ...any) {
	line := fmt.Sprintf(format, args...)
	s.lines = append(s.lines, line)
	answer, err := script.Do(s.w, line)
	s.trace = append(s.trace, answer)
	if err != nil {
		s.fail(err)
	}
}

func (s *sim) fail(err error) {
	s.t.Fatalf("seed %d: %v\n\nThe script, for testdata:\n# Simulation, seed %d: say what it shows.\n\n%s\n----\n",
		s.seed, err, s.seed, strings.Join(s.lines, "\n----\n\n"))
}

func (s *sim) chance(percent int) bool { return s.rng.IntN(100) < percent }

func one[T any](s *sim, from []T) (x T, ok bool) {
	if len(from) == 0 {
		return x, false
	}
	return from[s.rng.IntN(len(from))], true
}

// opt is text with the given chance.
func (s *sim) opt(percent int, text string) string {
	if s.chance(percent) {
		return " " + text
	}
	return ""
}

// runs lists what runs and is able to do something.
func (s *sim) runs(fit func(*fakeRun) bool) []*fakeRun {
	var out []*fakeRun
	for _, k := range s.w.workers {
		for _, l := range k.lanes {
			for _, r := range l.running {
				if !k.killed && !k.dead && !l.gone && fit(r) {
					out = append(out, r)
				}
			}
		}
	}
	return out
}

func (s *sim) alive(fit func(*fakeWorker) bool) []*fakeWorker {
	return slices.DeleteFunc(slices.Clone(s.w.workers), func(k *fakeWorker) bool { return k.dead || !fit(k) })
}

func (s *sim) name(r *fakeRun) string { return s.w.names[r.Spec.ID] }

// known lists objects that somebody may still name.
func (s *sim) known() []string {
	var out []string
	s.w.core.Do(func() {
		for _, name := range s.tasks {
			if s.w.core.refs.Known(s.w.tasks[name].Return(1)) {
				out = append(out, name)
			}
		}
	})
	return out
}

func (s *sim) needs(percent int) string {
	if !s.chance(percent) {
		return ""
	}
	known := s.known()
	a, ok := one(s, known)
	if !ok {
		return ""
	}
	if b, _ := one(s, known); b != a && s.chance(30) {
		a += "+" + b
	}
	return " needs=" + a
}

// told says at times that a run knows of its cancel, which it does not while the news is on its way.
func (s *sim) told(r *fakeRun) string {
	if r.told || r.lane.word == r.Epoch {
		return s.opt(60, "told")
	}
	return ""
}

// parent is a running task, or the driver.
func (s *sim) parent() string {
	if r, ok := one(s, s.runs(func(r *fakeRun) bool { return r.waiting == 0 })); ok && s.chance(40) {
		return " parent=" + s.name(r) + s.told(r)
	}
	return ""
}

func (s *sim) step() {
	switch p := s.rng.IntN(100); {
	case p < 14:
		s.submit()
	case p < 18:
		s.actor()
	case p < 28:
		s.call()
	case p < 36:
		s.attach()
	case p < 52:
		s.begin()
	case p < 66:
		s.end()
	case p < 69:
		s.post()
	case p < 76:
		if name, ok := one(s, append(slices.Clone(s.tasks), s.acts...)); ok {
			s.do("cancel %s%s%s", name, s.opt(30, "force"), s.opt(40, "recursive"))
		}
	case p < 81:
		s.block()
	case p < 84:
		s.ask()
	case p < 87:
		s.do("sleep ms=%d", 1+s.rng.IntN(4)*s.rng.IntN(8))
	case p < 89:
		s.drop()
	case p < 90:
		s.lose()
	case p < 91:
		s.pgroup()
	case p < 93:
		if a, ok := one(s, s.acts); ok {
			s.do("kill %s%s", a, s.opt(50, "restart"))
		}
	case p < 96:
		if k, ok := one(s, s.alive(func(k *fakeWorker) bool { return k.killed || k.leaving || s.chance(30) })); ok {
			never := ""
			if k.proc == nil && s.chance(20) {
				never = " never"
			}
			s.do("die %s%s", k.name, never)
		}
	case p < 97:
		if k, ok := one(s, s.alive(func(k *fakeWorker) bool { return !k.killed && len(k.lanes) > 0 })); ok && s.chance(30) {
			if n := s.rng.IntN(len(k.lanes)); !k.lanes[n].gone {
				s.do("detach %s lane=%d", k.name, n)
			}
		}
	default:
		var waits []string
		for name := range s.w.waits {
			if strings.HasPrefix(name, "g") {
				waits = append(waits, name)
			}
		}
		slices.Sort(waits)
		if g, ok := one(s, waits); ok {
			s.do("abandon %s", g)
		}
	}
}

func (s *sim) submit() {
	s.n++
	name := fmt.Sprintf("t%d", s.n)
	needs := s.needs(35)
	cpus := s.rng.IntN(3)
	s.leafs[name] = needs == "" && s.chance(60)
	if s.leafs[name] {
		cpus = min(cpus, 1)
	}
	place := ""
	if s.group != "" && !s.leafs[name] {
		place = s.opt(30, "pg="+s.group)
	}
	s.do("submit %s cpus=%d retries=%d%s%s%s", name, cpus, s.rng.IntN(3), needs, s.parent(), place)
	s.tasks = append(s.tasks, name)
}

func (s *sim) actor() {
	s.n++
	name := fmt.Sprintf("A%d", s.n)
	kind := [...]string{"", " threads=3", " threads=2 in_order", " async threads=4", " group=io"}[s.rng.IntN(5)]
	cpus := 0
	if len(s.acts) == 0 {
		cpus = 1 // one of them keeps what it takes; the rest must always find room
	}
	place := ""
	if s.group != "" && cpus == 0 {
		place = s.opt(20, "pg="+s.group)
	}
	s.do("actor %s%s restarts=%d cpus=%d placement=%d%s%s%s%s", name, kind, s.rng.IntN(3), cpus, s.rng.IntN(3), s.needs(20),
		s.parent(), place, s.opt(15, fmt.Sprintf("named=n%d%s", s.rng.IntN(2), s.opt(50, "detached"))))
	if s.w.actors[name] == s.w.tasks[name].Actor() {
		s.acts = append(s.acts, name)
	}
}

// pgroup makes a placement group or removes the one that is there: two at once could take all that leafs need.
func (s *sim) pgroup() {
	if s.group != "" {
		s.do("ungroup %s", s.group)
		s.group = ""
		return
	}
	s.n++
	s.group = fmt.Sprintf("G%d", s.n)
	bundles := [...]string{"1", "0.5+0.5", "5", "1 strategy=STRICT_SPREAD", "0.5+0.5 strategy=STRICT_SPREAD"}[s.rng.IntN(5)]
	s.do("pgroup %s bundles=%s", s.group, bundles)
	s.do("ready r%d pg=%s", s.n, s.group)
	s.tasks = append(s.tasks, fmt.Sprintf("r%d", s.n))
}

func (s *sim) call() {
	a, ok := one(s, s.acts)
	if !ok {
		return
	}
	s.n++
	name := fmt.Sprintf("%s.m%d", a, s.n)
	s.do("call %s retries=%d%s%s%s", name, s.rng.IntN(3), s.needs(25), s.parent(), s.opt(30, "group=io"))
	s.tasks = append(s.tasks, name)
}

func (s *sim) attach() {
	k, ok := one(s, s.alive(func(k *fakeWorker) bool { return !k.killed && (k.proc == nil || len(k.wanted) > 0) }))
	if ok {
		s.attachLane(k)
	}
}

func (s *sim) attachLane(k *fakeWorker) {
	if k.proc == nil || k.lanes[0].gone {
		if k.proc == nil {
			s.do("attach %s", k.name)
		}
		return
	}
	line := "attach " + k.name
	if k.wanted[0] != "" {
		line += " group=" + k.wanted[0]
	}
	if k.async {
		line += " loop"
	}
	s.do("%s", line)
}

// stashes lists lanes that could begin something.
func (s *sim) stashes() (out []string) {
	for _, k := range s.alive(func(k *fakeWorker) bool { return !k.killed }) {
		for i, l := range k.lanes {
			busy := len(l.running) > 0 && !l.loop
			if len(l.stash) > 0 && !l.gone && !busy {
				out = append(out, fmt.Sprintf("%s lane=%d", k.name, i))
			}
		}
	}
	return out
}

func (s *sim) begin() {
	if where, ok := one(s, s.stashes()); ok {
		s.do("begin %s", where)
	}
}

func (s *sim) end() {
	r, ok := one(s, s.runs(func(r *fakeRun) bool { return r.waiting == 0 || r.told }))
	if !ok {
		return
	}
	how := ""
	switch p := s.rng.IntN(100); {
	case r.told && p < 40 || r.waiting > 0:
		how = " stopped"
	case p < 60:
		if r.Spec.Type != task.ActorCreation {
			how = s.opt(40, "large")
		}
	case p < 75:
		how = " error"
	case p < 95:
		how = " error retryable"
	case r.Spec.Type == task.ActorMethod:
		how = " left"
	}
	s.do("end %s%s%s", s.name(r), how, s.opt(25, "late"))
}

// post lets a result that is under way arrive, or one that has arrived come once more.
func (s *sim) post() {
	if k, ok := one(s, s.alive(func(k *fakeWorker) bool { return len(k.late) > 0 })); ok && s.chance(80) {
		s.do("arrive %s", k.name)
	} else if k, ok := one(s, s.alive(func(k *fakeWorker) bool { return k.last != nil })); ok {
		s.do("again %s", k.name)
	}
}

func (s *sim) block() {
	r, ok := one(s, s.runs(func(r *fakeRun) bool { return r.waiting == 0 && !r.lane.loop && !s.leafs[s.name(r)] }))
	if !ok {
		return
	}
	leafs := slices.DeleteFunc(s.known(), func(name string) bool { return !s.leafs[name] })
	if on, ok := one(s, leafs); ok {
		s.do("block %s on=%s%s", s.name(r), on, s.told(r))
	}
}

func (s *sim) ask() {
	known := s.known()
	if len(known) == 0 {
		return
	}
	s.n++
	var on []string
	for range 1 + s.rng.IntN(4) {
		name, _ := one(s, known)
		on = append(on, name)
	}
	limit := s.opt(30, fmt.Sprintf("ms=%d", s.rng.IntN(20)))
	if s.chance(50) {
		s.do("ask g%d on=%s%s", s.n, strings.Join(on, "+"), limit)
	} else {
		s.do("wait g%d on=%s want=%d%s", s.n, strings.Join(on, "+"), 1+s.rng.IntN(len(on)), limit)
	}
}

func (s *sim) drop() {
	var held []string
	for _, name := range append(slices.Clone(s.tasks), s.acts...) {
		if s.w.held[s.w.driver][s.w.tasks[name].Return(1)] > 0 {
			held = append(held, name)
		}
	}
	if name, ok := one(s, held); ok {
		s.do("drop %s", name)
	}
}

// lose loses a large value.
func (s *sim) lose() {
	large := slices.DeleteFunc(s.known(), func(name string) bool {
		v, _ := s.w.core.store.Get(s.w.tasks[name].Return(1))
		return v.Block == nil
	})
	if name, ok := one(s, large); ok {
		s.leafs[name] = false // it may need others, to be made again
		s.do("lose %s", name)
	}
}

// finish brings everything to rest and looks at what is left.
func (s *sim) finish() {
	if s.group != "" {
		s.pgroup() // what waits in it would wait for ever where the machine can never hold it
	}
	s.drive()
	s.do("idle")
	for _, a := range s.acts {
		s.do("kill %s", a) // detached ones need more than the end of their handles
	}
	s.do("release")
	for _, k := range s.alive(func(k *fakeWorker) bool { return k.proc != nil && !k.killed }) {
		s.do("release %s", k.name)
	}
	s.drive()
	s.do("settled")
	s.do("empty")
}

// drive lets everything go on until nothing moves.
func (s *sim) drive() {
	for calm := 0; calm < 3; {
		before := len(s.lines)
		for _, k := range s.alive(func(k *fakeWorker) bool { return len(k.late) > 0 }) {
			s.do("arrive %s", k.name)
		}
		for _, k := range s.alive(func(k *fakeWorker) bool { return true }) {
			running := slices.ContainsFunc(k.lanes, func(l *fakeLane) bool { return len(l.running) > 0 })
			if k.killed || k.leaving && !running {
				s.do("die %s", k.name)
			}
		}
		for _, k := range s.alive(func(k *fakeWorker) bool { return k.proc == nil || len(k.wanted) > 0 }) {
			s.attachLane(k)
		}
		for _, where := range s.stashes() {
			s.do("begin %s", where)
		}
		for _, r := range s.runs(func(r *fakeRun) bool { return r.waiting == 0 || r.told }) {
			how := ""
			if r.told {
				how = " stopped"
			}
			if s.w.running(s.name(r)) == r {
				s.do("end %s%s", s.name(r), how)
			}
		}
		if calm++; len(s.lines) > before {
			calm = 0
		}
		s.do("sleep ms=%d", [...]int{3, 3, 1100}[min(calm, 2)])
	}
}
