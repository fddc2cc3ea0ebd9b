package workers

import (
	"fmt"
	"runtime"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/mobula/mobula/coreworker/faults"
	"github.com/mobula/mobula/coreworker/workers/pidfd"
)

// launcher executes programs, all from one thread that lives as long as the pool: the kernel sends a child its
// parent-death signal when the *thread* that made it ends, and the runtime ends threads as it likes (golang/go#27505).
type launcher struct {
	calls chan func()
	done  chan struct{}
}

func newLauncher() *launcher {
	l := &launcher{calls: make(chan func()), done: make(chan struct{})}
	go func() {
		defer close(l.done)
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		for call := range l.calls {
			call()
		}
	}()
	return l
}

// close must come after the last exec has returned and after the children are gone.
func (l *launcher) close() {
	close(l.calls)
	<-l.done
}

// exec starts argv in a process group of its own, with files as descriptors 0, 1, 2 …, killed when the core dies (the
// zygote takes that back once it watches the core itself).
// The child is registered with the reaper: collect it through the pidfd.
func (l *launcher) exec(argv, env []string, files []uintptr) (int, *pidfd.FD, error) {
	var pid, raw int
	var err error
	ran := make(chan struct{})
	l.calls <- func() {
		defer close(ran)
		raw = -1
		if err = faults.Err("exec", unix.EAGAIN); err != nil {
			return
		}
		theReaper.beginBirth()
		pid, err = syscall.ForkExec(argv[0], argv, &syscall.ProcAttr{
			Env:   env,
			Files: files,
			Sys:   &syscall.SysProcAttr{Setpgid: true, Pdeathsig: unix.SIGKILL, PidFD: &raw},
		})
		if err != nil {
			pid = 0
		}
		theReaper.endBirth(pid)
	}
	<-ran
	if err != nil {
		return 0, nil, fmt.Errorf("workers: start %s: %w", argv[0], err)
	}
	var fd *pidfd.FD
	if raw < 0 {
		// A kernel without clone3's CLONE_PIDFD. The child is ours and unreaped, so its number is its own.
		fd, err = pidfd.Open(pid)
	} else {
		fd, err = pidfd.Adopt(raw)
	}
	if err != nil {
		_ = unix.Kill(pid, unix.SIGKILL)
		theReaper.forget(pid) // swept like any orphan
		return 0, nil, err
	}
	return pid, fd, nil
}
