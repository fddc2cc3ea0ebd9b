package cluster

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"

	"github.com/mobula/mobula/coreworker/backend"
	"github.com/mobula/mobula/coreworker/cluster/gcs"
	"github.com/mobula/mobula/coreworker/cluster/history"
	"github.com/mobula/mobula/coreworker/cluster/objects"
	"github.com/mobula/mobula/coreworker/cluster/plasma"
	"github.com/mobula/mobula/coreworker/cluster/raylet"
	"github.com/mobula/mobula/coreworker/cluster/remote"
	"github.com/mobula/mobula/coreworker/cluster/store"
	"github.com/mobula/mobula/coreworker/cluster/wire"
	"github.com/mobula/mobula/coreworker/ids"
	"github.com/mobula/mobula/coreworker/submit"
	"github.com/mobula/mobula/coreworker/task"
	"github.com/mobula/mobula/proto/ray"
)

// goodbye is how long the raylet may take to hear that the driver leaves. After it the connection's end says the same.
const goodbye = 5 * time.Second

// Driver is a core's place in a cluster. It implements backend.Cluster.
type Driver struct {
	cfg    Config
	ctx    context.Context // ends with Close
	cancel context.CancelFunc

	dialer   *gcs.Dialer
	gcs      *gcs.Client
	raylet   *raylet.Conn
	plasma   *plasma.Client
	store    *store.Store
	owner    *objects.Service
	freer    *store.Freer
	watcher  *store.Watcher
	listener net.Listener
	server   *grpc.Server
	serving  sync.WaitGroup
	work     sync.WaitGroup // goroutines of values and exports

	job     ids.JobID
	worker  ids.WorkerID
	job1    *ray.JobConfig
	local   raylet.Address // this node's raylet
	self    raylet.Address
	address *ray.Address // the same as self

	watch sync.Once // of nodes

	enrolled chan struct{} // closed when the driver is in the GCS's table of workers, or cannot be

	bound   chan struct{} // closed by Bind
	core    backend.Core
	carrier *remote.Carrier
	history *history.Buffer
	telling chan struct{} // full while somebody tells of it
	actors  *remote.Actors

	// Under the state lock.
	functions map[ids.FunctionID]*export
	classes   map[ids.ActorID]wire.Function // of the actors that were met
	serial    uint64
	foreign   map[ids.ObjectID]*ray.Address // owners of objects that are not this driver's
	streams   map[ids.TaskID]*stream
	gone      map[ids.ObjectID]struct{} // nobody here refers to them, and somebody borrows them: guarded by owner.Do
	dead      map[ids.NodeID]string     // nodes that have died, and why
	closed    bool
}

var _ backend.Cluster = (*Driver)(nil)

// export is a function or class on its way into the function table.
type export struct {
	fn   wire.Function
	done chan struct{} // closed when it is there, or cannot be
	err  error
}

// Job implements backend.Cluster.
func (d *Driver) Job() ids.JobID { return d.job }

// Node implements backend.Cluster.
func (d *Driver) Node() ids.NodeID { return d.local.Node }

// Address is the driver's, as references to its objects carry it.
func (d *Driver) Address() ([]byte, error) { return proto.Marshal(d.address) }

// Bind implements backend.Cluster.
func (d *Driver) Bind(core backend.Core) {
	d.core = core
	d.carrier = remote.New(remote.Config{
		Do: core.Do, After: core.After, Dial: d.dial, Task: d.task, Ready: d.ready, Pushed: d.pushed, Replied: d.replied, Stored: d.stored, Report: d.report,
		Driver: &wire.Driver{Job: d.job, Address: d.address, Config: d.job1}, Worker: d.worker, Local: d.local,
	})
	d.actors = remote.NewActors(d.carrier, d.gcs.Conn(), remote.ActorHooks{Changed: core.ActorChanged, Settle: core.Settle})
	d.history, d.telling = history.NewBuffer(d.job, keptAttempts), make(chan struct{}, 1)
	d.beginHistory()
	d.work.Go(d.enroll)
	close(d.bound)
}

// Leaser implements backend.Cluster.
func (d *Driver) Leaser() submit.Leaser { return d.carrier.Leases() }

// Gone is closed when the node's raylet has ended, and with it the driver's place.
func (d *Driver) Gone() <-chan struct{} { return d.raylet.Gone() }

// Close implements backend.Cluster.
func (d *Driver) Close() error {
	d.core.Do(func() { d.closed = true })
	d.carrier.Close()
	d.cancel()
	d.work.Wait()
	d.endHistory()
	return d.drop()
}

