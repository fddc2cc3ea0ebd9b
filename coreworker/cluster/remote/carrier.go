package remote

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"google.golang.org/grpc"

	"github.com/mobula/mobula/coreworker/cluster/lease"
	"github.com/mobula/mobula/coreworker/cluster/raylet"
	"github.com/mobula/mobula/coreworker/cluster/wire"
	"github.com/mobula/mobula/coreworker/ids"
	"github.com/mobula/mobula/coreworker/objects"
	"github.com/mobula/mobula/coreworker/peer"
	"github.com/mobula/mobula/coreworker/submit"
	"github.com/mobula/mobula/coreworker/task"
	"github.com/mobula/mobula/proto/ray"
)

const (
	// patience is for calls that are answered at once by whoever is alive.
	patience = 10 * time.Second
	// cancelAgain is how long to wait before a cancel that found nothing is sent again: the task may not have come yet (Ray:
	// cancellation_retry_ms).
	cancelAgain = 2 * time.Second
)

// Config is what a carrier needs of its driver.
type Config struct {
	// Do runs fn with the state lock held. A carrier never calls it from inside a call to itself.
	Do func(fn func())
	// After calls fn under the state lock.
	After func(d time.Duration, fn func()) (stop func())
	// Dial is a connection to a raylet or worker, which is made where there is none yet. It does not wait. Called without the state lock.
	Dial func(raylet.Address) (grpc.ClientConnInterface, error)
	// Task adds what the core's spec does not hold. Called under the state lock.
	Task func(s *task.Spec, attempt int) *wire.Task
	// Ready is how to wait, without the state lock, until what a task runs can be found by its worker; nil where it can. Called under the
	// state lock. May be nil.
	Ready func(s *task.Spec) (wait func(context.Context) error)
	// Pushed is told that a worker is given a task. Called under the state lock. May be nil.
	Pushed func(s *task.Spec, attempt int, to raylet.Address)
	// Replied is told of every answer before it is looked at, under the state lock: borrowed references are in it. May be nil.
	Replied func(s *task.Spec, from raylet.Address, r *ray.PushTaskReply)
	// Stored makes the value of a return that lies in the store of the node. Called under the state lock.
	Stored func(node ids.NodeID) wire.Stored
	// Report is told of what went wrong and concerns no task. Nil discards it.
	Report func(error)
	Driver *wire.Driver
	Worker ids.WorkerID
	// Local is this node's raylet.
	Local raylet.Address
}

// Carrier carries for one driver.
type Carrier struct {
	cfg    Config
	leases *lease.Leases
	ctx    context.Context
	cancel context.CancelFunc
	closed bool // under the state lock
	calls  sync.WaitGroup
	reach  map[ids.NodeID]*reach // under the state lock
}

// New makes a carrier, and the leases that it carries for.
func New(cfg Config) *Carrier {
	c := &Carrier{cfg: cfg, reach: map[ids.NodeID]*reach{}}
	c.ctx, c.cancel = context.WithCancel(context.Background())
	c.leases = lease.New(c, cfg.Local, cfg.Worker)
	return c
}

// Leases are the leaser for the driver's submit.Normal.
func (c *Carrier) Leases() *lease.Leases { return c.leases }

// Close ends every call that has no answer, and waits for their ends. It is not called under the state lock. Nothing is answered
// any more. Workers that are still leased go back to their raylets when the driver disconnects.
func (c *Carrier) Close() {
	c.cfg.Do(func() { c.closed = true })
	c.cancel()
	c.calls.Wait()
}

// run does what may wait; then, unless it is nil, is called under the state lock.
func (c *Carrier) run(wait func(ctx context.Context) (then func())) { c.runIn(c.ctx, wait) }

func (c *Carrier) runIn(ctx context.Context, wait func(ctx context.Context) (then func())) {
	if c.closed { // asked under the state lock, so that nothing begins once Close waits
		return
	}
	c.calls.Add(1)
	go func() {
		defer c.calls.Done()
		if then := wait(ctx); then != nil {
			c.cfg.Do(func() {
				if !c.closed {
					then()
				}
			})
		}
	}()
}

func (c *Carrier) ready(s *task.Spec) (wait func(context.Context) error) {
	if c.cfg.Ready != nil {
		wait = c.cfg.Ready(s)
	}
	if wait == nil {
		return func(context.Context) error { return nil }
	}
	return wait
}

func (c *Carrier) report(what string, err error) {
	if err != nil && c.ctx.Err() == nil && c.cfg.Report != nil {
		c.cfg.Report(fmt.Errorf("%s: %w", what, err))
	}
}

func (c *Carrier) raylet(at raylet.Address) (ray.NodeManagerServiceClient, error) {
	conn, err := c.cfg.Dial(at)
	if err != nil {
		return nil, err
	}
	return ray.NewNodeManagerServiceClient(conn), nil
}

