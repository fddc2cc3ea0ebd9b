package store_test

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"net"
	"strconv"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/mobula/mobula/coreworker/cluster/internal/stock"
	"github.com/mobula/mobula/coreworker/cluster/objects"
	"github.com/mobula/mobula/coreworker/cluster/store"
	"github.com/mobula/mobula/coreworker/ids"
	"github.com/mobula/mobula/proto/ray"
)

// exported is what a Python with ray says of a function and of a list of two references: what a driver's shim would.
type exported struct {
	Hash  string
	Key   []byte // of the function, after the job's part
	Value []byte
	List  []byte // pickled
}

// program prints an exported. The function keeps what it is given, reads it, or drops it.
const program = `
import base64, hashlib, json, pickle, sys
import ray.cloudpickle as cloudpickle
from ray._private.serialization import _object_ref_deserializer
def act(op, refs=None):
    import builtins, gc, ray
    if op == b"keep":
        builtins.kept = refs
    elif op == b"read":
        return b"|".join(ray.get(builtins.kept))
    elif op == b"drop":
        del builtins.kept
        gc.collect()
    return op
class Ref:
    def __init__(self, *args): self.args = args
    def __reduce__(self): return _object_ref_deserializer, self.args
job, owner, objects = (bytes.fromhex(x) for x in "%s %s %s".split())
fid = hashlib.shake_128(b"__main__act" + b"hash").digest(28)
value = dict(job_id=job, function_id=fid, function_name="act", module="__main__", function=cloudpickle.dumps(act), collision_identifier="hash", max_calls=0)
refs = [Ref(objects[i:i+28], "", owner, b"", None) for i in (0, 28)]
out = dict(Hash=b"hash", Key=fid, Value=pickle.dumps(value), List=pickle.dumps(refs, protocol=5))
out = {k: base64.b64encode(v).decode() for k, v in out.items()}
out["Hash"] = "hash"
print(json.dumps(out))
`

func (d *driver) owner() *ray.Address {
	return &ray.Address{NodeId: d.address.Node.Bytes(), IpAddress: d.address.IP, Port: int32(d.address.Port), WorkerId: d.address.Worker.Bytes()}
}

// export gives the cluster the function, and returns the list of references as an argument.
func (d *driver) export(cluster *stock.Cluster, refs ...ids.ObjectID) *ray.TaskArg {
	d.Helper()
	owner, err := proto.Marshal(d.owner())
	if err != nil {
		d.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(string(stock.Output(d.T, fmt.Sprintf(program, d.job, fmt.Sprintf("%x", owner), fmt.Sprintf("%x", ids.JoinObjects(refs)))))), "\n")
	var e exported
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), &e); err != nil {
		d.Fatal(err)
	}
	key := append([]byte("RemoteFunction:"+d.job.String()+":"), e.Key...)
	_, err = ray.NewInternalKVGcsServiceClient(d.dial(cluster.Address)).InternalKVPut(d.ctx,
		&ray.InternalKVPutRequest{Namespace: []byte("fun"), Key: key, Value: e.Value, Overwrite: true})
	if err != nil {
		d.Fatal(err)
	}
	// A list of the first and the second object of the pickle.
	body := []byte{0x92, 0xd4, 101, 0, 0xd4, 101, 1}
	data := append(append([]byte{byte(len(body))}, make([]byte, 8)...), body...)
	head := append([]byte{0x08}, binary.AppendUvarint(nil, uint64(len(e.List)))...)
	data = binary.LittleEndian.AppendUint64(data, uint64(len(e.List)))
	data = binary.LittleEndian.AppendUint64(data, uint64(len(head)))
	arg := &ray.TaskArg{Data: append(append(data, e.List...), head...), Metadata: []byte("PYTHON")}
	for _, id := range refs {
		arg.NestedInlinedRefs = append(arg.NestedInlinedRefs, &ray.ObjectReference{ObjectId: id.Bytes(), OwnerAddress: d.owner()})
	}
	return arg
}

// stockWorker is a leased one.
type stockWorker struct {
	ray.CoreWorkerServiceClient
	id      []byte
	address *ray.Address
}

func (d *driver) spec(op string, more ...*ray.TaskArg) *ray.TaskSpec {
	raw := func(s string) *ray.TaskArg { return &ray.TaskArg{Data: []byte(s), Metadata: []byte("RAW")} }
	args := []*ray.TaskArg{raw("__RAY_DUMMY__"), raw(op)}
	for _, arg := range more {
		args = append(args, raw("__RAY_DUMMY__"), arg)
	}
	driver := ids.DriverTask(d.job)
	return &ray.TaskSpec{
		Name: "act", JobId: d.job.Bytes(), TaskId: ids.NewTaskID(d.job).Bytes(), ParentTaskId: driver.Bytes(), CallerId: driver.Bytes(),
		SubmitterTaskId: driver.Bytes(), CallerAddress: d.owner(), Args: args, NumReturns: 1, Depth: 1, RequiredResources: map[string]float64{"CPU": 1},
		FunctionDescriptor: &ray.FunctionDescriptor{FunctionDescriptor: &ray.FunctionDescriptor_PythonFunctionDescriptor{
			PythonFunctionDescriptor: &ray.PythonFunctionDescriptor{ModuleName: "__main__", FunctionName: "act", FunctionHash: "hash"}}},
		RuntimeEnvInfo: &ray.RuntimeEnvInfo{SerializedRuntimeEnv: "{}"}, JobConfig: d.config(), EnableTaskEvents: true,
		SchedulingStrategy: &ray.SchedulingStrategy{SchedulingStrategy: &ray.SchedulingStrategy_DefaultSchedulingStrategy{
			DefaultSchedulingStrategy: &ray.DefaultSchedulingStrategy{}}},
		GeneratorBackpressureNumObjects: -1, NumObjectsPerYield: 1,
	}
}

