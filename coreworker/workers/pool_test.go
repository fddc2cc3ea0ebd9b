package workers

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/mobula/mobula/coreworker/ids"
)

// session is a pool whose workers run an entry of testdata/fakeworker.py.
type session struct {
	*testing.T
	*Pool
	mu  sync.Mutex
	out map[ids.WorkerID]string
	log strings.Builder
}

// packageEnv lets any python3 find the fake workers, and the real package behind testdata/mobula.
func packageEnv(t testing.TB) []string {
	t.Helper()
	real, err := filepath.Abs("../../python/mobula")
	if err != nil {
		t.Fatal(err)
	}
	fake, err := filepath.Abs("testdata")
	if err != nil {
		t.Fatal(err)
	}
	return []string{"PYTHONPATH=" + fake, "MOBULA_PACKAGE=" + real}
}

func newSession(t *testing.T, entry string, change ...func(*Config)) *session {
	t.Helper()
	options, err := json.Marshal(map[string]any{"entry": "fakeworker:" + entry, "job_id": "01000000", "namespace": "n"})
	if err != nil {
		t.Fatal(err)
	}
	s := &session{T: t, out: map[ids.WorkerID]string{}}
	cfg := Config{
		SocketPath: "/nonexistent", Token: strings.Repeat("ab", 32), ArenaFD: -1, PageFD: -1, SpillFD: -1,
		Options: options, Env: packageEnv(t),
		SessionDir: filepath.Join(t.TempDir(), "mobula-test-"+strings.ReplaceAll(t.Name(), "/", "-")),
		Logf: func(format string, args ...any) {
			s.mu.Lock()
			defer s.mu.Unlock()
			fmt.Fprintf(&s.log, format+"\n", args...)
		},
		OnOutput: func(id ids.WorkerID, printed Printed) {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.out[id] += string(printed.Lines) + "\n"
		},
	}
	for _, f := range change {
		f(&cfg)
	}
	if s.Pool, err = Start(cfg); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		s.Close(100 * time.Millisecond)
		if left := children(); len(left) > 0 {
			t.Errorf("children left: %v", left)
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		if t.Failed() {
			t.Logf("log:\n%s", &s.log)
		}
	})
	return s
}

type life struct {
	id      ids.WorkerID
	started chan *Worker
	died    chan Death
}

func (s *session) spawn(opts SpawnOptions) *life {
	l := &life{id: ids.NewWorkerID(), started: make(chan *Worker, 1), died: make(chan Death, 1)}
	s.Spawn(l.id, opts, func(w *Worker) { l.started <- w }, func(_ *Worker, d Death) { l.died <- d })
	return l
}

const patience = 60 * time.Second

func wait[T any](t *testing.T, c <-chan T, what string) T {
	t.Helper()
	select {
	case v := <-c:
		return v
	case <-time.After(patience):
		t.Fatalf("no %s after %v", what, patience)
		panic("unreachable")
	}
}

func (s *session) output(id ids.WorkerID) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.out[id]
}

// await polls: the output comes from another process, through a goroutine that has no signal for tests.
func (s *session) await(what string, ok func() bool) {
	s.Helper()
	for deadline := time.Now().Add(patience); !ok(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(deadline) {
			s.Fatalf("never: %s", what)
		}
	}
}

func TestWorkerLivesAndExits(t *testing.T) {
	for name, opts := range map[string]SpawnOptions{"forked": {}, "executed": {Exec: true}} {
		t.Run(name, func(t *testing.T) {
			s := newSession(t, "report")
			l := s.spawn(SpawnOptions{Exec: opts.Exec, Env: []string{"COLOUR=green"}})
			w := wait(t, l.started, "start")
			if w.ID() != l.id || w.PID() == 0 {
				t.Errorf("started as %v, pid %d", w.ID(), w.PID())
			}
			d := wait(t, l.died, "death")
			if d.Err != nil || d.ExitCode != 7 || d.Signal != 0 || d.PID != w.PID() || d.MaxRSSKiB == 0 {
				t.Errorf("death: %+v", d)
			}
			s.Close(0)
			var r map[string]any
			report := s.output(l.id)[strings.Index(s.output(l.id), "{"):]
			report, _, _ = strings.Cut(report, "\n")
			if err := json.Unmarshal([]byte(report), &r); err != nil {
				t.Fatalf("%v in %q", err, s.output(l.id))
			}
			want := map[string]any{
				"worker_id": l.id.String(), "ppid": float64(os.Getpid()), "pgid": float64(w.PID()),
				"pid": float64(w.PID()), "token": strings.Repeat("ab", 32), "colour": "green", "job_id": "01000000",
				"pdeathsig": float64(9), "sigint": "default_int_handler", "stdin": "/dev/null", "gc": true,
			}
			for key, value := range want {
				if r[key] != value {
					t.Errorf("%s is %v, want %v", key, r[key], value)
				}
			}
			if fds := r["fds"].([]any); len(fds) != 4+len(inheritable()) { // 0, 1, 2, ticket
				t.Errorf("open descriptors: %v", fds)
			}
			if d.StderrTail[0] != "to stderr" {
				t.Errorf("stderr tail: %q", d.StderrTail)
			}
		})
	}
}

