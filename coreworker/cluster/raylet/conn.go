package raylet

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"

	"google.golang.org/protobuf/proto"

	"github.com/mobula/mobula/coreworker/cluster/internal/ipc"
	"github.com/mobula/mobula/coreworker/ids"
	"github.com/mobula/mobula/proto/ray"
)

// ErrGone is returned by every method after the raylet has closed the connection: it is dead, or has thrown us out.
var ErrGone = errors.New("the raylet has closed the connection")

// Conn is the one connection of a registered driver. The raylet takes its end for the driver's death. Its methods may be
// called by any goroutine.
type Conn struct {
	c *net.UnixConn
	// turn holds one token: who has it may send a request that has a reply. Replies say of nothing which request they are of,
	// so there is one at a time; it is given back when the reply is there, not when its caller has given up.
	turn chan struct{}

	writing sync.Mutex // never taken with mu held: a raylet that reads nothing blocks writers

	mu      sync.Mutex
	waiting kind // of the reply that is to come; 0: none
	reply   chan *ipc.Table
	closed  bool // by us

	gone chan struct{} // closed when the reader has ended
	err  error         // why; read after gone is closed
}

// Dial connects to a raylet's socket. Close ends the connection.
func Dial(ctx context.Context, socket string) (*Conn, error) {
	var d net.Dialer
	c, err := d.DialContext(ctx, "unix", socket)
	if err != nil {
		return nil, fmt.Errorf("raylet: %w", err)
	}
	r := &Conn{c: c.(*net.UnixConn), turn: make(chan struct{}, 1), gone: make(chan struct{})}
	r.turn <- struct{}{}
	go r.read()
	return r, nil
}

// Gone is closed when the connection has ended, by either side.
func (r *Conn) Gone() <-chan struct{} { return r.gone }

// Close ends the connection. What the driver had on the cluster ends with it; Disconnect first says that this is meant.
func (r *Conn) Close() error {
	r.mu.Lock()
	r.closed = true
	r.mu.Unlock()
	err := r.c.Close()
	<-r.gone
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}

func (r *Conn) read() {
	for {
		got, body, err := ipc.Read(r.c)
		if err == nil {
			err = r.take(kind(got), body)
		}
		if err != nil {
			r.end(err)
			return
		}
	}
}

// take gives a reply to who waits for it, and the turn to the next.
func (r *Conn) take(got kind, body []byte) error {
	r.mu.Lock()
	want, to := r.waiting, r.reply
	if got == want {
		r.waiting = 0
	}
	r.mu.Unlock()
	if got != want {
		return fmt.Errorf("raylet: message %d came where %d was due (0: none)", got, want)
	}
	to <- ipc.Root(body) // of room for one: whoever asked may have given up
	r.turn <- struct{}{}
	return nil
}

func (r *Conn) end(err error) {
	r.mu.Lock()
	if r.err = fmt.Errorf("%w: %w", ErrGone, err); r.closed {
		r.err = fmt.Errorf("raylet: %w", net.ErrClosed)
	}
	r.mu.Unlock()
	_ = r.c.Close() // it tells nothing that err does not
	close(r.gone)
}

// send writes a message. A frame is written as a whole: the writers' lock is held until it is.
func (r *Conn) send(m message) error {
	frame := ipc.Append(nil, int64(m.kind()), encode(m))
	r.writing.Lock()
	defer r.writing.Unlock()
	if _, err := r.c.Write(frame); err != nil {
		_ = r.c.Close() // a part of a frame may be out, and nothing may follow it
		<-r.gone
		return r.err
	}
	return nil
}

