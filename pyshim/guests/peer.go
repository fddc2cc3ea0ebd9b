package guests

import (
	"errors"
	"fmt"
	"net"
	"os"

	"golang.org/x/sys/unix"

	"github.com/mobula/mobula/coreworker/workers/pidfd"
)

// peer names the process at the other end, which must be one of this pid namespace: a container with the same uid that shares the
// folder is none of the session's, and its end could not be watched. door has looked at the uid.
func peer(conn *net.UnixConn) (pid int, process *pidfd.FD, err error) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return 0, nil, err
	}
	var who *unix.Ucred
	fd := -1
	var asked, unknown error
	err = raw.Control(func(socket uintptr) {
		who, asked = unix.GetsockoptUcred(int(socket), unix.SOL_SOCKET, unix.SO_PEERCRED)
		fd, unknown = unix.GetsockoptInt(int(socket), unix.SOL_SOCKET, unix.SO_PEERPIDFD)
	})
	if err := errors.Join(err, asked); err != nil {
		return 0, nil, fmt.Errorf("peer credentials: %w", err)
	}
	if who.Pid == 0 {
		if unknown == nil {
			unix.Close(fd)
		}
		return 0, nil, errors.New("it is a process of another pid namespace (a container)")
	}
	if unknown == nil {
		process, err = pidfd.Adopt(fd)
	} else {
		// A kernel before 6.5. The number is still that of the process that has connected: it waits for our answer.
		process, err = pidfd.Open(int(who.Pid))
	}
	if err != nil {
		return 0, nil, err
	}
	ours, err := os.Readlink("/proc/self/ns/pid")
	theirs, other := os.Readlink(fmt.Sprintf("/proc/%d/ns/pid", who.Pid))
	if err = errors.Join(err, other); err == nil && ours != theirs {
		err = errors.New("it is a process of another pid namespace (a container)")
	}
	if err != nil {
		process.Close()
		return 0, nil, err
	}
	return int(who.Pid), process, nil
}
