package door

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/mobula/mobula/coreworker/faults"
)

// The sockets' names in the session folder.
const (
	SocketName = "core.sock"
	JoinName   = "join.sock" // where a further driver asks to be let in, see package guests
)

// MaxPath is the longest socket path that Linux takes.
const MaxPath = len(unix.RawSockaddrUnix{}.Path) - 1

// Listener accepts peers of this process's own user. Close removes the socket.
type Listener struct {
	unix   *net.UnixListener
	uid    uint32
	refuse func(why string)
}

// Listen checks the folder and opens its socket with mode 0600. The caller has set umask 077, so that the socket is
// nobody else's from the moment it exists. refuse is told of every peer that was turned away; nil is silence.
func Listen(dir string, refuse func(why string)) (*Listener, error) {
	return listen(dir, SocketName, "unix", refuse)
}

// ListenPackets is Listen for the other socket, which takes packets.
func ListenPackets(dir string, refuse func(why string)) (*Listener, error) {
	return listen(dir, JoinName, "unixpacket", refuse)
}

func listen(dir, name, network string, refuse func(why string)) (*Listener, error) {
	if err := CheckFolder(dir); err != nil {
		return nil, fmt.Errorf("door: listen: %w", err)
	}
	path := filepath.Join(dir, name)
	if len(path) > MaxPath {
		return nil, fmt.Errorf("door: listen: the path of the socket has %d bytes, Linux takes %d: %s", len(path), MaxPath, path)
	}
	ln, err := net.ListenUnix(network, &net.UnixAddr{Name: path, Net: network})
	if err != nil {
		return nil, fmt.Errorf("door: listen: %w", err)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		ln.Close()
		return nil, fmt.Errorf("door: listen: %w", err)
	}
	if refuse == nil {
		refuse = func(string) {}
	}
	return &Listener{unix: ln, uid: uint32(os.Getuid()), refuse: refuse}, nil
}

// Accept returns the next peer of the right user; others are closed without a word.
func (l *Listener) Accept() (net.Conn, error) {
	for {
		conn, err := l.accept()
		if err != nil {
			return nil, err
		}
		if err := l.check(conn); err != nil {
			l.refuse(err.Error())
			conn.Close()
			continue
		}
		return conn, nil
	}
}

func (l *Listener) accept() (*net.UnixConn, error) {
	if err := faults.Err("accept", unix.EMFILE); err != nil {
		return nil, &net.OpError{Op: "accept", Net: "unix", Addr: l.unix.Addr(), Err: os.NewSyscallError("accept4", err)}
	}
	return l.unix.AcceptUnix()
}

func (l *Listener) check(conn *net.UnixConn) error {
	if err := faults.Err("accept.peer", unix.ENOTCONN); err != nil {
		return fmt.Errorf("door: peer credentials: %w", err)
	}
	raw, err := conn.SyscallConn()
	if err != nil {
		return err
	}
	var peer *unix.Ucred
	var asked error
	err = raw.Control(func(fd uintptr) {
		peer, asked = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED)
	})
	if err := errors.Join(err, asked); err != nil {
		return fmt.Errorf("door: peer credentials: %w", err)
	}
	if peer.Uid != l.uid {
		return fmt.Errorf("door: process %d of uid %d was turned away", peer.Pid, peer.Uid)
	}
	return nil
}

// Addr is the socket's address.
func (l *Listener) Addr() net.Addr { return l.unix.Addr() }

// Close stops listening and removes the socket.
func (l *Listener) Close() error { return l.unix.Close() }