// ask calls a raylet that answers at once.
func (c *Carrier) ask(at raylet.Address, call func(context.Context, ray.NodeManagerServiceClient) error) error {
	ctx, cancel := context.WithTimeout(c.ctx, patience)
	defer cancel()
	client, err := c.raylet(at)
	if err != nil {
		return err
	}
	return call(ctx, client)
}

// After implements lease.Host.
func (c *Carrier) After(d time.Duration, fn func()) func() { return c.cfg.After(d, fn) }

// Ask implements lease.Host.
func (c *Carrier) Ask(a lease.Ask) {
	t := c.cfg.Task(a.Wish.Spec, 0)
	spec, err := c.cfg.Driver.Spec(t)
	if err != nil { // nothing half made goes to a raylet, which may end of it
		c.run(func(context.Context) func() {
			why := objects.TaskUnschedulable(err.Error())
			return func() { c.leases.Canceled(a.ID, &why) }
		})
		return
	}
	request := &ray.RequestWorkerLeaseRequest{LeaseSpec: c.cfg.Driver.Lease(a.ID[:], t, spec, a.Wish.Needs), BacklogSize: int64(a.Backlog), GrantOrReject: a.OrReject}
	c.runAt(a.At.Node, func(ctx context.Context) func() {
		client, err := c.raylet(a.At)
		var r *ray.RequestWorkerLeaseReply
		if err == nil {
			r, err = client.RequestWorkerLease(ctx, request) // no deadline: it is answered when there is a worker
		}
		if err != nil {
			return func() { c.leases.Unreachable(a.ID, err.Error()) }
		}
		return func() { c.answered(a, r) }
	})
}

func (c *Carrier) answered(a lease.Ask, r *ray.RequestWorkerLeaseReply) {
	switch {
	case r.Canceled:
		c.leases.Canceled(a.ID, wire.NoWorker(r))
	case r.Rejected:
		c.leases.Rejected(a.ID)
	case len(r.RetryAtRayletAddress.GetNodeId()) > 0:
		at, err := address(r.RetryAtRayletAddress)
		if err != nil {
			c.leases.Unreachable(a.ID, err.Error())
			return
		}
		at.Worker = ids.WorkerID{}
		c.leases.Elsewhere(a.ID, at)
	default:
		worker, err := address(r.WorkerAddress)
		if err != nil {
			c.leases.Unreachable(a.ID, err.Error())
			return
		}
		c.leases.Granted(lease.Grant{ID: a.ID, At: a.At, Worker: worker, PID: int(r.WorkerPid), Reply: r})
	}
}

func address(a *ray.Address) (out raylet.Address, err error) {
	if out.Node, err = ids.Node(a.GetNodeId()); err != nil {
		return out, err
	}
	if len(a.GetWorkerId()) > 0 {
		if out.Worker, err = ids.Worker(a.GetWorkerId()); err != nil {
			return out, err
		}
	}
	if a.Port <= 0 || a.Port > 0xFFFF {
		return out, fmt.Errorf("port %d of %s is none", a.Port, a.IpAddress)
	}
	out.IP, out.Port = a.IpAddress, uint16(a.Port)
	return out, nil
}

// Withdraw implements lease.Host. It is sent again where it fails.
func (c *Carrier) Withdraw(at raylet.Address, id lease.ID) {
	if c.dead(at.Node) != nil {
		return
	}
	c.run(func(context.Context) func() {
		c.report("cancel a lease", c.ask(at, func(ctx context.Context, r ray.NodeManagerServiceClient) error {
			_, err := r.CancelWorkerLease(ctx, &ray.CancelWorkerLeaseRequest{LeaseId: id[:]})
			return err
		}))
		return nil
	})
}

// GiveBack implements lease.Host.
func (c *Carrier) GiveBack(g lease.Grant, how lease.Ending) {
	if c.dead(g.At.Node) != nil {
		return
	}
	request := &ray.ReturnWorkerLeaseRequest{WorkerPort: int32(g.Worker.Port), LeaseId: g.ID[:], DisconnectWorker: how == lease.Broken, WorkerExiting: how == lease.Exiting}
	if how == lease.Broken {
		request.DisconnectWorkerErrorDetail = "a call to the worker failed"
	}
	c.run(func(context.Context) func() {
		c.report("give a worker back", c.ask(g.At, func(ctx context.Context, r ray.NodeManagerServiceClient) error {
			_, err := r.ReturnWorkerLease(ctx, request)
			return err
		}))
		return nil
	})
}

// Executor implements lease.Host.
func (c *Carrier) Executor(l *submit.Lease, g lease.Grant) peer.Executor {
	return &leased{c: c, lease: l, grant: g, running: map[ids.TaskID]chan struct{}{}}
}

