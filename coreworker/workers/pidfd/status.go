package pidfd

import (
	"errors"
	"fmt"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Status is how a child ended.
type Status struct {
	PID       int
	ExitCode  int            // -1 when a signal ended it
	Signal    syscall.Signal // 0 when it exited by itself
	CoreDump  bool
	MaxRSSKiB int64
}

// What waitid fills in: the SIGCHLD face of siginfo_t, the same on x86-64 and arm64.
type sigchldInfo struct {
	signo, errno, code, _    int32
	pid, uid, status, unused int32
	_                        [96]byte
}

// Fails to compile when the layout above is not as large as the kernel's.
var _ [unsafe.Sizeof(unix.Siginfo{})]byte = [unsafe.Sizeof(sigchldInfo{})]byte{}

const (
	cldExited = 1
	cldDumped = 3
)

// Peek names a zombie child without reaping it. pid is 0 when there is none; ErrNoChildren when there are no
// children at all.
func Peek() (pid int, err error) {
	status, _, err := reap(unix.P_ALL, 0, unix.WEXITED|unix.WNOHANG|unix.WNOWAIT)
	return status.PID, err
}

// ReapPID reaps the zombie child pid.
func ReapPID(pid int) (Status, error) {
	status, _, err := reap(unix.P_PID, pid, unix.WEXITED|unix.WNOHANG)
	return status, err
}

// ErrNoChildren: nothing to wait for.
var ErrNoChildren = errors.New("pidfd: no such child")

func reap(kind, id, options int) (Status, bool, error) {
	var info sigchldInfo
	var usage unix.Rusage
	for {
		err := unix.Waitid(kind, id, (*unix.Siginfo)(unsafe.Pointer(&info)), options, &usage)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if errors.Is(err, unix.ECHILD) {
			return Status{}, false, ErrNoChildren
		}
		if err != nil {
			return Status{}, false, fmt.Errorf("pidfd: waitid: %w", err)
		}
		break
	}
	if info.pid == 0 {
		return Status{}, false, nil
	}
	s := Status{PID: int(info.pid), MaxRSSKiB: usage.Maxrss}
	if info.code == cldExited {
		s.ExitCode = int(info.status)
	} else {
		s.ExitCode = -1
		s.Signal = syscall.Signal(info.status)
		s.CoreDump = info.code == cldDumped
	}
	return s, true, nil
}
