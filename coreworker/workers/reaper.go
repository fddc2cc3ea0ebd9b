package workers

import (
	"errors"
	"os"
	"os/signal"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/mobula/mobula/coreworker/workers/pidfd"
)

// reaper is the one owner of wait in this process. It is process-wide because wait is: as a subreaper the core is
// given every orphan below it, and nobody else may collect one.
//
// Known children (workers, the zygote) are collected by whoever registered them, through their pidfd. What is left
// are orphans that a user's code made; they are swept when SIGCHLD tells. The race to keep out:
//
//	zygote: forks worker 70, its parent exits, 70 becomes a child of the core
//	70:     dies (the user's out-of-memory killer is quick)
//	sweep:  sees an unknown zombie 70 and would take its exit status away before "70 was born" is read
//
// So an unknown zombie is left alone while a birth is under way, and looked at again when the birth is known.
type reaper struct {
	mu      sync.Mutex
	users   int
	known   map[int]struct{}
	births  int
	signals chan os.Signal
	over    chan struct{} // closed by release, once
	idle    chan struct{} // closed when the sweeping goroutine has ended
	changed chan struct{} // closed and replaced after each sweep; for those who wait for orphans to go
}

var theReaper = reaper{known: map[int]struct{}{}, changed: make(chan struct{})}

// acquire makes this process a subreaper and starts sweeping; calls nest.
func (r *reaper) acquire() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.users++
	if r.users > 1 {
		return nil
	}
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		r.users--
		return os.NewSyscallError("prctl(PR_SET_CHILD_SUBREAPER)", err)
	}
	r.signals = make(chan os.Signal, 1)
	r.over, r.idle = make(chan struct{}), make(chan struct{})
	signal.Notify(r.signals, unix.SIGCHLD)
	go r.run(r.signals, r.over, r.idle)
	return nil
}

func (r *reaper) release() {
	r.mu.Lock()
	r.users--
	if r.users > 0 {
		r.mu.Unlock()
		return
	}
	signal.Stop(r.signals)
	close(r.over)
	idle := r.idle
	r.mu.Unlock()
	<-idle
}

func (r *reaper) run(signals <-chan os.Signal, over <-chan struct{}, idle chan<- struct{}) {
	defer close(idle)
	for {
		select {
		case <-signals:
			r.mu.Lock()
			r.sweep()
			r.mu.Unlock()
		case <-over:
			return
		}
	}
}

// beginBirth must come before a child can exist, endBirth when its pid is known (0: there is none).
func (r *reaper) beginBirth() {
	r.mu.Lock()
	r.births++
	r.mu.Unlock()
}

func (r *reaper) endBirth(pid int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.births--
	if pid != 0 {
		r.known[pid] = struct{}{}
	}
	r.sweep()
}

// collect reaps a known child that has ended.
func (r *reaper) collect(pid int, fd *pidfd.FD) (pidfd.Status, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	status, done, err := fd.Reap()
	if err == nil && !done {
		err = errors.New("workers: reap: the process still runs")
	}
	delete(r.known, pid)
	r.sweep()
	return status, err
}

// forget ends the registration of a child that somebody else has waited for.
func (r *reaper) forget(pid int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.known, pid)
	r.sweep()
}

// sweep collects zombies that nobody knows. A known zombie at the head of the kernel's list ends the sweep: its
// owner collects it through its pidfd, and sweeps then. Callers hold mu.
func (r *reaper) sweep() {
	for {
		pid, err := pidfd.Peek()
		if err != nil || pid == 0 {
			break
		}
		if _, known := r.known[pid]; known || r.births > 0 {
			break
		}
		if _, err := pidfd.ReapPID(pid); err != nil {
			break
		}
	}
	close(r.changed)
	r.changed = make(chan struct{})
}

// killOrphans kills every child of this process that nobody registered, and what these leave behind in turn, and
// returns how many were still there at the deadline.
func (r *reaper) killOrphans(deadline time.Time) int {
	timer := time.NewTimer(time.Until(deadline))
	defer timer.Stop()
	for {
		r.mu.Lock()
		r.sweep()
		left := 0
		for _, pid := range children() {
			if _, known := r.known[pid]; !known {
				left++
				// Still an unreaped child, for only this reaper reaps and it is locked: the number is its own.
				_ = unix.Kill(pid, unix.SIGKILL)
			}
		}
		changed := r.changed
		r.mu.Unlock()
		if left == 0 {
			return 0
		}
		select {
		case <-changed:
		case <-timer.C:
			return left
		}
	}
}

// Foreign lets start make a child that the caller waits for himself (os/exec in a test, say) although this process
// is a subreaper. Call release when it has been waited for.
func Foreign(start func() (pid int, err error)) (release func(), err error) {
	theReaper.beginBirth()
	pid, err := start()
	if err != nil {
		pid = 0
	}
	theReaper.endBirth(pid)
	return func() { theReaper.forget(pid) }, err
}