// inheritable lists what the test binary was itself given beyond 0, 1, 2, and so gives on.
func inheritable() (fds []int) {
	for fd := 3; fd < 1024; fd++ {
		if flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); err == nil && flags&unix.FD_CLOEXEC == 0 {
			fds = append(fds, fd)
		}
	}
	return fds
}

func TestTicketsAreShared(t *testing.T) {
	for name, exec := range map[string]bool{"forked": false, "executed": true} {
		t.Run(name, func(t *testing.T) {
			s := newSession(t, "take_tickets")
			id := ids.NewWorkerID()
			died := make(chan Death, 1)
			var left int
			s.Spawn(id, SpawnOptions{Exec: exec},
				func(w *Worker) { _ = w.Tickets().Grant(5) },
				func(w *Worker, d Death) { left = w.Tickets().TakeAll(); died <- d })
			d := wait(t, died, "death")
			if d.ExitCode != 3 || left != 2 {
				t.Errorf("the worker took %d, the core %d; want 3 and 2 (%v)", d.ExitCode, left, d)
			}
		})
	}
}

func TestKillTakesTheGroup(t *testing.T) {
	s := newSession(t, "with_child")
	l := s.spawn(SpawnOptions{})
	w := wait(t, l.started, "start")
	s.await("child", func() bool { return strings.Contains(s.output(l.id), "child") })
	var child int
	fmt.Sscanf(s.output(l.id), "child %d", &child)
	w.Kill()
	d := wait(t, l.died, "death")
	if d.Signal != unix.SIGKILL || !d.Asked || d.OOM || d.ExitCode != -1 {
		t.Errorf("death: %+v", d)
	}
	s.await("end of the child", func() bool { return unix.Kill(child, 0) == unix.ESRCH })
	if err := w.Interrupt(); err != os.ErrProcessDone {
		t.Errorf("a dead worker was interrupted: %v", err)
	}
	w.Kill()
}

func TestExitTakesTheGroup(t *testing.T) {
	s := newSession(t, "leave_child")
	l := s.spawn(SpawnOptions{})
	d := wait(t, l.died, "death") // the child holds stdout open: its end must not be waited for
	if d.ExitCode != 0 {
		t.Errorf("death: %v", d)
	}
	var child int
	s.await("output", func() bool { n, _ := fmt.Sscanf(s.output(l.id), "child %d", &child); return n == 1 })
	s.await("end of the child", func() bool { return unix.Kill(child, 0) == unix.ESRCH })
}

func TestEscapedOrphanIsReapedAndKilledAtClose(t *testing.T) {
	s := newSession(t, "escape")
	l := s.spawn(SpawnOptions{})
	wait(t, l.died, "death")
	var quick, slow int
	s.await("output", func() bool {
		n, _ := fmt.Sscanf(s.output(l.id), "quick %d slow %d", &quick, &slow)
		return n == 2
	})
	s.await("reaping of the quick orphan", func() bool { return unix.Kill(quick, 0) == unix.ESRCH })
	if err := unix.Kill(slow, 0); err != nil {
		t.Errorf("the escaped child did not outlive its worker: %v", err)
	}
	s.Close(0)
	if err := unix.Kill(slow, 0); err != unix.ESRCH {
		t.Errorf("the escaped child outlived the pool: %v", err)
	}
}

func TestInterrupt(t *testing.T) {
	s := newSession(t, "sleep_until_interrupted")
	l := s.spawn(SpawnOptions{})
	w := wait(t, l.started, "start")
	s.await("sleep", func() bool { return strings.Contains(s.output(l.id), "asleep") })
	if err := w.Interrupt(); err != nil {
		t.Fatal(err)
	}
	if d := wait(t, l.died, "death"); d.ExitCode != 9 {
		t.Errorf("death: %v", d)
	}
}

