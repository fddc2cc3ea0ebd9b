package workers

import (
	"fmt"
	"os"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/mobula/mobula/coreworker/ids"
	"github.com/mobula/mobula/coreworker/workers/pidfd"
)

// Worker is one process. Its methods are safe at any time and in any goroutine, also after its death.
type Worker struct {
	id      ids.WorkerID
	tickets *Tickets

	mu    sync.Mutex // held while signalling and while reaping: a number is never used once it may be another's
	pid   int
	fd    *pidfd.FD // nil: it never ran
	gone  bool
	asked bool
}

// ID is the id that Spawn was given.
func (w *Worker) ID() ids.WorkerID { return w.id }

// PID is for people to read; 0 when the process never came to be. Signals go through Interrupt, Kill and Signal.
func (w *Worker) PID() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.pid
}

// Tickets is the eventfd shared with the worker. It outlives the worker until onExit has returned.
func (w *Worker) Tickets() *Tickets { return w.tickets }

// Interrupt sends SIGINT to the process alone. os.ErrProcessDone when it is gone.
func (w *Worker) Interrupt() error { return w.Signal(unix.SIGINT) }

// Signal sends sig to the process alone. os.ErrProcessDone when it is gone.
func (w *Worker) Signal(sig unix.Signal) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.gone || w.fd == nil {
		return os.ErrProcessDone
	}
	return w.fd.Signal(sig)
}

// Kill ends the process and all of its process group with SIGKILL. onExit follows.
func (w *Worker) Kill() { w.signalGroup(unix.SIGKILL) }

func (w *Worker) signalGroup(sig unix.Signal) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.gone || w.fd == nil {
		return
	}
	w.asked = true
	// Not through the group alone: a newborn may not have made its group yet.
	_ = w.fd.Signal(sig)
	_ = unix.Kill(-w.pid, sig)
}

// bury kills what the dead worker left in its process group and takes its exit status. In this order: while it is a
// zombie its number cannot become another group's.
func (w *Worker) bury() (pidfd.Status, bool, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	_ = unix.Kill(-w.pid, unix.SIGKILL)
	status, err := theReaper.collect(w.pid, w.fd)
	w.gone = true
	w.fd.Close()
	if err != nil {
		err = fmt.Errorf("workers: reap %d: %w", w.pid, err)
	}
	return status, w.asked, err
}
