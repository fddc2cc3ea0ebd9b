package workers

import (
	"fmt"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// Death is what is known of how a worker ended: facts only, no guesses.
type Death struct {
	PID        int
	ExitCode   int            // -1 when a signal ended it
	Signal     syscall.Signal // 0 when it exited by itself
	CoreDump   bool
	Asked      bool     // the core itself sent the deadly signal (Kill or Close)
	OOM        bool     // the kernel's out-of-memory killer struck in this cgroup, and SIGKILL came from nobody here
	MaxRSSKiB  int64    // the most memory it ever held
	StderrTail []string // its last lines on stderr, at most 20
	Err        error    // it never ran: why
}

// Slain says that SIGKILL ended it, which was not the core's own.
func (d Death) Slain() bool { return d.Signal == unix.SIGKILL && !d.Asked }

// String is one sentence that names the fact.
func (d Death) String() string {
	var b strings.Builder
	switch {
	case d.Err != nil:
		return fmt.Sprintf("the worker could not be started: %v", d.Err)
	case d.OOM:
		fmt.Fprintf(&b, "worker %d was killed by the kernel because memory ran out", d.PID)
	case d.Signal != 0:
		fmt.Fprintf(&b, "worker %d was killed by signal %d (%s)", d.PID, int(d.Signal), unix.SignalName(d.Signal))
		if d.Asked {
			b.WriteString(" that the core sent")
		}
		if d.CoreDump {
			b.WriteString(", with a core dump")
		}
	default:
		fmt.Fprintf(&b, "worker %d exited with code %d", d.PID, d.ExitCode)
	}
	if d.MaxRSSKiB > 0 && !d.Asked {
		fmt.Fprintf(&b, "; it had used up to %d MiB", d.MaxRSSKiB/1024)
	}
	return b.String()
}
