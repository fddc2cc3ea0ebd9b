// Package pidfd names a process by descriptor, which unlike a number is never handed on to somebody else.
// It owns the descriptor and nothing of the process: who reaps is decided elsewhere.
package pidfd

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"github.com/mobula/mobula/coreworker/faults"
)

// FD is a pidfd that the runtime's poller watches, so that waiting for a process costs a goroutine and no thread.
type FD struct {
	file *os.File
}

// Open makes a pidfd of pid. The caller must know that pid cannot have been reused: because it is an unreaped child
// of this process, or because he compares afterwards (see OpenParent).
func Open(pid int) (*FD, error) {
	if err := faults.Err("pidfd", unix.EMFILE); err != nil {
		return nil, fmt.Errorf("pidfd: open %d: %w", pid, err)
	}
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return nil, fmt.Errorf("pidfd: open %d: %w", pid, err)
	}
	return Adopt(fd)
}

// ErrNotParent is returned by OpenParent when pid is not, or no longer, the parent of this process.
var ErrNotParent = errors.New("pidfd: not the parent of this process")

// OpenParent makes a pidfd of the parent. The parent is compared after the descriptor was made: had it died and its
// number been given away in between, getppid would name another.
func OpenParent(pid int) (*FD, error) {
	p, err := Open(pid)
	if err != nil {
		return nil, err
	}
	if os.Getppid() != pid {
		p.Close()
		return nil, ErrNotParent
	}
	return p, nil
}

// Adopt takes over a pidfd made elsewhere (SysProcAttr.PidFD).
func Adopt(fd int) (*FD, error) {
	if err := unix.SetNonblock(fd, true); err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("pidfd: adopt: %w", err)
	}
	return &FD{file: os.NewFile(uintptr(fd), "pidfd")}, nil
}

// Wait returns nil when the process has ended (it may still be a zombie), or an error once Close was called.
func (p *FD) Wait() error {
	conn, err := p.file.SyscallConn()
	if err != nil {
		return fmt.Errorf("pidfd: wait: %w", err)
	}
	if err := conn.Read(func(fd uintptr) bool { return ended(int(fd)) }); err != nil {
		return fmt.Errorf("pidfd: wait: %w", err)
	}
	return nil
}

// Ended tells whether the process has ended, without waiting.
func (p *FD) Ended() bool {
	over := false
	_ = p.control(func(fd int) error { over = ended(fd); return nil })
	return over
}

func ended(fd int) bool {
	fds := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
	for {
		n, err := unix.Poll(fds, 0)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		return err == nil && n == 1
	}
}

// Signal sends sig to the process; os.ErrProcessDone when it has been reaped.
func (p *FD) Signal(sig unix.Signal) error {
	err := p.control(func(fd int) error { return unix.PidfdSendSignal(fd, sig, nil, 0) })
	if errors.Is(err, unix.ESRCH) || errors.Is(err, os.ErrClosed) {
		return os.ErrProcessDone
	}
	return err
}

// Reap collects the exit status of a child without blocking. done is false while it still runs.
func (p *FD) Reap() (status Status, done bool, err error) {
	err = p.control(func(fd int) error {
		status, done, err = reap(unix.P_PIDFD, fd, unix.WEXITED|unix.WNOHANG)
		return err
	})
	return status, done, err
}

func (p *FD) control(f func(fd int) error) error {
	conn, err := p.file.SyscallConn()
	if err != nil {
		return err
	}
	var inner error
	if err := conn.Control(func(fd uintptr) { inner = f(int(fd)) }); err != nil {
		return err
	}
	return inner
}

// Close gives the descriptor back and ends a Wait that is under way.
func (p *FD) Close() error { return p.file.Close() }