func TestZygoteKilled(t *testing.T) {
	s := newSession(t, "sleep")
	first := wait(t, s.spawn(SpawnOptions{}).started, "start")
	for round := range 5 {
		s.Pool.mu.Lock()
		z := s.zygote
		s.Pool.mu.Unlock()
		var lives []*life
		for range 6 {
			lives = append(lives, s.spawn(SpawnOptions{}))
		}
		if z != nil {
			_ = z.fd.Signal(unix.SIGKILL)
		}
		for _, l := range lives {
			w := wait(t, l.started, "start after the zygote's death")
			if unix.Kill(w.PID(), 0) != nil {
				t.Errorf("round %d: started, yet not there", round)
			}
		}
	}
	if unix.Kill(first.PID(), 0) != nil {
		t.Error("a worker died with the zygote")
	}
}

func TestZygotesKilledYoungAreNoFailuresToStart(t *testing.T) {
	s := newSession(t, "sleep")
	for killed := 0; killed < maxZygoteFailures+2; {
		s.Pool.mu.Lock()
		z := s.zygote
		s.zygote = nil // so that the next one seen here is another
		s.Pool.mu.Unlock()
		if z != nil {
			_ = z.fd.Signal(unix.SIGKILL)
			killed++
		}
		runtime.Gosched()
	}
	wait(t, s.spawn(SpawnOptions{}).started, "start after many deaths")
}

