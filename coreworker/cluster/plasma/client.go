package plasma

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"

	"github.com/mobula/mobula/coreworker/cluster/internal/ipc"
	"github.com/mobula/mobula/coreworker/ids"
)

// Client is a connection to a store. Its methods may be called by any goroutine.
type Client struct {
	c        *net.UnixConn
	capacity uint64

	// writing keeps the order: what a request changes in the state below and its bytes are in the same order among all requests.
	// It is taken before mu. The reader takes mu only, so a store that does not read keeps writers and nobody else.
	writing sync.Mutex

	mu      sync.Mutex
	holds   holds
	files   map[file]*segment
	waiting map[kind][]*waiter   // in order
	getting map[string][]*waiter // by the ids
	closed  bool                 // by us

	gone chan struct{} // closed when the reader has ended
	err  error         // why; read after gone is closed
}

// waiter is a request whose reply is to come. The reader calls take with it.
type waiter struct {
	take func(body []byte) error
	done chan struct{} // closed after take
}

func newWaiter(take func([]byte) error) *waiter {
	return &waiter{take: take, done: make(chan struct{})}
}

// Dial connects to a store's socket. Close ends the connection.
func Dial(ctx context.Context, socket string) (*Client, error) {
	var d net.Dialer
	conn, err := d.DialContext(ctx, "unix", socket)
	if err != nil {
		return nil, fmt.Errorf("plasma: %w", err)
	}
	c := &Client{
		c: conn.(*net.UnixConn), holds: make(holds), files: make(map[file]*segment),
		waiting: make(map[kind][]*waiter), getting: make(map[string][]*waiter), gone: make(chan struct{}),
	}
	go c.read()
	w := newWaiter(func(body []byte) (err error) {
		c.capacity, err = readConnected(body)
		return err
	})
	if err = c.post(func() (message, *waiter) { return connectRequest{}, w }); err == nil {
		err = c.wait(ctx, w)
	}
	if err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return c, nil
}

// Capacity is the size of the store in bytes.
func (c *Client) Capacity() uint64 { return c.capacity }

// Gone is closed when the connection has ended, by either side.
func (c *Client) Gone() <-chan struct{} { return c.gone }

// Close ends the connection: the store takes back all that it holds. What was got stays mapped until it is released, but what
// lies there may be overwritten.
func (c *Client) Close() error {
	c.mu.Lock()
	c.closed = true
	c.mu.Unlock()
	err := c.c.Close()
	<-c.gone
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}

// Held is how many objects the store counts this connection as a user of.
func (c *Client) Held() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := 0
	for _, e := range c.holds {
		if e.held {
			n++
		}
	}
	return n
}

// post sends a request. Nothing else is sent, and no reply is taken, while build decides what to send and who waits for the
// reply; nil: nothing.
func (c *Client) post(build func() (message, *waiter)) error {
	c.writing.Lock()
	defer c.writing.Unlock()
	c.mu.Lock()
	m, w := build()
	if w != nil {
		c.expect(m, w)
	}
	c.mu.Unlock()
	if m == nil {
		return nil
	}
	if _, err := c.c.Write(ipc.Append(nil, int64(m.kind()), encode(m))); err != nil {
		_ = c.c.Close() // a part of a frame may be out, and nothing may follow it
		<-c.gone
		return c.err
	}
	return nil
}

func (c *Client) expect(m message, w *waiter) {
	if g, ok := m.(*getRequest); ok {
		key := string(ids.JoinObjects(g.objects))
		c.getting[key] = append(c.getting[key], w)
		return
	}
	c.waiting[m.reply()] = append(c.waiting[m.reply()], w)
}

// wait returns when the reply was taken.
func (c *Client) wait(ctx context.Context, w *waiter) error {
	select {
	case <-w.done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-c.gone:
		select {
		case <-w.done: // the last that it said
			return nil
		default:
			return c.err
		}
	}
}

func (c *Client) read() {
	for {
		got, body, err := ipc.Read(c.c)
		if err == nil {
			err = c.take(kind(got), body)
		}
		if err != nil {
			c.end(err)
			return
		}
	}
}

func (c *Client) take(got kind, body []byte) error {
	w, err := c.whose(got, body)
	if err != nil {
		return err
	}
	if err := w.take(body); err != nil {
		return err
	}
	close(w.done)
	return nil
}

// whose finds the request that a reply is of. Two gets of the same objects are one as good as the other.
func (c *Client) whose(got kind, body []byte) (*waiter, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if got != kindGot {
		return next(c.waiting, got)
	}
	r, err := readGot(body)
	if err != nil {
		return nil, err
	}
	return next(c.getting, string(ids.JoinObjects(r.objects)))
}

func next[K comparable](queues map[K][]*waiter, key K) (*waiter, error) {
	queue := queues[key]
	if len(queue) == 0 {
		return nil, fmt.Errorf("%w: an answer that nobody asked for: %v", ipc.ErrFrame, key)
	}
	if len(queue) == 1 {
		delete(queues, key)
	} else {
		queues[key] = queue[1:]
	}
	return queue[0], nil
}

// file is a file of the store, received now if this connection has not had it. Only the reader calls it, right after the reply
// that names the file.
func (c *Client) file(m mapping) (*segment, error) {
	c.mu.Lock()
	s := c.files[m.file]
	c.mu.Unlock()
	if s != nil {
		return s, nil
	}
	fd, err := receive(c.c)
	if err != nil {
		return nil, err
	}
	if s, err = mapSegment(fd, m.size); err != nil {
		return nil, err
	}
	c.mu.Lock()
	c.files[m.file] = s
	c.mu.Unlock()
	return s, nil
}

// settle tells the store of an object that nobody uses any more, if that is so.
func (c *Client) settle(id ids.ObjectID) error {
	return c.post(func() (message, *waiter) {
		p, idle := c.holds.release(id)
		if !idle {
			return nil, nil
		}
		m := &releaseRequest{object: id, fallback: p.fallback}
		if !p.fallback {
			return m, nil
		}
		return m, newWaiter(func(body []byte) error { return c.released(p.file, body) })
	})
}

// released drops the file of an object of the fallback, as the store has done: it will send it anew.
func (c *Client) released(f file, body []byte) error {
	r, err := readReleased(body)
	if err != nil || !r.yes {
		return err
	}
	c.mu.Lock()
	s := c.files[f]
	delete(c.files, f)
	c.mu.Unlock()
	if s == nil {
		return fmt.Errorf("%w: the store takes back a file that it has not given", ipc.ErrFrame)
	}
	return s.release()
}

func (c *Client) end(err error) {
	c.mu.Lock()
	if errors.Is(err, io.EOF) {
		err = ErrGone
	} else {
		err = fmt.Errorf("%w: %w", ErrGone, err)
	}
	if c.closed {
		err = fmt.Errorf("plasma: %w", net.ErrClosed)
	}
	c.err = err
	files := c.files
	c.files = nil
	c.mu.Unlock()
	for _, s := range files {
		_ = s.release() // unmapping what is mapped does not fail
	}
	_ = c.c.Close() // it tells nothing that err does not
	close(c.gone)
}
