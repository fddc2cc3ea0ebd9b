package workers

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"github.com/mobula/mobula/coreworker/faults"
	"github.com/mobula/mobula/coreworker/ids"
	"github.com/mobula/mobula/coreworker/workers/pidfd"
)

// birth is a worker on its way: asked for, not yet registered.
type birth struct {
	worker  *Worker
	opts    SpawnOptions
	cfg     jobConfig
	env     []string // opts.Env, with what it refers to filled in
	onStart func(*Worker)
	onExit  func(*Worker, Death)
	pipes   *pipes  // nil until it was handed to the zygote or executed
	zygote  *zygote // it was handed to
	tries   int     // zygotes that died over it
}

// pipes are the ends that the core keeps, and those it gives away.
type pipes struct {
	out, err, goOn       int // ours: read, read, write
	theirOut, theirErr   int
	theirGo              int
	stdin                int
	oursGone, theirsGone bool
}

func newPipes() (p *pipes, err error) {
	p = &pipes{out: -1, err: -1, goOn: -1, theirOut: -1, theirErr: -1, theirGo: -1, stdin: -1}
	defer func() {
		if err != nil {
			p.abandon()
			err = fmt.Errorf("workers: pipes: %w", err)
		}
	}()
	if err := faults.Err("worker.pipes", unix.EMFILE); err != nil {
		return p, os.NewSyscallError("pipe2", err)
	}
	for _, ends := range [][2]*int{{&p.out, &p.theirOut}, {&p.err, &p.theirErr}, {&p.theirGo, &p.goOn}} {
		var fds [2]int
		if err := unix.Pipe2(fds[:], unix.O_CLOEXEC); err != nil {
			return p, os.NewSyscallError("pipe2", err)
		}
		*ends[0], *ends[1] = fds[0], fds[1]
	}
	// Only our ends: the flag belongs to the open file, and the worker's print must block rather than fail.
	for _, fd := range []int{p.out, p.err} {
		if err := unix.SetNonblock(fd, true); err != nil {
			return p, os.NewSyscallError("fcntl", err)
		}
	}
	p.stdin, err = unix.Open("/dev/null", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	return p, err
}

// given closes what the child has by now.
func (p *pipes) given() {
	if !p.theirsGone {
		p.theirsGone = true
		closeAll(p.theirOut, p.theirErr, p.theirGo, p.stdin)
	}
}

// abandon closes everything. A child that was made nevertheless finds the end of its "go" pipe and exits.
func (p *pipes) abandon() {
	p.given()
	if !p.oursGone {
		p.oursGone = true
		closeAll(p.out, p.err, p.goOn)
	}
}

// letGo lets the worker run.
func (p *pipes) letGo() {
	for {
		_, err := unix.Write(p.goOn, []byte{'g'})
		if !errors.Is(err, unix.EINTR) {
			break // EPIPE: it is dead already, which its pidfd tells
		}
	}
	unix.Close(p.goOn)
}

func closeAll(fds ...int) {
	for _, fd := range fds {
		if fd >= 0 {
			unix.Close(fd)
		}
	}
}

// fail ends a birth that came to nothing. The caller has taken it out of the pool's tables.
func (p *Pool) fail(b *birth, err error) {
	if b.pipes != nil {
		b.pipes.abandon()
	}
	if b.onExit != nil {
		b.onExit(b.worker, Death{Err: err})
	}
	b.worker.tickets.Close()
}

// live is the life of a worker from its registration to its burial.
func (p *Pool) live(b *birth, pid int, fd *pidfd.FD) {
	w := b.worker
	output := newOutput(p.outlet, func(c chunk) { p.deliver(w.id, Printed{pid, b.opts.Job, c.isErr, c.label, c.text}) })
	output.read(b.pipes.out, false)
	output.read(b.pipes.err, true)
	b.pipes.oursGone = true
	if b.onStart != nil {
		b.onStart(w)
	}
	b.pipes.letGo()

	waitErr := fd.Wait()
	status, asked, err := w.bury()
	output.stop()
	if b.opts.Job != (ids.JobID{}) {
		output.flush() // its driver may be waiting for its end to leave, and is to see this before
	}
	death := Death{
		PID: pid, ExitCode: status.ExitCode, Signal: status.Signal, CoreDump: status.CoreDump, Asked: asked,
		MaxRSSKiB: status.MaxRSSKiB, StderrTail: output.stderrTail(), Err: errors.Join(waitErr, err),
	}
	death.OOM = death.Signal == unix.SIGKILL && !asked && p.oom.explains()
	p.mu.Lock()
	delete(p.workers, w.id)
	p.mu.Unlock()
	if b.onExit != nil {
		b.onExit(w, death)
	}
	w.tickets.Close()
}