// slayer is an interpreter whose starts leave a mark each and are killed, but for those after so many.
func slayer(t *testing.T, kills int) (interpreter string) {
	t.Helper()
	interpreter = filepath.Join(t.TempDir(), "python")
	text := fmt.Sprintf("#!/bin/sh\n[ \"$(wc -c <'%[1]s.marks')\" -ge %[2]d ] && exec python3 \"$@\"\necho -n x >>'%[1]s.marks'\nkill -9 $$\n",
		interpreter, kills)
	for name, content := range map[string]string{interpreter: text, interpreter + ".marks": ""} {
		if err := os.WriteFile(name, []byte(content), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	return interpreter
}

func TestZygotesKilledBeforeTheyAreReady(t *testing.T) {
	s := newSession(t, "sleep", func(c *Config) {
		c.Python, c.longestPause = slayer(t, maxSlainYoung+5), firstPause
	})
	wait(t, s.spawn(SpawnOptions{}).started, "start after many deaths")
}

func TestZygotesOfWhichNoneBecomesReady(t *testing.T) {
	const kills = maxSlainYoung + 15
	s := newSession(t, "sleep", func(c *Config) {
		c.Python, c.longestPause, c.SlainPatience = slayer(t, kills), firstPause, time.Millisecond
	})
	// Who waits is told, and so is who asks then, until one start is not killed.
	for told := 0; ; told++ {
		l := s.spawn(SpawnOptions{})
		select {
		case <-l.started:
			if told == 0 || told > kills {
				t.Errorf("%d births were told", told)
			}
			return
		case d := <-l.died:
			if d.Err == nil || !strings.Contains(d.Err.Error(), "zygotes in a row were killed before they were ready") {
				t.Fatalf("death: %v", d)
			}
		case <-time.After(patience):
			t.Fatal("neither a start nor a death")
		}
	}
}

func TestThreadInZygoteMeansExec(t *testing.T) {
	s := newSession(t, "report", func(c *Config) {
		c.Env = append(c.Env, "FAKE_THREAD=1")
	})
	for range 2 {
		if d := wait(t, s.spawn(SpawnOptions{}).died, "death"); d.ExitCode != 7 {
			t.Errorf("death: %v\n%s", d, strings.Join(d.StderrTail, "\n"))
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if n := strings.Count(s.log.String(), "fake-thread"); n != 1 {
		t.Errorf("the reason was said %d times:\n%s", n, &s.log)
	}
}

func TestZygoteThatCannotStart(t *testing.T) {
	s := newSession(t, "report", func(c *Config) { c.Options = json.RawMessage(`{"sys_path": ["/nonexistent"]}`) })
	d := wait(t, s.spawn(SpawnOptions{}).died, "death")
	if d.Err == nil || !strings.Contains(d.Err.Error(), "mobula") || !strings.Contains(d.Err.Error(), "exited with code 1") {
		t.Errorf("death: %v", d)
	}
	if d := wait(t, s.spawn(SpawnOptions{}).died, "death"); d.Err == nil {
		t.Errorf("death: %v", d)
	}
}

func TestZygoteThatCanStartAgain(t *testing.T) {
	folder := t.TempDir()
	mended, interpreter := filepath.Join(folder, "mended"), filepath.Join(folder, "python")
	text := fmt.Sprintf("#!/bin/sh\n[ -e '%s' ] || exit 3\nexec python3 \"$@\"\n", mended)
	if err := os.WriteFile(interpreter, []byte(text), 0o700); err != nil {
		t.Fatal(err)
	}
	s := newSession(t, "report", func(c *Config) { c.Python = interpreter })
	for range 2 {
		if d := wait(t, s.spawn(SpawnOptions{}).died, "death"); d.Err == nil || !strings.Contains(d.Err.Error(), "code 3") {
			t.Errorf("death: %v", d)
		}
	}
	if err := os.WriteFile(mended, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if d := wait(t, s.spawn(SpawnOptions{}).died, "death"); d.Err != nil || d.ExitCode != 7 {
		t.Errorf("what was wrong is mended, but: %v", d)
	}
}

func TestEndlessPrinterIsBoundedAndBlocksNobody(t *testing.T) {
	release := make(chan struct{})
	var once sync.Once
	var mu sync.Mutex
	missing := false
	s := newSession(t, "print_for_ever", func(c *Config) {
		c.OnOutput = func(_ ids.WorkerID, printed Printed) {
			<-release
			mu.Lock()
			defer mu.Unlock()
			missing = missing || strings.Contains(string(printed.Lines), "lines are missing here")
		}
	})
	defer once.Do(func() { close(release) })
	printed := filepath.Join(t.TempDir(), "printed")
	l := s.spawn(SpawnOptions{Env: []string{"PRINTED=" + printed}})
	w := wait(t, l.started, "start")
	// Nobody takes it, and the printer is not held up all the same.
	s.await("twice as much as is kept", func() bool { _, err := os.Stat(printed); return err == nil })
	w.Kill()
	d := wait(t, l.died, "death")
	if len(d.StderrTail) != 20 {
		t.Errorf("tail of %d lines", len(d.StderrTail))
	}
	once.Do(func() { close(release) })
	s.await("the count of what was dropped", func() bool { mu.Lock(); defer mu.Unlock(); return missing })
}

func TestCloseLadder(t *testing.T) {
	s := newSession(t, "ignore_term")
	polite, stubborn := s.spawn(SpawnOptions{Env: []string{"POLITE=1"}}), s.spawn(SpawnOptions{})
	for _, l := range []*life{polite, stubborn} {
		wait(t, l.started, "start")
		s.await("handler", func() bool { return strings.Contains(s.output(l.id), "set") })
	}
	late := make(chan Death, 1)
	s.Close(300 * time.Millisecond)
	if d := wait(t, polite.died, "death"); d.ExitCode != 5 {
		t.Errorf("asked to end: %v", d)
	}
	if d := wait(t, stubborn.died, "death"); d.Signal != unix.SIGKILL || !d.Asked {
		t.Errorf("would not end: %v", d)
	}
	s.Spawn(ids.NewWorkerID(), SpawnOptions{}, nil, func(_ *Worker, d Death) { late <- d })
	if d := wait(t, late, "refusal"); d.Err != ErrClosed {
		t.Errorf("spawned after the end: %v", d)
	}
}

func TestCloseWhileSpawning(t *testing.T) {
	for delay := range 6 {
		s := newSession(t, "sleep")
		var lives []*life
		for i := range 30 {
			lives = append(lives, s.spawn(SpawnOptions{Exec: i%10 == 9}))
		}
		time.Sleep(time.Duration(delay) * 60 * time.Millisecond)
		s.Close(0)
		for _, l := range lives {
			wait(t, l.died, "one death each")
			if len(l.died) != 0 {
				t.Error("died twice")
			}
		}
	}
}

func TestNoDescriptorLeaks(t *testing.T) {
	count := func() int {
		entries, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			t.Fatal(err)
		}
		return len(entries)
	}
	run := func() {
		s := newSession(t, "report")
		for i := range 20 {
			wait(t, s.spawn(SpawnOptions{Exec: i == 3}).died, "death")
		}
		s.Close(0)
	}
	run()
	before := count()
	run()
	if after := count(); after > before {
		t.Errorf("%d descriptors, then %d", before, after)
	}
}

func BenchmarkForkAndExit(b *testing.B) {
	p, err := Start(Config{Token: "00", ArenaFD: -1, PageFD: -1, SpillFD: -1,
		Options: json.RawMessage(`{"entry":"fakeworker:nothing"}`), Env: packageEnv(b)})
	if err != nil {
		b.Fatal(err)
	}
	defer p.Close(0)
	one := func() {
		died := make(chan Death, 1)
		p.Spawn(ids.NewWorkerID(), SpawnOptions{}, nil, func(_ *Worker, d Death) { died <- d })
		if d := <-died; d.Err != nil {
			b.Fatal(d)
		}
	}
	one()
	for b.Loop() {
		one()
	}
}
