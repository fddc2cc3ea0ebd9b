package remote_test

import (
	"context"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"

	"github.com/mobula/mobula/coreworker/cluster/raylet"
	"github.com/mobula/mobula/coreworker/cluster/remote"
	"github.com/mobula/mobula/coreworker/cluster/wire"
	"github.com/mobula/mobula/coreworker/ids"
	"github.com/mobula/mobula/coreworker/submit"
	"github.com/mobula/mobula/coreworker/task"
	"github.com/mobula/mobula/proto/ray"
)

// fake is a raylet and its only worker, which do what a test says.
type fake struct {
	ray.UnimplementedNodeManagerServiceServer
	ray.UnimplementedCoreWorkerServiceServer
	address raylet.Address
	lease   func(*ray.RequestWorkerLeaseRequest) *ray.RequestWorkerLeaseReply
	push    func(context.Context, *ray.PushTaskRequest) (*ray.PushTaskReply, error)
	cancel  func(*ray.CancelLocalTaskRequest) *ray.CancelLocalTaskReply

	returned chan *ray.ReturnWorkerLeaseRequest
}

func (f *fake) RequestWorkerLease(_ context.Context, r *ray.RequestWorkerLeaseRequest) (*ray.RequestWorkerLeaseReply, error) {
	if f.lease != nil {
		return f.lease(r), nil
	}
	return f.grant(), nil
}

func (f *fake) grant() *ray.RequestWorkerLeaseReply {
	return &ray.RequestWorkerLeaseReply{WorkerAddress: f.wire(), ResourceMapping: []*ray.ResourceMapEntry{{Name: "CPU"}}}
}

func (f *fake) wire() *ray.Address {
	return &ray.Address{NodeId: f.address.Node[:], IpAddress: f.address.IP, Port: int32(f.address.Port), WorkerId: f.address.Worker[:]}
}

func (f *fake) ReturnWorkerLease(_ context.Context, r *ray.ReturnWorkerLeaseRequest) (*ray.ReturnWorkerLeaseReply, error) {
	f.returned <- r
	return &ray.ReturnWorkerLeaseReply{}, nil
}

func (f *fake) GetWorkerFailureCause(context.Context, *ray.GetWorkerFailureCauseRequest) (*ray.GetWorkerFailureCauseReply, error) {
	return &ray.GetWorkerFailureCauseReply{FailureCause: &ray.RayErrorInfo{ErrorType: ray.ErrorType_OUT_OF_MEMORY, ErrorMessage: "it took too much"}}, nil
}

func (f *fake) CancelLocalTask(_ context.Context, r *ray.CancelLocalTaskRequest) (*ray.CancelLocalTaskReply, error) {
	return f.cancel(r), nil
}

func (f *fake) PushTask(ctx context.Context, r *ray.PushTaskRequest) (*ray.PushTaskReply, error) {
	return f.push(ctx, r)
}

func serve(t *testing.T) *fake {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	check(t, err)
	f := &fake{address: raylet.Address{Node: ids.NewNodeID(), IP: "127.0.0.1", Port: uint16(l.Addr().(*net.TCPAddr).Port), Worker: ids.NewWorkerID()},
		returned: make(chan *ray.ReturnWorkerLeaseRequest, 10)}
	s := grpc.NewServer()
	ray.RegisterNodeManagerServiceServer(s, f)
	ray.RegisterCoreWorkerServiceServer(s, f)
	ended := make(chan struct{})
	go func() { defer close(ended); _ = s.Serve(l) }()
	t.Cleanup(func() { s.Stop(); <-ended })
	return f
}

