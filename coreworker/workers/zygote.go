package workers

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/mobula/mobula/coreworker/faults"
	"github.com/mobula/mobula/coreworker/ids"
	"github.com/mobula/mobula/coreworker/version"
	"github.com/mobula/mobula/coreworker/workers/pidfd"
)

const (
	forkWindow     = 8 // requests in the zygote's socket at a time; the rest waits here
	maxBirthTries  = 3 // zygotes that may die over one birth before it is executed instead
	zygotePatience = 500 * time.Millisecond
)

// zygote is one life of the forking process.
type zygote struct {
	conn   *net.UnixConn
	pid    int
	fd     *pidfd.FD
	output *output
	ready  time.Time // zero until it said so
	births int       // requests without an answer
	served int
	slain  bool // killed from outside, by a signal that is never its own doing
	// Why it cannot be asked any more although it lives; guarded by the pool's lock.
	unasked error
}

// request and answer are the packets on the control socket. A request carries the descriptors ticket, stdin, stdout,
// stderr, go.
type request struct {
	ID         string   `json:"id"`
	Env        []string `json:"env,omitempty"`
	RuntimeEnv string   `json:"runtime_env,omitempty"`
	// Options are in place of those the zygote has, for a worker of another job.
	Options json.RawMessage `json:"options,omitempty"`
}

type answer struct {
	Ready   string `json:"ready"`   // its version
	Born    string `json:"born"`    // worker id
	Refused string `json:"refused"` // worker id: it cannot fork, and Why
	Failed  string `json:"failed"`  // worker id: this fork failed, and Why
	PID     int    `json:"pid"`
	Why     string `json:"why"`
}

func (p *Pool) startZygote() (*zygote, error) {
	env, err := p.cfg.environment(nil)
	if err != nil {
		return nil, err
	}
	config, err := p.cfg.certificate().file()
	if err != nil {
		return nil, err
	}
	defer config.Close()
	if err := faults.Err("zygote.socket", unix.EMFILE); err != nil {
		return nil, fmt.Errorf("workers: zygote: %w", os.NewSyscallError("socketpair", err))
	}
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("workers: zygote: %w", os.NewSyscallError("socketpair", err))
	}
	defer unix.Close(pair[1])
	ours := os.NewFile(uintptr(pair[0]), "zygote")
	generic, err := net.FileConn(ours)
	ours.Close()
	if err != nil {
		return nil, fmt.Errorf("workers: zygote: %w", err)
	}
	z := &zygote{conn: generic.(*net.UnixConn)}
	pipes, err := newPipes()
	if err != nil {
		z.conn.Close()
		return nil, err
	}
	unix.Close(pipes.goOn)
	pipes.goOn = -1
	z.output = newOutput(nil, func(c chunk) { p.cfg.Logf("zygote: %s", c.text) })
	z.pid, z.fd, err = p.launcher.exec(command([]string{p.cfg.Python}, "zygote", "run_zygote", "mobula-zygote"), env, []uintptr{
		uintptr(pipes.stdin), uintptr(pipes.theirOut), uintptr(pipes.theirErr), uintptr(pair[1]), config.Fd(),
		inherited(p.cfg.ArenaFD), inherited(p.cfg.PageFD), inherited(p.cfg.SpillFD),
	})
	if err != nil {
		pipes.abandon()
		z.conn.Close()
		return nil, err
	}
	pipes.given()
	z.output.read(pipes.out, false)
	z.output.read(pipes.err, true)
	return z, nil
}

