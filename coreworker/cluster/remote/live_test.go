package remote_test

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/vmihailenco/msgpack/v5"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"

	"github.com/mobula/mobula/coreworker/cluster/internal/stock"
	"github.com/mobula/mobula/coreworker/cluster/raylet"
	"github.com/mobula/mobula/coreworker/cluster/remote"
	"github.com/mobula/mobula/coreworker/cluster/wire"
	"github.com/mobula/mobula/coreworker/ids"
	"github.com/mobula/mobula/coreworker/objects"
	"github.com/mobula/mobula/coreworker/peer"
	"github.com/mobula/mobula/coreworker/sched"
	"github.com/mobula/mobula/coreworker/submit"
	"github.com/mobula/mobula/coreworker/task"
	"github.com/mobula/mobula/proto/ray"
)

func TestMain(m *testing.M) { stock.Main(m) }

const patience = 60 * time.Second

// functions prints the pickles of what the tests run, each as its length and its bytes.
const functions = `
import struct, sys
from ray import cloudpickle
def add(a, b=10):
    return a + b
def boom():
    raise ValueError("on purpose")
def die():
    import os
    os._exit(1)
def spin(path):
    import time
    open(path, "w").close()
    while True:
        time.sleep(0.01)
class Counter:
    def __init__(self, start):
        self.n = start
    def inc(self):
        self.n += 1
        return self.n
    def die(self):
        import os
        os._exit(1)
    def canceled(self, path):
        import ray, time
        open(path, "w").close()
        while not ray.get_runtime_context().is_canceled():
            time.sleep(0.01)
        self.n += 1000
        return self.n
from ray.actor import _modify_class
for f in (add, boom, die, spin, _modify_class(Counter)):
    code = cloudpickle.dumps(f)
    sys.stdout.buffer.write(struct.pack("<I", len(code)) + code)
`

// driver is a driver by hand: what a core does, as far as tasks without stored values need it.
type driver struct {
	t       *testing.T
	mu      sync.Mutex
	job     ids.JobID
	carrier *remote.Carrier
	normal  *submit.Normal
	tasks   *task.Manager
	byHash  map[ids.FunctionID]wire.Function
	done    map[ids.TaskID]chan outcome
	actors  *remote.Actors
	queues  map[ids.ActorID]*submit.Actor
}

type outcome struct {
	verdict  task.Verdict
	reply    peer.Reply
	attempts int
}

func (d *driver) Do(fn func()) {
	d.mu.Lock()
	defer d.mu.Unlock()
	fn()
	if wishes, asked, used, idle := d.carrier.Leases().Counts(); wishes+asked+used+idle > 100 {
		d.t.Error("leases pile up")
	}
	if err := d.carrier.Leases().Validate(); err != nil {
		d.t.Error(err)
	}
	if d.actors != nil {
		if err := d.actors.Directory().Validate(); err != nil {
			d.t.Error(err)
		}
	}
}
func (d *driver) Now() time.Duration { return time.Since(began) }

var began = time.Now()

func (d *driver) After(after time.Duration, fn func()) func() {
	stopped := false // under the lock: a timer that has fired and waits for it counts as stopped
	t := time.AfterFunc(after, func() {
		d.Do(func() {
			if !stopped {
				fn()
			}
		})
	})
	return func() { stopped = true; t.Stop() }
}
func (d *driver) Value(ids.ObjectID) (objects.Value, bool) { return objects.Value{}, false }
func (d *driver) OnReady(ids.ObjectID, func()) func()      { return func() {} }
func (d *driver) Witness() submit.Witness                  { return nil }
func (d *driver) Settle(e *task.Entry, v task.Verdict, r peer.Reply) {
	d.tasks.Finish(e.Spec.ID)
	d.done[e.Spec.ID] <- outcome{v, r, e.Attempt + 1}
}