// beside is a driver of fakes.
func beside(t *testing.T, local *fake) *driver {
	t.Helper()
	d := &driver{t: t, job: ids.JobFromInt(1), tasks: task.NewManager(), byHash: map[ids.FunctionID]wire.Function{}, done: map[ids.TaskID]chan outcome{}}
	worker, at := ids.DriverWorker(d.job), local.address
	at.Worker = ids.WorkerID{}
	var mu sync.Mutex
	conns := map[raylet.Address]*grpc.ClientConn{}
	d.carrier = remote.New(remote.Config{Do: d.Do, After: d.After, Worker: worker, Local: at, Report: func(err error) { t.Error(err) },
		Task:   func(s *task.Spec, attempt int) *wire.Task { return &wire.Task{Spec: s, Attempt: attempt} },
		Driver: &wire.Driver{Job: d.job, Config: &ray.JobConfig{}, Address: &ray.Address{}},
		Dial: func(a raylet.Address) (grpc.ClientConnInterface, error) {
			mu.Lock()
			defer mu.Unlock()
			if conns[a] == nil {
				c, err := grpc.NewClient(fmt.Sprintf("passthrough:///%s:%d", a.IP, a.Port), grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithNoProxy())
				if err != nil {
					return nil, err
				}
				conns[a] = c
			}
			return conns[a], nil
		}})
	d.normal = submit.NewNormal(d, d.carrier.Leases(), worker)
	t.Cleanup(func() {
		d.carrier.Close()
		for _, c := range conns {
			_ = c.Close()
		}
	})
	return d
}

// reply is what a worker answers that has run the task.
func reply(r *ray.PushTaskRequest) *ray.PushTaskReply {
	id, _ := ids.Task(r.TaskSpec.TaskId)
	one := id.Return(1)
	return &ray.PushTaskReply{ReturnObjects: []*ray.ReturnObject{{ObjectId: one[:], Data: []byte("x"), Metadata: []byte("RAW")}}}
}

func TestSpillback(t *testing.T) {
	here, there := serve(t), serve(t)
	here.lease = func(*ray.RequestWorkerLeaseRequest) *ray.RequestWorkerLeaseReply {
		return &ray.RequestWorkerLeaseReply{RetryAtRayletAddress: there.wire()}
	}
	there.lease = func(r *ray.RequestWorkerLeaseRequest) *ray.RequestWorkerLeaseReply {
		if !r.GrantOrReject || len(r.LeaseSpec.LeaseId) != 32 {
			t.Errorf("asked with %v", r)
		}
		return there.grant()
	}
	there.push = func(_ context.Context, r *ray.PushTaskRequest) (*ray.PushTaskReply, error) {
		if r.SequenceNumber != -1 || string(r.IntendedWorkerId) != string(there.address.Worker[:]) || len(r.ResourceMapping) != 1 {
			t.Errorf("pushed as %v", r)
		}
		return reply(r), nil
	}
	d := beside(t, here)
	_, done := d.submit("f", 0)
	if o := d.wait(done); o.verdict != task.Complete {
		t.Errorf("%s %+v", o.verdict, o.reply)
	}
	if r := <-there.returned; r.DisconnectWorker || r.WorkerExiting {
		t.Errorf("given back: %v", r)
	}
}

// TestADeadNodeIsNotWaitedFor: its machine closes no connection, so neither its worker nor its raylet would ever answer.
func TestADeadNodeIsNotWaitedFor(t *testing.T) {
	here, there := serve(t), serve(t)
	asked, pushed := make(chan struct{}, 1), make(chan struct{}, 1)
	var dead atomic.Bool
	here.lease = func(*ray.RequestWorkerLeaseRequest) *ray.RequestWorkerLeaseReply {
		if dead.Load() {
			return here.grant()
		}
		return &ray.RequestWorkerLeaseReply{RetryAtRayletAddress: there.wire()}
	}
	here.push = func(_ context.Context, r *ray.PushTaskRequest) (*ray.PushTaskReply, error) { return reply(r), nil }
	gone := make(chan struct{})
	t.Cleanup(func() { close(gone) })
	first := true
	there.lease = func(*ray.RequestWorkerLeaseRequest) *ray.RequestWorkerLeaseReply {
		if first {
			first = false
			return there.grant()
		}
		asked <- struct{}{}
		<-gone
		return nil
	}
	there.push = func(context.Context, *ray.PushTaskRequest) (*ray.PushTaskReply, error) {
		pushed <- struct{}{}
		<-gone
		return nil, status.Error(codes.Unavailable, "gone")
	}
	d := beside(t, here)
	_, again := d.submit("f", 1)
	<-pushed
	_, never := d.submit("f", 0)
	<-asked
	dead.Store(true)
	d.Do(func() { d.carrier.NodeDied(there.address.Node, "no heartbeats") })
	for _, done := range []chan outcome{again, never} {
		if o := d.wait(done); o.verdict != task.Complete {
			t.Errorf("%s %+v", o.verdict, o.reply)
		}
	}
	d.Do(func() {
		if _, _, inUse, _ := d.carrier.Leases().Counts(); inUse > 1 {
			t.Errorf("%d workers are in use", inUse)
		}
	})
}