// serve reads the zygote's answers until it dies, buries it, and says why. When the pool closes, the zygote is told that
// nothing more will be asked of it; it closes its end then, and is kept until it is the session's last process.
func (p *Pool) serve(z *zygote) error {
	_ = z.conn.SetReadDeadline(time.Now().Add(p.cfg.StartTimeout))
	served := make(chan struct{})
	ended := make(chan struct{})
	go func() { // its death or the pool's end closes the socket, which ends the reading below
		defer close(ended)
		if z.fd.Wait() == nil {
			z.conn.Close()
		}
	}()
	closer := make(chan struct{})
	go func() {
		defer close(closer)
		select {
		case <-p.stop:
			_, _ = z.conn.Write([]byte(`{"last":true}`))
			p.mu.Lock()
			p.setDeadline(z)
			p.mu.Unlock()
		case <-served:
		}
	}()
	why := p.readAnswers(z)
	if why == nil {
		p.mu.Lock()
		why = z.unasked
		p.mu.Unlock()
	}
	close(served)
	z.conn.Close()
	<-closer
	patience := time.After(zygotePatience)
	if why == nil && p.isClosed() {
		p.orphaned(z)
		p.settle()
		<-p.emptied
		patience = time.After(0)
	}
	asked := false
	select {
	case <-ended:
	case <-patience:
		asked = true
		_ = z.fd.Signal(unix.SIGKILL)
		<-ended
	}
	_ = unix.Kill(-z.pid, unix.SIGKILL)
	status, err := theReaper.collect(z.pid, z.fd)
	z.fd.Close()
	z.output.stop()
	z.slain = status.Signal == unix.SIGKILL && !asked && why == nil
	p.orphaned(z)
	death := Death{PID: z.pid, ExitCode: status.ExitCode, Signal: status.Signal, CoreDump: status.CoreDump, Err: err}
	return zygoteError(why, death, z.output.stderrTail())
}

// zygoteError is what a worker's death says when the zygote was given up: the fact, then the end of its stderr.
func zygoteError(why error, death Death, tail []string) error {
	text := strings.Replace(death.String(), "worker", "the zygote", 1)
	if why != nil {
		text = fmt.Sprintf("%v; %s", why, text)
	}
	if len(tail) > 0 {
		text += "; its last words:\n" + strings.Join(tail, "\n")
	}
	return errors.New(text)
}

// readAnswers returns nil when the socket ended, or what was wrong with what came.
func (p *Pool) readAnswers(z *zygote) error {
	buf := make([]byte, 64<<10)
	for {
		n, err := z.conn.Read(buf)
		if err == nil {
			err = faults.Err("zygote.answer", unix.ECONNRESET)
		}
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return fmt.Errorf("the zygote did not answer for %v", p.cfg.StartTimeout)
		}
		if err != nil || n == 0 {
			return nil
		}
		var a answer
		if err := json.Unmarshal(buf[:n], &a); err != nil {
			return fmt.Errorf("the zygote sent %q: %w", buf[:n], err)
		}
		if err := p.answered(z, a); err != nil {
			return err
		}
	}
}

func (p *Pool) answered(z *zygote, a answer) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if a.Ready != "" {
		if a.Ready != version.Version {
			return fmt.Errorf("the mobula package that %s imports is version %s, the core's is %s", p.cfg.Python, a.Ready, version.Version)
		}
		z.ready = time.Now()
		p.zygote = z
	} else if err := p.resolve(z, a); err != nil {
		return err
	}
	p.feed()
	p.setDeadline(z)
	return nil
}

// resolve ends the one birth that an answer speaks of.
func (p *Pool) resolve(z *zygote, a answer) error {
	id, err := parseID(a.Born + a.Refused + a.Failed)
	b := p.sent[id]
	if err != nil || b == nil || b.zygote != z {
		return fmt.Errorf("the zygote answered for %q, which it was not asked", a.Born+a.Refused+a.Failed)
	}
	z.births--
	z.served++
	delete(p.sent, id)
	if a.Born != "" {
		// The zygote has seen the first child end: the worker is our child by now, and as a zombie at worst.
		theReaper.endBirth(a.PID)
		fd, err := pidfd.Open(a.PID)
		if err != nil {
			theReaper.forget(a.PID)
			p.running.Go(func() { p.fail(b, err) })
			return nil
		}
		b.pipes.given()
		p.register(b, a.PID, fd)
		return nil
	}
	theReaper.endBirth(0)
	b.pipes.abandon()
	b.pipes = nil
	if a.Refused != "" {
		if !p.execOnly {
			p.execOnly = true
			p.cfg.Logf("workers: workers are executed from now on, not forked: %s", a.Why)
		}
		p.executeAll(append([]*birth{b}, p.waiting...))
		p.waiting = nil
		return nil
	}
	p.running.Go(func() { p.fail(b, errors.New(a.Why)) })
	return nil
}

