package direct

import (
	"cmp"
	"errors"
	"net"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/mobula/mobula/coreworker/faults"
)

const (
	// openingSize is more than a client of one stream says before it hears something.
	openingSize = 16 << 10
	// openingTime is Limits.Opening where that says nothing.
	openingTime = 30 * time.Second
)

// Listener gives the connections of other clients to the gRPC library and keeps those of the loop's own kind.
type Listener struct {
	net.Listener
	loop   *Loop
	take   func(Opening) func(*Line) Handler
	others chan accepted
	closed chan struct{}

	mu      sync.Mutex
	opening map[net.Conn]struct{} // that have said nothing yet; nil after Close
	running sync.WaitGroup
}

type accepted struct {
	conn net.Conn
	err  error
}

// Listen begins to accept connections from ln. take says who serves a client that began in this way; nil leaves it to
// the gRPC library.
func (p *Loop) Listen(ln net.Listener, take func(Opening) func(*Line) Handler) *Listener {
	l := &Listener{Listener: ln, loop: p, take: take, others: make(chan accepted), closed: make(chan struct{}),
		opening: map[net.Conn]struct{}{}}
	l.running.Go(l.accept)
	return l
}

func (l *Listener) accept() {
	for {
		conn, err := l.Listener.Accept()
		if err == nil {
			l.mu.Lock()
			if l.opening == nil {
				conn.Close()
			} else {
				l.opening[conn] = struct{}{}
				l.running.Go(func() { l.begin(conn) })
			}
			l.mu.Unlock()
			continue
		}
		if !l.give(accepted{err: err}) || errors.Is(err, net.ErrClosed) {
			return
		}
	}
}

func (l *Listener) give(a accepted) bool {
	select {
	case l.others <- a:
		return true
	case <-l.closed:
		return false
	}
}

// begin reads how a peer begins and decides who serves it.
func (l *Listener) begin(conn net.Conn) {
	first := make([]byte, openingSize)
	err := conn.SetReadDeadline(time.Now().Add(cmp.Or(l.loop.limits.Opening, openingTime)))
	n := 0
	if err == nil {
		n, err = conn.Read(first)
	}
	if err == nil {
		err = conn.SetReadDeadline(time.Time{})
	}
	l.mu.Lock()
	delete(l.opening, conn)
	l.mu.Unlock()
	if err != nil {
		conn.Close()
		return
	}
	first = first[:n]
	if l.keep(conn, first) {
		conn.Close() // its descriptor lives on, in the loop
		return
	}
	if !l.give(accepted{conn: &begun{Conn: conn, first: first}}) {
		conn.Close()
	}
}

// keep gives a connection to the loop, if it is of its kind.
func (l *Listener) keep(conn net.Conn, first []byte) bool {
	local, ok := conn.(*net.UnixConn)
	if !ok {
		return false
	}
	c, opening, ok := open(first, l.loop.limits)
	if !ok {
		return false
	}
	handle := l.take(opening)
	if handle == nil {
		return false
	}
	raw, err := local.SyscallConn()
	if err != nil {
		return false
	}
	fd := -1
	// A copy: the original belongs to Go's own poller.
	if raw.Control(func(own uintptr) { fd, err = unix.FcntlInt(own, unix.F_DUPFD_CLOEXEC, 0) }) != nil || err != nil {
		return false
	}
	if faults.Err("accept.copy", unix.EMFILE) != nil {
		unix.Close(fd)
		return false
	}
	if !l.loop.add(fd, c, handle) {
		unix.Close(fd)
	}
	return true
}

// Accept returns the next connection that the gRPC library is to serve.
func (l *Listener) Accept() (net.Conn, error) {
	select {
	case a := <-l.others:
		return a.conn, a.err
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

// Close stops listening. Lines that were taken up go on.
func (l *Listener) Close() error {
	l.mu.Lock()
	pending := l.opening
	l.opening = nil
	l.mu.Unlock()
	if pending == nil {
		return nil
	}
	close(l.closed)
	err := l.Listener.Close()
	for conn := range pending {
		conn.Close()
	}
	l.running.Wait()
	return err
}

// begun is a connection whose first bytes were read already.
type begun struct {
	net.Conn
	first []byte
}

func (b *begun) Read(p []byte) (int, error) {
	if len(b.first) > 0 {
		n := copy(p, b.first)
		b.first = b.first[n:]
		return n, nil
	}
	return b.Conn.Read(p)
}