func TestAWorkerThatBreaksIsGivenBackAsSuch(t *testing.T) {
	f := serve(t)
	f.push = func(context.Context, *ray.PushTaskRequest) (*ray.PushTaskReply, error) {
		return nil, status.Error(codes.Unavailable, "gone")
	}
	d := beside(t, f)
	_, done := d.submit("f", 0)
	if o := d.wait(done); o.verdict != task.FailDead || string(o.reply.Error.Metadata) != "22" {
		t.Errorf("%s %+v", o.verdict, o.reply)
	}
	if r := <-f.returned; !r.DisconnectWorker {
		t.Errorf("given back: %v", r)
	}
}

func TestAWorkerThatLeavesGetsNothingMore(t *testing.T) {
	f := serve(t)
	f.push = func(_ context.Context, r *ray.PushTaskRequest) (*ray.PushTaskReply, error) {
		out := reply(r)
		out.WorkerExiting = true
		return out, nil
	}
	d := beside(t, f)
	for range 3 {
		_, done := d.submit("f", 0)
		if o := d.wait(done); o.verdict != task.Complete {
			t.Errorf("%s %+v", o.verdict, o.reply)
		}
		if r := <-f.returned; !r.WorkerExiting || r.DisconnectWorker {
			t.Errorf("given back: %v", r)
		}
	}
}

// TestACancelThatFindsNothingIsSentAgain: it may come before the task.
func TestACancelThatFindsNothingIsSentAgain(t *testing.T) {
	f := serve(t)
	begun, canceled := make(chan struct{}), make(chan struct{})
	f.push = func(_ context.Context, r *ray.PushTaskRequest) (*ray.PushTaskReply, error) {
		close(begun)
		<-canceled
		return nil, status.Error(codes.Aborted, "SchedulingCancelled")
	}
	n := 0
	f.cancel = func(r *ray.CancelLocalTaskRequest) *ray.CancelLocalTaskReply {
		if n++; n < 2 {
			return &ray.CancelLocalTaskReply{}
		}
		if !r.Recursive || string(r.ExecutorWorkerId) != string(f.address.Worker[:]) {
			t.Errorf("canceled by %v", r)
		}
		close(canceled)
		return &ray.CancelLocalTaskReply{AttemptSucceeded: true}
	}
	d := beside(t, f)
	e, done := d.submit("f", 0)
	<-begun
	d.Do(func() {
		e.Canceled = true
		d.normal.Cancel(e, false, true)
	})
	if o := d.wait(done); o.verdict != task.FailCancel {
		t.Errorf("%s %+v", o.verdict, o.reply)
	}
	d.idle()
}

func TestNoRayletNoTasks(t *testing.T) {
	f := serve(t)
	f.address.Port = 1 // where nobody listens
	d := beside(t, f)
	_, done := d.submit("f", 3)
	if o := d.wait(done); o.verdict != task.FailDead || string(o.reply.Error.Metadata) != "15" {
		t.Errorf("%s %+v", o.verdict, o.reply)
	}
}
