package direct

import (
	"errors"
	"io"

	"golang.org/x/sys/unix"

	"github.com/mobula/mobula/coreworker/faults"
)

// Handler is what stands behind one line. The loop calls its methods, one at a time; none may wait.
type Handler interface {
	// Receive carries out one message of the client. The bytes are the handler's.
	Receive(message []byte)
	// Closed says that nothing more will be received: the client ended the stream or is gone, or err says what it did
	// wrong. Flush is called afterwards, and the handler finishes the line.
	Closed(err error)
	// Leave asks the handler to finish the line after what is queued. It may be called more than once.
	Leave()
	// Flush gives the line what there is to send, by Send and Finish, as long as there is Room. It is called after each
	// Receive and Wake, and when a line without room has some again, until the handler has finished the line.
	Flush()
}

// full is how much may wait for a client that does not read before its handler is left alone; with it the handler's own
// bound counts, and not what waits here. For one that does read it is one write.
const full = 64 << 10

// Line is one client's connection, and its one stream. Only Wake and Run may be called outside of handlers' methods.
type Line struct {
	loop    *Loop
	fd      int
	conn    *conn
	handler Handler
	written int  // of conn.out
	polled  bool // for writing too
	closed  bool // Closed was called
	hung    bool // fd is closed

	awake bool // in loop.woken; guarded by its lock
}

// Run has the loop run fn, between two messages, and waits for that; never to be called by the loop. A loop that is closing runs
// nothing.
func (l *Line) Run(fn func()) {
	p, done := l.loop, make(chan struct{})
	p.mu.Lock()
	if p.closing {
		p.mu.Unlock()
		return
	}
	p.chores = append(p.chores, func() {
		fn()
		close(done)
	})
	p.rouse()
	<-done
}

// Wake has the handler's Flush called soon. Any goroutine may call it, whatever it holds.
func (l *Line) Wake() {
	p := l.loop
	p.mu.Lock()
	if l.awake || p.event < 0 {
		p.mu.Unlock()
		return
	}
	l.awake = true
	p.woken = append(p.woken, l)
	p.rouse()
}

// Room says whether the client reads fast enough for more to be sent.
func (l *Line) Room() bool { return len(l.conn.out)-l.written+len(l.conn.queue)-l.conn.head < full }

// Send sends a message, which `message` appends to the buffer it is given.
func (l *Line) Send(message func([]byte) ([]byte, error)) error {
	if l.hung {
		return nil // the handler is told, if it was not
	}
	return l.conn.send(message)
}

// Finish ends the stream with a status, after what was sent.
func (l *Line) Finish(code uint32, text string) { l.conn.finish(code, text) }

// Drain receives what has arrived, as long as more is wanted, and answers. For a handler of another line of the loop, for which
// it matters what this client has said before.
func (l *Line) Drain(more func() bool) {
	for more() && !l.hung && l.read() {
	}
	l.flush()
}

// read reads once: a client that writes without end does not hold up the others. False when there was nothing.
func (l *Line) read() bool {
	n, err := unix.Read(l.fd, l.loop.buf)
	if err == nil && n > 0 {
		err = faults.Err("line.read", unix.ECONNRESET)
	}
	switch {
	case err == nil && n > 0:
		l.deliver(l.conn.feed(l.loop.buf[:n]))
	case err == unix.EINTR:
	case err == unix.EAGAIN:
		return false
	default:
		l.hangUp() // the client closed the line, or is gone: both are how lines end
	}
	return true
}

// deliver hands over the messages that came, and then why nothing more will come.
func (l *Line) deliver(err error) {
	messages := l.conn.messages
	l.conn.messages = nil
	for _, m := range messages {
		if l.conn.finishing {
			return // whatever else the client says has nobody to hear it
		}
		l.handler.Receive(m)
	}
	switch {
	case err == nil:
	case l.closed:
		l.hangUp() // it goes on after its end
	default:
		l.closed = true
		if errors.Is(err, io.EOF) || errors.Is(err, errReset) {
			err = nil
		}
		l.handler.Closed(err)
	}
}

// flush writes what there is, until there is no more or the client takes no more.
func (l *Line) flush() {
	for {
		if !l.conn.finishing {
			l.handler.Flush()
		}
		if l.hung || len(l.conn.out) == 0 || !l.write() {
			return
		}
		if l.conn.finished {
			l.hangUp()
			return
		}
	}
}

// write gives the socket what it takes now; whether that was everything.
func (l *Line) write() bool {
	c := l.conn
	for l.written < len(c.out) {
		n, err := 0, faults.Err("line.write", unix.ECONNRESET)
		if err == nil {
			n, err = unix.Write(l.fd, c.out[l.written:]) // Go takes SIGPIPE: it is EPIPE
		}
		switch {
		case err == nil:
			l.written += n
		case err == unix.EINTR:
		case err == unix.EAGAIN:
			l.poll(true)
			return false
		default:
			l.hangUp()
			return false
		}
	}
	l.written, c.owed = 0, 0
	if c.out = c.out[:0]; cap(c.out) > 4*full {
		c.out = nil
	}
	l.poll(false)
	return true
}

// poll has the loop told when the socket takes more.
func (l *Line) poll(writable bool) {
	if l.polled == writable {
		return
	}
	l.polled = writable
	events := uint32(unix.EPOLLIN)
	if writable {
		events |= unix.EPOLLOUT
	}
	if err := l.loop.watch(unix.EPOLL_CTL_MOD, l.fd, events); err != nil {
		l.hangUp()
	}
}

// hangUp closes the connection. The handler is told, if it was not, and finishes.
func (l *Line) hangUp() {
	if l.hung {
		return
	}
	l.hung = true
	delete(l.loop.lines, int32(l.fd))
	// Before the close: a child that is just being started may hold the socket for a moment, and with it what is watched.
	_ = l.loop.watch(unix.EPOLL_CTL_DEL, l.fd, 0)
	unix.Close(l.fd)
	if !l.closed {
		l.closed = true
		l.handler.Closed(nil)
	}
	if !l.conn.finishing {
		l.handler.Flush()
	}
}
