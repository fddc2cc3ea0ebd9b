package workers

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"github.com/mobula/mobula/coreworker/ids"
	"github.com/mobula/mobula/coreworker/workers/pidfd"
)

// ErrClosed is the Death.Err of a worker that was asked for when the pool was closing.
var ErrClosed = errors.New("the worker pool is closed")

// Pool owns the processes of one session.
type Pool struct {
	cfg      Config
	launcher *launcher
	outlet   *outlet
	oom      *oomWatch
	handler  atomic.Pointer[func(ids.WorkerID, Printed)]
	running  sync.WaitGroup // every goroutine but keepZygote, the launcher's and the outlet's, which end after it
	keeping  sync.WaitGroup // keepZygote, which lasts as long as the zygote

	mu       sync.Mutex
	closed   bool
	execOnly bool // the zygote may not fork: it has threads
	zygote   *zygote
	waiting  []*birth                // not handed to the zygote yet
	sent     map[ids.WorkerID]*birth // handed to it
	workers  map[ids.WorkerID]*Worker
	prepared map[environment]prepared // environments that are set up
	jobs     map[ids.JobID]jobConfig

	wish      chan struct{} // one token: births have come to wait since the last that were failed
	stop      chan struct{} // closed by Close
	settled   chan struct{} // closed by keepZygote: no birth is under way, and none comes
	settle    func()
	emptied   chan struct{} // closed by Close: the zygote is the last one
	closeOnce sync.Once
	finished  chan struct{}
}

// Start begins a session's pool and its zygote, without waiting for the zygote. Close must follow.
func Start(cfg Config) (*Pool, error) {
	if cfg.Python == "" {
		cfg.Python = "python3"
	}
	python, err := exec.LookPath(cfg.Python)
	if err != nil && !errors.Is(err, exec.ErrDot) {
		return nil, fmt.Errorf("workers: interpreter: %w", err)
	}
	cfg.Python = python
	if cfg.StartTimeout == 0 {
		cfg.StartTimeout = time.Minute
	}
	if cfg.SlainPatience == 0 {
		cfg.SlainPatience = 2 * time.Minute
	}
	if cfg.longestPause == 0 {
		cfg.longestPause = time.Second
	}
	if cfg.Logf == nil {
		cfg.Logf = func(string, ...any) {}
	}
	if _, err := cfg.environment(nil); err != nil {
		return nil, err
	}
	if err := theReaper.acquire(); err != nil {
		return nil, fmt.Errorf("workers: %w", err)
	}
	p := &Pool{
		cfg: cfg, launcher: newLauncher(), outlet: newOutlet(), oom: newOOMWatch(),
		sent: map[ids.WorkerID]*birth{}, workers: map[ids.WorkerID]*Worker{},
		prepared: map[environment]prepared{}, jobs: map[ids.JobID]jobConfig{}, wish: make(chan struct{}, 1), stop: make(chan struct{}),
		settled: make(chan struct{}), emptied: make(chan struct{}), finished: make(chan struct{}),
	}
	p.settle = sync.OnceFunc(func() { close(p.settled) })
	if cfg.OnOutput != nil {
		p.SetOutput(cfg.OnOutput)
	}
	p.keeping.Go(p.keepZygote)
	return p, nil
}

func (c *Config) mark() string {
	if c.SessionDir == "" {
		return fmt.Sprintf("mobula-core-%d", os.Getpid())
	}
	return filepath.Base(c.SessionDir)
}

// SetOutput names who gets what workers print, from now on and what was held so far.
func (p *Pool) SetOutput(f func(ids.WorkerID, Printed)) {
	p.handler.Store(&f)
	p.outlet.setOpen()
}

func (p *Pool) deliver(id ids.WorkerID, printed Printed) {
	if f := p.handler.Load(); f != nil {
		(*f)(id, printed)
	}
}