func (d *driver) lease() stockWorker {
	d.Helper()
	s := d.spec("")
	r, err := d.nodes[0].manager.RequestWorkerLease(d.ctx, &ray.RequestWorkerLeaseRequest{LeaseSpec: &ray.LeaseSpec{
		LeaseId: append([]byte{1, 0, 0, 0}, d.address.Worker[:]...), JobId: s.JobId, CallerAddress: s.CallerAddress, RequiredResources: s.RequiredResources,
		SchedulingStrategy: s.SchedulingStrategy, Depth: s.Depth, RuntimeEnvInfo: s.RuntimeEnvInfo, ParentTaskId: s.ParentTaskId,
		FunctionDescriptor: s.FunctionDescriptor, TaskName: s.Name}})
	if err != nil || len(r.GetWorkerAddress().GetWorkerId()) == 0 {
		d.Fatalf("no lease: %v %v", r, err)
	}
	return stockWorker{d.worker(r.WorkerAddress), r.WorkerAddress.WorkerId, r.WorkerAddress}
}

func (d *driver) worker(a *ray.Address) ray.CoreWorkerServiceClient {
	return ray.NewCoreWorkerServiceClient(d.dial(net.JoinHostPort(a.IpAddress, strconv.Itoa(int(a.Port)))))
}

func (d *driver) run(w stockWorker, op string, more ...*ray.TaskArg) *ray.PushTaskReply {
	d.Helper()
	r, err := w.PushTask(d.ctx, &ray.PushTaskRequest{IntendedWorkerId: w.id, TaskSpec: d.spec(op, more...), SequenceNumber: -1, ClientProcessedUpTo: -1})
	if err != nil || r.IsApplicationError || len(r.ReturnObjects) != 1 {
		d.Fatalf("%s: %v %s", op, err, r.GetTaskExecutionError())
	}
	return r
}

// borrow has a stock worker keep two references of ours, ask us what they are, and drop them.
func borrow(t *testing.T, d *driver, cluster *stock.Cluster) {
	small, large := ids.DriverTask(d.job).Put(0, 11), ids.DriverTask(d.job).Put(0, 12)
	d.Do(func(o *objects.Owner) []objects.Free { o.Expect(small); return nil })
	d.put(large, []byte(strings.Repeat("large", 100_000)))
	letGo := make(chan ids.ObjectID, 2)
	watcher := store.NewWatcher(d.ctx, d.owner(), func(a *ray.Address) (ray.CoreWorkerServiceClient, error) { return d.worker(a), nil }, store.Events{
		LetGo: func(id ids.ObjectID, borrower ids.WorkerID, counts []*ray.ObjectReferenceCount) {
			d.Do(func(o *objects.Owner) []objects.Free {
				more, err := o.LetGo(id, borrower, counts)
				if err != nil || len(more) > 0 {
					t.Errorf("%v, and further borrowers %v", err, more)
				}
				if o.Lent(id) {
					return nil
				}
				return o.Forget(id)
			})
			letGo <- id
		},
		Died: func(borrower ids.WorkerID, why error) { t.Errorf("worker %s: %v", borrower, why) },
	})
	list := d.export(cluster, small, large)
	w := d.lease()
	kept := d.run(w, "keep", list)
	var watches []objects.Watch
	d.Do(func(o *objects.Owner) []objects.Free {
		var err error
		if watches, err = o.Merge(w.address, kept.BorrowedRefs); err != nil {
			t.Error(err)
		}
		return nil
	})
	if len(watches) != 2 {
		t.Fatalf("%d borrowed, of 2: %v", len(watches), kept.BorrowedRefs)
	}
	read := make(chan *ray.PushTaskReply, 1)
	go func() {
		r, err := w.PushTask(d.ctx, &ray.PushTaskRequest{IntendedWorkerId: w.id, TaskSpec: d.spec("read"), SequenceNumber: -1, ClientProcessedUpTo: -1})
		if err != nil {
			t.Error(err)
		}
		read <- r
	}()
	// The worker waits for the small one, which is not made yet.
	d.await("the worker asks what it is", func() (asked bool) {
		d.Do(func(o *objects.Owner) []objects.Free { asked = o.Asked(small); return nil })
		return asked
	})
	d.Do(func(o *objects.Owner) []objects.Free {
		if err := o.Inline(small, &ray.RayObject{Data: []byte("small"), Metadata: []byte("RAW")}); err != nil {
			t.Error(err)
		}
		return nil
	})
	answer := <-read
	if len(answer.GetReturnObjects()) != 1 {
		t.Fatalf("read: %s", answer.GetTaskExecutionError())
	}
	if answer.ReturnObjects[0].InPlasma {
		got := d.get(d.nodes[0], ids.ObjectID(answer.ReturnObjects[0].ObjectId))
		if want := "small|" + strings.Repeat("large", 100_000); string(got.Data) != want {
			t.Errorf("the worker read %d bytes", len(got.Data))
		}
		if err := got.Release(); err != nil {
			t.Error(err)
		}
	} else {
		t.Errorf("the worker read %q", answer.ReturnObjects[0].Data)
	}
	// One is asked about before it is dropped, the other afterwards: a reply may tell of a reference that is gone by now.
	if err := watcher.Watch(watches[:1]); err != nil {
		t.Fatal(err)
	}
	d.run(w, "drop")
	if err := watcher.Watch(watches[1:]); err != nil {
		t.Fatal(err)
	}
	got := map[ids.ObjectID]bool{<-letGo: true, <-letGo: true}
	if !got[small] || !got[large] {
		t.Errorf("let go: %v", got)
	}
	d.await("the large one is freed", func() bool { return !d.contains(d.nodes[0], large) })
}