// leased is a worker that runs normal tasks.
type leased struct {
	c       *Carrier
	lease   *submit.Lease
	grant   lease.Grant
	running map[ids.TaskID]chan struct{} // closed when it has ended
}

// PushTask implements peer.Executor.
func (e *leased) PushTask(p *peer.Push) {
	t := e.c.cfg.Task(p.Spec, p.Attempt)
	t.Args = p.Args
	spec, err := e.c.cfg.Driver.Pushed(t)
	ended := make(chan struct{})
	e.running[p.Spec.ID] = ended
	end := func(r peer.Reply) func() {
		return func() {
			delete(e.running, p.Spec.ID)
			close(ended)
			p.Done(r)
		}
	}
	if err != nil { // answered later all the same: who pushes does not expect an answer inside the call
		e.c.run(func(context.Context) func() { return end(peer.Reply{End: task.Died, Text: err.Error()}) })
		return
	}
	e.c.pushed(p, e.grant.Worker)
	request := &ray.PushTaskRequest{IntendedWorkerId: e.grant.Worker.Worker[:], TaskSpec: spec, SequenceNumber: -1, ClientProcessedUpTo: -1}
	if granted, ok := e.grant.Reply.(*ray.RequestWorkerLeaseReply); ok {
		request.ResourceMapping = granted.ResourceMapping
	}
	ready := e.c.ready(p.Spec)
	e.c.runAt(e.grant.At.Node, func(ctx context.Context) func() {
		var r *ray.PushTaskReply
		if err := ready(ctx); err != nil {
			return end(peer.Reply{End: task.Died, Text: err.Error(), Error: objects.TaskUnschedulable(err.Error())})
		}
		conn, err := e.c.cfg.Dial(e.grant.Worker)
		if err == nil {
			r, err = ray.NewCoreWorkerServiceClient(conn).PushTask(ctx, request)
		}
		if err != nil {
			return e.failed(ctx, err, end)
		}
		return func() {
			if r.WorkerExiting {
				e.c.leases.Lost(e.lease, lease.Exiting)
			}
			if e.c.cfg.Replied != nil {
				e.c.cfg.Replied(p.Spec, e.grant.Worker, r)
			}
			var stored wire.Stored
			if e.c.cfg.Stored != nil {
				stored = e.c.cfg.Stored(e.grant.Worker.Node)
			}
			end(wire.Reply(p.Spec, r, stored))()
		}
	})
}

func (c *Carrier) pushed(p *peer.Push, to raylet.Address) {
	if c.cfg.Pushed != nil {
		c.cfg.Pushed(p.Spec, p.Attempt, to)
	}
}

// failed asks the raylet why, which may know more than that the call failed.
func (e *leased) failed(ctx context.Context, cause error, end func(peer.Reply) func()) func() {
	reply := wire.Refused(cause)
	if reply.End == task.NotStarted {
		return end(reply)
	}
	var why *ray.GetWorkerFailureCauseReply
	err := context.Cause(ctx) // why the node is dead, if it is
	if err == nil {
		err = e.c.ask(e.grant.At, func(ctx context.Context, r ray.NodeManagerServiceClient) (err error) {
			why, err = r.GetWorkerFailureCause(ctx, &ray.GetWorkerFailureCauseRequest{LeaseId: e.grant.ID[:]})
			return err
		})
	}
	if err != nil {
		reply = wire.NodeGone(e.grant.At.Node, errors.Join(cause, err))
	} else {
		reply = wire.Cause(why, reply.Text)
	}
	return func() {
		e.c.leases.Lost(e.lease, lease.Broken)
		end(reply)()
	}
}

// CancelTask implements peer.Executor. It goes through the worker's raylet, which ends a worker that does not end by itself
// when it has to. What it did is known later: the answer of the task itself tells.
func (e *leased) CancelTask(r peer.CancelRequest) peer.CancelReply {
	ended := e.running[r.Task]
	if ended == nil {
		return peer.CancelReply{}
	}
	request := &ray.CancelLocalTaskRequest{IntendedTaskId: r.Task.Bytes(), ForceKill: r.Force, Recursive: r.Recursive,
		CallerWorkerId: e.c.cfg.Worker[:], ExecutorWorkerId: e.grant.Worker.Worker[:]}
	e.c.run(func(ctx context.Context) func() {
		untilDone(ctx, ended, func(ctx context.Context) (bool, error) {
			client, err := e.c.raylet(e.grant.At)
			if err != nil {
				return false, err
			}
			reply, err := client.CancelLocalTask(ctx, request)
			return reply.GetAttemptSucceeded(), err
		})
		return nil
	})
	return peer.CancelReply{Running: true}
}

// TakeBack implements peer.Executor: nothing is pushed that has not begun.
func (e *leased) TakeBack() int { return 0 }
