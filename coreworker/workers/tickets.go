package workers

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/mobula/mobula/coreworker/faults"
)

// Tickets is the right to run pushed tasks: an eventfd that the core and one worker share. The worker takes one
// before it runs a pushed task; the core takes some to have tasks back. Whoever got the ticket owns the task, and no
// ticket exists twice. Safe for concurrent use; after Close (or the worker's death) there are none.
type Tickets struct {
	mu sync.Mutex // only against Close: the kernel orders the takers
	fd int
}

func newTickets() (*Tickets, error) {
	if err := faults.Err("worker.tickets", unix.EMFILE); err != nil {
		return nil, fmt.Errorf("workers: tickets: %w", os.NewSyscallError("eventfd", err))
	}
	fd, err := unix.Eventfd(0, unix.EFD_SEMAPHORE|unix.EFD_NONBLOCK|unix.EFD_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("workers: tickets: %w", os.NewSyscallError("eventfd", err))
	}
	return &Tickets{fd: fd}, nil
}

// Grant adds n tickets. Push the tasks they stand for only afterwards: a worker that finds none drops the task.
func (t *Tickets) Grant(n int) error {
	if n <= 0 {
		return nil
	}
	var buf [8]byte
	binary.NativeEndian.PutUint64(buf[:], uint64(n))
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.fd < 0 {
		return os.ErrClosed
	}
	for {
		_, err := unix.Write(t.fd, buf[:])
		if !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}

// Take takes one ticket back; false when the worker has them all.
func (t *Tickets) Take() bool {
	var buf [8]byte
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.fd < 0 {
		return false
	}
	for {
		_, err := unix.Read(t.fd, buf[:])
		if !errors.Is(err, unix.EINTR) {
			return err == nil
		}
	}
}

// TakeAll takes whatever is left and says how many that were.
func (t *Tickets) TakeAll() int {
	n := 0
	for t.Take() {
		n++
	}
	return n
}

// Close gives the core's descriptor back. Idempotent.
func (t *Tickets) Close() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.fd >= 0 {
		unix.Close(t.fd)
		t.fd = -1
	}
}