// Spawn asks for a worker and returns at once. onStart and onExit (either may be nil) are called as doc.go says; when
// the worker cannot be made, onExit gets a Worker without a pid and the reason in Death.Err.
func (p *Pool) Spawn(id ids.WorkerID, opts SpawnOptions, onStart func(*Worker), onExit func(*Worker, Death)) {
	b := &birth{worker: &Worker{id: id}, opts: opts, onStart: onStart, onExit: onExit}
	tickets, err := newTickets()
	if err != nil {
		tickets = &Tickets{fd: -1}
	}
	b.worker.tickets = tickets
	if err == nil {
		b.cfg, err = p.of(opts.Job)
	}
	if len(opts.Env) > 0 && err == nil {
		var base []string
		base, err = b.cfg.environment(nil)
		b.env = expand(base, opts.Env)
		opts.Env = b.env // what it comes to decides whether it fits a request; an executed worker's is filled in later
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if err == nil && opts.setup != nil {
		b.opts.Command, err = p.commandOf(opts)
	}
	switch {
	case err != nil:
	case p.closed:
		// Close may have returned: nobody waits for this one's goroutine any more.
		go p.fail(b, ErrClosed)
		return
	case p.taken(id):
		err = fmt.Errorf("workers: spawn: worker %v exists", id)
	case opts.mustExec() || b.cfg.executed || p.execOnly:
		p.execute(b)
		return
	default:
		p.waiting = append(p.waiting, b)
		p.feed()
		select {
		case p.wish <- struct{}{}:
		default:
		}
		return
	}
	p.running.Go(func() { p.fail(b, err) })
}

func (p *Pool) taken(id ids.WorkerID) bool {
	_, lives := p.workers[id]
	_, coming := p.sent[id]
	for _, b := range p.waiting {
		coming = coming || b.worker.id == id
	}
	return lives || coming
}

// register makes a born process a worker and starts its life. The caller has ended its birth with the reaper.
// Called with mu held.
func (p *Pool) register(b *birth, pid int, fd *pidfd.FD) {
	b.worker.mu.Lock()
	b.worker.pid, b.worker.fd = pid, fd
	b.worker.mu.Unlock()
	p.workers[b.worker.id] = b.worker
	p.running.Go(func() { p.live(b, pid, fd) })
	if p.closed {
		b.worker.Kill()
	}
}

// Close ends everything: SIGTERM to every worker's process group, SIGKILL after grace, then whatever orphans are left, then
// the zygote. It returns when all is reaped and every goroutine of the pool has ended; later calls wait for the first.
//
// The zygote is the last because of the race between this and a SIGKILL of the core: whoever kills driver and core one after
// the other kills the core in its Close, and what workers have started has nobody else who knows of it.
func (p *Pool) Close(grace time.Duration) {
	p.closeOnce.Do(func() {
		defer close(p.finished)
		p.close(grace)
	})
	<-p.finished
}

func (p *Pool) close(grace time.Duration) {
	p.mu.Lock()
	p.closed = true
	waiting := p.waiting
	p.waiting = nil
	workers := make([]*Worker, 0, len(p.workers))
	for _, w := range p.workers {
		workers = append(workers, w)
	}
	close(p.stop)
	p.mu.Unlock()
	for _, b := range waiting {
		p.running.Go(func() { p.fail(b, ErrClosed) })
	}

	mercy := time.After(grace)
	if grace > 0 {
		for _, w := range workers {
			w.signalGroup(unix.SIGTERM)
		}
	}
	<-p.settled // from here on nothing is added to running, and no worker comes
	over := make(chan struct{})
	go func() {
		p.running.Wait()
		close(over)
	}()
	if grace > 0 {
		select {
		case <-over:
		case <-mercy:
		}
	}
	for _, w := range workers {
		w.Kill()
	}
	<-over
	if left := theReaper.killOrphans(time.Now().Add(orphanPatience)); left > 0 {
		p.cfg.Logf("workers: %d orphans do not die", left)
	}
	if p.cfg.Emptied != nil {
		p.cfg.Emptied()
	}
	close(p.emptied)
	p.keeping.Wait()
	p.launcher.close()
	p.outlet.close()
	p.unprepare()
	theReaper.release()
}

// orphanPatience bounds Close where an orphan hangs in the kernel.
const orphanPatience = 5 * time.Second