// drop lets go of whatever there is: of a driver that did not join, too. The raylet hears it first, and frees what the driver owned.
func (d *Driver) drop() error {
	d.cancel()
	var errs []error
	if d.raylet != nil {
		ctx, cancel := context.WithTimeout(context.Background(), goodbye)
		defer cancel()
		select {
		case <-d.raylet.Gone():
		default:
			errs = append(errs, d.raylet.Disconnect(ctx, "the driver's program has ended"))
		}
		errs = append(errs, d.raylet.Close())
	}
	if d.plasma != nil {
		errs = append(errs, d.plasma.Close())
	}
	if d.server != nil {
		d.owner.Close()
		d.server.Stop()
		d.serving.Wait()
		d.freer.Wait()
	} else if d.listener != nil {
		errs = append(errs, d.listener.Close())
	}
	return errors.Join(append(errs, d.dialer.Close())...)
}

func (d *Driver) report(err error) {
	if err != nil && d.ctx.Err() == nil && d.cfg.Report != nil {
		d.cfg.Report(err)
	}
}

// dial is a connection to a raylet or worker. Not under the state lock.
func (d *Driver) dial(at raylet.Address) (grpc.ClientConnInterface, error) {
	if at.Node != d.local.Node {
		d.watchNodes()
	}
	return d.dialer.Dial(net.JoinHostPort(at.IP, strconv.Itoa(int(at.Port))))
}

func (d *Driver) peer(at *ray.Address) (ray.CoreWorkerServiceClient, error) {
	conn, err := d.dialer.Dial(net.JoinHostPort(at.IpAddress, strconv.Itoa(int(at.Port))))
	if err != nil {
		return nil, err
	}
	return ray.NewCoreWorkerServiceClient(conn), nil
}

// background runs what may wait. Called under the state lock.
func (d *Driver) background(fn func()) {
	if !d.closed {
		d.work.Go(fn)
	}
}

// Export implements backend.Cluster.
func (d *Driver) Export(namespace string, key, value []byte, fn backend.Function) {
	e := &export{fn: wire.Function(fn), done: make(chan struct{})}
	d.functions[e.fn.ID()] = e
	if d.closed {
		close(e.done)
		return
	}
	d.background(func() {
		defer close(e.done)
		e.err = d.gcs.Put(d.ctx, namespace, key, value)
		d.report(e.err)
	})
}

// Lookup implements backend.Cluster.
func (d *Driver) Lookup(namespace string, key []byte, answer func([]byte, bool, error)) {
	d.background(func() {
		ctx, cancel := context.WithTimeout(d.ctx, lookupPatience)
		defer cancel()
		value, found, err := d.gcs.Get(ctx, namespace, key)
		d.core.Do(func() { answer(value, found, err) })
	})
}

// ready is how to wait until a task can be sent; nil where it can.
func (d *Driver) ready(s *task.Spec) func(context.Context) error {
	export := d.exported(s)
	if s.Backpressure <= 0 {
		return export
	}
	return func(ctx context.Context) error {
		select {
		case <-d.enrolled:
		case <-ctx.Done():
			return ctx.Err()
		}
		if export == nil {
			return nil
		}
		return export(ctx)
	}
}

// exported is how to wait until the function that a task needs is in the table, nil where it is: who is called before cannot find it.
func (d *Driver) exported(s *task.Spec) (wait func(context.Context) error) {
	if s.Type == task.ActorMethod {
		return nil
	}
	e := d.functions[s.Function]
	if e == nil {
		return func(context.Context) error { return fmt.Errorf("its function %s was not exported", s.Function) }
	}
	select {
	case <-e.done:
		if e.err == nil {
			return nil
		}
	default:
	}
	return func(ctx context.Context) error {
		select {
		case <-e.done:
			return e.err
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// task adds to a spec what only the wire needs.
func (d *Driver) task(s *task.Spec, attempt int) *wire.Task {
	d.serial++
	t := &wire.Task{Spec: s, Attempt: attempt, Serial: d.serial, Environment: d.cfg.RuntimeEnv, Stored: stored, Owner: d.ownerOf,
		Keyword: func(i int) (string, bool) { return s.Args[i].Name, s.Args[i].Named },
	}
	t.Function = d.function(s)
	return t
}

// function is what a task runs.
func (d *Driver) function(s *task.Spec) wire.Function {
	if s.Type == task.ActorMethod {
		class := d.classes[s.Actor]
		return wire.Function{Module: class.Module, Class: class.Class, Name: s.Method}
	}
	if e := d.functions[s.Function]; e != nil {
		return e.fn
	}
	return wire.Function{}
}