// join makes a driver of the shared cluster. Its end is the test's.
func join(t *testing.T) *driver {
	t.Helper()
	cluster := stock.Shared(t)
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	conns := map[string]*grpc.ClientConn{}
	var connsMu sync.Mutex
	dial := func(address string) (grpc.ClientConnInterface, error) {
		connsMu.Lock()
		defer connsMu.Unlock()
		if conns[address] == nil {
			c, err := grpc.NewClient("passthrough:///"+address, grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithNoProxy(),
				grpc.WithUnaryInterceptor(func(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, invoke grpc.UnaryInvoker, o ...grpc.CallOption) error {
					return invoke(metadata.AppendToOutgoingContext(ctx, "authorization", "Bearer "+cluster.Token), method, req, reply, cc, o...)
				}))
			if err != nil {
				return nil, err
			}
			conns[address] = c
		}
		return conns[address], nil
	}
	gcs, err := dial(cluster.Address)
	check(t, err)
	next, err := ray.NewJobInfoGcsServiceClient(gcs).GetNextJobID(ctx, &ray.GetNextJobIDRequest{})
	check(t, err)
	d := &driver{t: t, job: ids.JobFromInt(uint32(next.JobId)), tasks: task.NewManager(), byHash: map[ids.FunctionID]wire.Function{}, done: map[ids.TaskID]chan outcome{}, queues: map[ids.ActorID]*submit.Actor{}}
	worker, node := ids.DriverWorker(d.job), cluster.Nodes[0]
	ipc, err := raylet.Dial(ctx, node.RayletSocket)
	check(t, err)
	config := &ray.JobConfig{RayNamespace: "remote-test", DefaultActorLifetime: ray.JobConfig_NON_DETACHED, RuntimeEnvInfo: &ray.RuntimeEnvInfo{SerializedRuntimeEnv: "{}"}}
	nodeID, port, err := ipc.Register(ctx, raylet.Driver{Worker: worker, Job: d.job, PID: os.Getpid(), IP: node.IP, Config: config})
	check(t, err)
	listener, err := net.Listen("tcp", fmt.Sprintf("%s:%d", node.IP, port))
	check(t, err)
	server := grpc.NewServer()
	ray.RegisterCoreWorkerServiceServer(server, owner{d: d})
	go func() { _ = server.Serve(listener) }() // ends with Stop
	port = uint16(listener.Addr().(*net.TCPAddr).Port)
	check(t, ipc.AnnouncePort(ctx, port, "a test"))
	d.carrier = remote.New(remote.Config{
		Do: d.Do, After: d.After, Worker: worker,
		Dial: func(a raylet.Address) (grpc.ClientConnInterface, error) {
			return dial(fmt.Sprintf("%s:%d", a.IP, a.Port))
		},
		Task: func(s *task.Spec, attempt int) *wire.Task {
			f := d.byHash[s.Function]
			if s.Type == task.ActorMethod {
				f = wire.Function{Module: counter.Module, Class: counter.Class, Name: s.Method}
			}
			return &wire.Task{Spec: s, Attempt: attempt, Function: f}
		},
		Report: func(err error) { t.Error(err) },
		Driver: &wire.Driver{Job: d.job, Config: config, Address: &ray.Address{NodeId: nodeID[:], IpAddress: node.IP, Port: int32(port), WorkerId: worker[:]}},
		Local:  raylet.Address{Node: nodeID, IP: node.IP, Port: uint16(node.NodeManagerPort)},
	})
	d.normal = submit.NewNormal(d, d.carrier.Leases(), worker)
	d.actors = remote.NewActors(d.carrier, gcs, remote.ActorHooks{Settle: d.Settle, Changed: func(id ids.ActorID) {
		if q := d.queues[id]; q != nil {
			q.Changed()
		}
	}})
	d.export(ctx, gcs)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		d.carrier.Close()
		check(t, ipc.Disconnect(ctx, "the test is over"))
		check(t, ipc.Close())
		server.Stop()
		for _, c := range conns {
			_ = c.Close()
		}
	})
	return d
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func (d *driver) export(ctx context.Context, gcs grpc.ClientConnInterface) {
	raw := bytes.NewReader(pickles(d.t))
	put := func(key, value []byte) {
		_, err := ray.NewInternalKVGcsServiceClient(gcs).InternalKVPut(ctx, &ray.InternalKVPutRequest{Key: key, Value: value, Overwrite: true, Namespace: []byte(wire.Namespace)})
		check(d.t, err)
	}
	for _, name := range []string{"add", "boom", "die", "spin", "Counter"} {
		var length [4]byte
		_, err := raw.Read(length[:])
		check(d.t, err)
		code := make([]byte, int(length[0])|int(length[1])<<8)
		_, err = raw.Read(code)
		check(d.t, err)
		f := wire.Function{Module: "__main__", Name: name, Hash: "1"}
		if name == "Counter" {
			f = counter
			put(f.ExportClass(d.job, code, `["inc", "die", "canceled"]`))
		} else {
			put(f.Export(d.job, code, 0))
		}
		d.byHash[f.ID()] = f
	}
}