// call sends a message and returns its reply.
func (r *Conn) call(ctx context.Context, m message, want kind) (*ipc.Table, error) {
	select {
	case <-r.turn:
	case <-r.gone:
		return nil, r.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	to := make(chan *ipc.Table, 1)
	r.mu.Lock()
	r.waiting, r.reply = want, to
	r.mu.Unlock()
	if err := r.send(m); err != nil {
		return nil, err // the turn is lost with the connection
	}
	select {
	case t := <-to:
		return t, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-r.gone:
		select {
		case t := <-to: // the last that it said
			return t, nil
		default:
			return nil, r.err
		}
	}
}

// Driver is what a raylet is told of a driver.
type Driver struct {
	Worker ids.WorkerID
	Job    ids.JobID
	PID    int
	IP     string // of the node
	Config *ray.JobConfig
}

// Register makes the connection a driver's. It returns the node's id and the port that the driver is to serve on; 0 leaves it
// to choose one. The first driver of a node waits about a second.
func (r *Conn) Register(ctx context.Context, d Driver) (node ids.NodeID, port uint16, err error) {
	config, err := proto.Marshal(d.Config)
	if err != nil {
		return node, 0, fmt.Errorf("the job's configuration: %w", err)
	}
	t, err := r.call(ctx, &registerRequest{worker: d.Worker, job: d.Job, pid: d.PID, ip: d.IP, jobConfig: config}, kindRegistered)
	if err != nil {
		return node, 0, fmt.Errorf("register: %w", err)
	}
	if err := refusal("to register", t); err != nil {
		return node, 0, err
	}
	given := t.Int32(3)
	if node, err = ids.Node(t.Bytes(2)); err != nil {
		return node, 0, err
	}
	if err := t.Err(); err != nil {
		return node, 0, err
	}
	if given < 0 || given > 0xFFFF {
		return node, 0, fmt.Errorf("the raylet gave port %d", given)
	}
	return node, uint16(given), nil
}

// AnnouncePort tells where the driver serves, which it must do by now: it is called at once.
func (r *Conn) AnnouncePort(ctx context.Context, port uint16, entrypoint string) error {
	if port == 0 {
		return errors.New("announce a port: 0 is none, and a raylet ends at it")
	}
	t, err := r.call(ctx, &announceRequest{port: port, entrypoint: entrypoint}, kindPortAnnounced)
	if err != nil {
		return fmt.Errorf("announce a port: %w", err)
	}
	return refusal("the port", t)
}

// refusal reads what both replies of a registration begin with.
func refusal(what string, t *ipc.Table) error {
	done, why := t.Bool(0), t.Bytes(1)
	if err := t.Err(); err != nil {
		return err
	}
	if !done {
		return fmt.Errorf("the raylet refuses %s: %s", what, why)
	}
	return nil
}

// Disconnect says that the driver's program has ended, and returns when the raylet has heard it.
func (r *Conn) Disconnect(ctx context.Context, detail string) error {
	_, err := r.call(ctx, &disconnectRequest{detail: detail}, kindDisconnected)
	return err
}

// Fetch asks for copies of objects in this node's store: nothing answers, they appear there. CancelFetch with the same id, of the
// caller's choice, takes it back, and has to come also when they are there.
func (r *Conn) Fetch(id int64, refs []Ref) error {
	if len(refs) == 0 {
		return nil
	}
	return r.send(&fetchRequest{refs: refs, id: id})
}

// CancelFetch takes a Fetch back.
func (r *Conn) CancelFetch(id int64) error { return r.send(&cancelFetchRequest{id: id}) }

// Wait returns which of the objects are in this node's store, as soon as `required` of them are or the time is over; -1 ms is
// for ever. It keeps everybody else from Register, AnnouncePort, Disconnect and Wait until then, also when ctx has ended.
func (r *Conn) Wait(ctx context.Context, refs []Ref, required int, timeoutMS int64) (found []ids.ObjectID, err error) {
	m, ok := prepareWait(refs, required, timeoutMS)
	if !ok {
		return nil, nil
	}
	t, err := r.call(ctx, m, kindWaited)
	if err != nil {
		return nil, err
	}
	for _, raw := range t.List(0) {
		id, err := ids.Object(raw)
		if err != nil {
			return nil, err
		}
		found = append(found, id)
	}
	return found, t.Err()
}

// SubscribeReady asks for a PlasmaObjectReady call to this driver when the object is in this node's store.
func (r *Conn) SubscribeReady(ref Ref) error { return r.send(&subscribeReadyRequest{ref: ref}) }