func (p *Pool) executeAll(births []*birth) {
	for _, b := range births {
		if p.closed {
			p.running.Go(func() { p.fail(b, ErrClosed) })
			continue
		}
		p.execute(b)
	}
}

// feed hands waiting births to the zygote, as many as its window takes. Called with mu held.
func (p *Pool) feed() {
	z := p.zygote
	if z == nil || p.closed {
		return
	}
	for len(p.waiting) > 0 && z.births < forkWindow {
		b := p.waiting[0]
		var err error
		if b.pipes, err = newPipes(); err != nil {
			p.waiting = p.waiting[1:]
			b.pipes = nil
			p.running.Go(func() { p.fail(b, err) })
			continue
		}
		asked := request{ID: b.worker.id.String(), Env: b.env, RuntimeEnv: b.opts.RuntimeEnv}
		if b.opts.Job != (ids.JobID{}) {
			asked.Options = b.cfg.Options
		}
		raw, err := json.Marshal(asked)
		if err != nil {
			p.cfg.Logf("workers: request: %v", err) // cannot be: strings only
		}
		rights := unix.UnixRights(b.worker.tickets.fd, b.pipes.stdin, b.pipes.theirOut, b.pipes.theirErr, b.pipes.theirGo)
		theReaper.beginBirth()
		err = faults.Err("zygote.request", unix.ETOOMANYREFS)
		if err == nil {
			_, _, err = z.conn.WriteMsgUnix(raw, rights, nil)
		}
		if err != nil {
			// Mostly it is dying. If not (the system has no buffer, or too many descriptors are under way), it is no use either
			// way: serve sees the socket's end and starts another, which is fed again.
			if !errors.Is(err, unix.EPIPE) && !errors.Is(err, unix.ECONNRESET) && !errors.Is(err, net.ErrClosed) {
				z.unasked = fmt.Errorf("the zygote cannot be asked for a worker: %w", err)
			}
			z.conn.Close()
			theReaper.endBirth(0)
			b.pipes.abandon()
			b.pipes = nil
			p.zygote = nil
			return
		}
		p.waiting = p.waiting[1:]
		b.zygote = z
		p.sent[b.worker.id] = b
		z.births++
	}
	p.setDeadline(z)
}

// setDeadline: while an answer is owed, silence ends the zygote. Called with mu held.
func (p *Pool) setDeadline(z *zygote) {
	var deadline time.Time
	switch {
	case p.closed:
		deadline = time.Now().Add(zygotePatience)
	case z.births > 0:
		deadline = time.Now().Add(p.cfg.StartTimeout)
	}
	_ = z.conn.SetReadDeadline(deadline)
}

// orphaned takes back what a dead zygote had not answered. A worker it may have forked all the same finds the end of
// its "go" pipe, exits, and is swept.
func (p *Pool) orphaned(z *zygote) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.zygote == z {
		p.zygote = nil
	}
	var again, execute []*birth
	for id, b := range p.sent {
		if b.zygote != z {
			continue
		}
		delete(p.sent, id)
		theReaper.endBirth(0)
		b.pipes.abandon()
		b.pipes, b.zygote = nil, nil
		b.tries++
		switch {
		case p.closed:
			p.running.Go(func() { p.fail(b, ErrClosed) })
		case b.tries >= maxBirthTries:
			execute = append(execute, b)
		default:
			again = append(again, b)
		}
	}
	p.waiting = append(again, p.waiting...)
	p.executeAll(execute)
}

func parseID(text string) (ids.WorkerID, error) {
	raw, err := hex.DecodeString(text)
	if err != nil {
		return ids.WorkerID{}, err
	}
	return ids.Worker(raw)
}