var pickled struct {
	sync.Once
	bytes []byte
}

func pickles(t *testing.T) []byte {
	pickled.Do(func() { pickled.bytes = stock.Output(t, functions) })
	return pickled.bytes
}

func (d *driver) submit(name string, retries int, args ...objects.Value) (*task.Entry, chan outcome) {
	s := &task.Spec{ID: ids.NewTaskID(d.job), Name: name, Function: wire.Function{Module: "__main__", Name: name, Hash: "1"}.ID(),
		NumReturns: 1, Resources: sched.CPUs(1), MaxRetries: retries}
	for _, v := range args {
		s.Args = append(s.Args, task.Arg{Value: v})
	}
	done := make(chan outcome, 1)
	var entry *task.Entry
	d.Do(func() {
		d.done[s.ID] = done
		entry, _ = d.tasks.Add(s, ids.DriverWorker(d.job))
		d.normal.Submit(entry)
	})
	return entry, done
}

func (d *driver) wait(done chan outcome) outcome {
	d.t.Helper()
	select {
	case o := <-done:
		return o
	case <-time.After(patience):
		d.t.Fatal("no outcome")
		return outcome{}
	}
}

// plain is a value that msgpack holds alone.
func plain(t *testing.T, v any) objects.Value {
	body, err := msgpack.Marshal(v)
	check(t, err)
	return objects.Value{Data: append([]byte{byte(len(body)), 0, 0, 0, 0, 0, 0, 0, 0}, body...), Metadata: []byte("XLANG")}
}

// TestTasks runs functions on stock workers.
func TestTasks(t *testing.T) {
	d := join(t)
	var all []chan outcome
	for i := range 40 {
		_, done := d.submit("add", 0, plain(t, i))
		all = append(all, done)
	}
	for i, done := range all {
		o := d.wait(done)
		if o.verdict != task.Complete {
			t.Fatalf("add: %s %+v", o.verdict, o.reply)
		}
		var got int
		check(t, msgpack.Unmarshal(o.reply.Returns[0].Data[9:], &got))
		if got != i+10 {
			t.Errorf("%d + 10 is %d", i, got)
		}
	}
	_, done := d.submit("boom", 0)
	if o := d.wait(done); o.verdict != task.FailWith || string(o.reply.Error.Metadata) != "3" {
		t.Errorf("an exception: %s %+v", o.verdict, o.reply)
	} else if e, err := objects.TaskException(o.reply.Error); err != nil || !bytes.Contains([]byte(e.Formatted), []byte("on purpose")) {
		t.Errorf("its text is %q, %v", e.GetFormatted(), err)
	}
	_, done = d.submit("die", 1)
	if o := d.wait(done); o.verdict != task.FailDead || o.attempts != 2 {
		t.Errorf("a worker that dies: %s after %d attempts, %+v", o.verdict, o.attempts, o.reply)
	}
	d.idle()
}

// TestCancel cancels a task that runs, by an interrupt and by the end of its worker.
func TestCancel(t *testing.T) {
	d := join(t)
	for _, c := range []struct {
		force bool
		want  task.Verdict
	}{{false, task.FailCancel}, {true, task.FailCrashed}} {
		path := fmt.Sprintf("%s/%t", t.TempDir(), c.force)
		e, done := d.submit("spin", 3, plain(t, path))
		await(t, path)
		d.Do(func() {
			e.Canceled, e.Forced = true, c.force
			d.normal.Cancel(e, c.force, true)
		})
		if o := d.wait(done); o.verdict != c.want || o.attempts != 1 {
			t.Errorf("force=%t: %s after %d attempts, %+v", c.force, o.verdict, o.attempts, o.reply)
		}
	}
	d.idle()
}

// idle waits until every worker has been given back.
func (d *driver) idle() {
	d.t.Helper()
	for until := time.Now().Add(patience); ; time.Sleep(5 * time.Millisecond) {
		left := 0
		d.Do(func() {
			wishes, asked, used, idle := d.carrier.Leases().Counts()
			left = wishes + asked + used + idle
		})
		if left == 0 {
			return
		}
		if time.Now().After(until) {
			d.t.Fatalf("%d leases are left", left)
		}
	}
}
