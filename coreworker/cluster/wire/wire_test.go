package wire_test

import (
	"bytes"
	"encoding/hex"
	"errors"
	"maps"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/mobula/mobula/coreworker/cluster/internal/stock"
	"github.com/mobula/mobula/coreworker/cluster/wire"
	"github.com/mobula/mobula/coreworker/ids"
	"github.com/mobula/mobula/coreworker/objects"
	"github.com/mobula/mobula/coreworker/sched"
	"github.com/mobula/mobula/coreworker/task"
	"github.com/mobula/mobula/proto/ray"
)

var (
	job    = ids.JobFromInt(7)
	driver = &wire.Driver{Job: job, Address: &ray.Address{IpAddress: "127.0.0.3", Port: 4}, Config: &ray.JobConfig{RayNamespace: "n"}}
	f      = wire.Function{Module: "m", Name: "add", Hash: "h"}
)

func raw(s string) objects.Value { return objects.Value{Data: []byte(s), Metadata: []byte("RAW")} }

// TestExport compares an entry of the function table with what Ray itself makes of it.
func TestExport(t *testing.T) {
	key, value := f.Export(job, []byte("code\x00"), 3)
	_, class := wire.Function{Module: "m", Class: "C", Name: "__init__", Hash: "h"}.ExportClass(job, []byte("k"), `["a"]`)
	out := stock.Output(t, `
import pickle, sys
from ray._raylet import PythonFunctionDescriptor
print(PythonFunctionDescriptor("m", "add", "", "h").function_id.hex())
d = pickle.loads(bytes.fromhex("`+hex.EncodeToString(value)+`"))
print(sorted(d.items()))
print(sorted(pickle.loads(bytes.fromhex("`+hex.EncodeToString(class)+`")).items()))
`)
	id := f.ID()
	want := id.String() + "\n" +
		`[('collision_identifier', 'h'), ('function', b'code\x00'), ('function_id', ` + "%s" + `), ('function_name', 'add'), ('job_id', b'\x07\x00\x00\x00'), ('max_calls', 3), ('module', 'm')]` + "\n" +
		`[('actor_method_names', '["a"]'), ('class', b'k'), ('class_name', 'C'), ('collision_identifier', 'h'), ('job_id', b'\x07\x00\x00\x00'), ('module', 'm')]` + "\n"
	lines, wants := bytes.Split(out, []byte("\n")), bytes.Split([]byte(want), []byte("\n"))
	if string(lines[0]) != string(wants[0]) {
		t.Errorf("Ray derives function id %s, we %s", lines[0], wants[0])
	}
	before, after, _ := bytes.Cut(wants[1], []byte("%s"))
	if !bytes.HasPrefix(lines[1], before) || !bytes.HasSuffix(lines[1], after) {
		t.Errorf("a function's entry reads as %s", lines[1])
	}
	if string(lines[2]) != string(wants[2]) {
		t.Errorf("a class's entry reads as %s", lines[2])
	}
	if string(key) != "RemoteFunction:07000000:"+string(id[:]) {
		t.Errorf("key %q", key)
	}
}

func TestNoSpecLetsAWorkerDie(t *testing.T) {
	actor := ids.NewActorID(job)
	for _, s := range []*task.Spec{
		{Type: task.Normal, ID: ids.NewTaskID(job)},
		{Type: task.ActorMethod, ID: ids.NewActorTaskID(actor), Actor: actor},
		{Type: task.ActorCreation, ID: actor.CreationTask(), Actor: actor, Creation: &task.Creation{MaxPendingCalls: -1}},
		{Type: task.Normal, ID: ids.NewTaskID(job), Streaming: true, Backpressure: 3, NumReturns: 1},
	} {
		got, err := driver.Spec(&wire.Task{Spec: s, Function: f})
		if err != nil {
			t.Fatal(err)
		}
		if got.GeneratorBackpressureNumObjects == 0 || got.SchedulingStrategy.GetSchedulingStrategy() == nil || got.FunctionDescriptor == nil ||
			len(got.ParentTaskId) != 24 || len(got.CallerId) != 24 || got.CallerAddress == nil || got.RuntimeEnvInfo.GetSerializedRuntimeEnv() == "" {
			t.Errorf("type %d: %v", s.Type, got)
		}
		if c := got.ActorCreationTaskSpec; c != nil && (c.ActorGeneratorBackpressureNumObjects == 0 || c.MaxConcurrency < 1 || got.NumReturns != 0) {
			t.Errorf("a creation: %v", c)
		}
		if (got.JobConfig == nil) != (s.Type == task.ActorMethod) {
			t.Errorf("type %d: the first task of a worker tells it its job", s.Type)
		}
	}
}

func TestArguments(t *testing.T) {
	id, inner := ids.NewTaskID(job).Return(1), ids.NewTaskID(job).Return(2)
	other := &ray.Address{IpAddress: "other"}
	value := raw("v")
	value.Contained = []ids.ObjectID{inner}
	s := &task.Spec{ID: ids.NewTaskID(job), Args: []task.Arg{{Value: value}, {Ref: id, IsRef: true}, {Ref: id, IsRef: true}}}
	t1 := &wire.Task{Spec: s, Function: f,
		Args:    []objects.Value{{}, raw("small"), {Metadata: []byte("PYTHON"), Block: &objects.Block{}}},
		Keyword: func(i int) (string, bool) { return "key", i == 2 },
		Stored:  func(v *objects.Value) bool { return v.Block != nil },
		Owner: func(o ids.ObjectID) *ray.Address {
			if o == inner {
				return other
			}
			return driver.Address
		}}
	got, err := driver.Spec(t1)
	if err != nil {
		t.Fatal(err)
	}
	a := got.Args
	if len(a) != 6 || string(a[0].Data) != "__RAY_DUMMY__" || string(a[2].Data) != "__RAY_DUMMY__" {
		t.Fatalf("%v", a)
	}
	if string(a[1].Data) != "v" || a[1].IsInlined || len(a[1].NestedInlinedRefs) != 1 || a[1].NestedInlinedRefs[0].OwnerAddress != other {
		t.Errorf("a value: %v", a[1])
	}
	if string(a[3].Data) != "small" || !a[3].IsInlined || a[3].ObjectRef != nil {
		t.Errorf("a reference to a small value: %v", a[3])
	}
	if string(a[4].Metadata) != "XLANG" || !bytes.Equal(a[4].Data, []byte{4, 0, 0, 0, 0, 0, 0, 0, 0, 0xa3, 'k', 'e', 'y'}) {
		t.Errorf("a name: %v", a[4])
	}
	if a[5].ObjectRef == nil || len(a[5].Data) != 0 || !bytes.Equal(a[5].ObjectRef.ObjectId, id[:]) {
		t.Errorf("a reference to a stored value: %v", a[5])
	}
	lease := driver.Lease(make([]byte, 32), t1, got, []ids.ObjectID{id})
	if len(lease.Dependencies) != 1 || !bytes.Equal(lease.Dependencies[0].ObjectId, id[:]) {
		t.Errorf("a lease is for what lies in stores: %v", lease.Dependencies)
	}
}

func TestResourcesOfAGroup(t *testing.T) {
	group, _ := ids.Group(bytes.Repeat([]byte{0xab}, 18))
	h := group.String()
	for _, c := range []struct {
		place sched.Place
		want  map[string]float64
	}{
		{sched.Place{}, map[string]float64{"CPU": 1}},
		{sched.Place{Group: group, Bundle: 2}, map[string]float64{"CPU_group_" + h: 1, "CPU_group_2_" + h: 1, "bundle_group_" + h: 0.001, "bundle_group_2_" + h: 0.001}},
		{sched.Place{Group: group, Bundle: sched.AnyBundle}, map[string]float64{"CPU_group_" + h: 1, "bundle_group_" + h: 0.001}},
	} {
		if got := wire.Resources(sched.CPUs(1), c.place); !maps.Equal(got, c.want) {
			t.Errorf("%+v: %v", c.place, got)
		}
	}
}

func TestReplies(t *testing.T) {
	s := &task.Spec{ID: ids.NewTaskID(job), NumReturns: 2}
	one, two := s.ID.Return(1), s.ID.Return(2)
	ret := func(id ids.ObjectID, meta string) *ray.ReturnObject {
		return &ray.ReturnObject{ObjectId: id[:], Data: []byte("d"), Metadata: []byte(meta)}
	}
	stored := func(id ids.ObjectID, size uint64) objects.Value {
		return objects.Value{Metadata: []byte("in store"), Block: &objects.Block{Size: size}}
	}
	for name, c := range map[string]struct {
		r    *ray.PushTaskReply
		want task.Outcome
	}{
		"values, in any order":    {&ray.PushTaskReply{ReturnObjects: []*ray.ReturnObject{ret(two, "RAW"), ret(one, "RAW")}}, task.OK},
		"stored":                  {&ray.PushTaskReply{ReturnObjects: []*ray.ReturnObject{ret(one, "RAW"), {ObjectId: two[:], InPlasma: true, Size: 9}}}, task.OK},
		"exception":               {&ray.PushTaskReply{IsApplicationError: true, ReturnObjects: []*ray.ReturnObject{ret(one, "3"), ret(two, "3")}}, task.Failed},
		"interrupted":             {&ray.PushTaskReply{ReturnObjects: []*ray.ReturnObject{ret(one, "5"), ret(two, "5")}}, task.Stopped},
		"not begun":               {&ray.PushTaskReply{WasCancelledBeforeRunning: true}, task.NotStarted},
		"one is missing":          {&ray.PushTaskReply{ReturnObjects: []*ray.ReturnObject{ret(one, "RAW")}}, task.Died},
		"no error":                {&ray.PushTaskReply{IsApplicationError: true, ReturnObjects: []*ray.ReturnObject{ret(one, "RAW"), ret(two, "RAW")}}, task.Died},
		"an id of a wrong length": {&ray.PushTaskReply{ReturnObjects: []*ray.ReturnObject{{ObjectId: []byte("x")}}}, task.Died},
		"less than nothing":       {&ray.PushTaskReply{ReturnObjects: []*ray.ReturnObject{ret(one, "RAW"), {ObjectId: two[:], InPlasma: true, Size: -1}}}, task.Died},
	} {
		got := wire.Reply(s, c.r, stored)
		if got.End != c.want {
			t.Errorf("%s: %s %s", name, got.End, got.Text)
		}
		if (got.End == task.OK) != (len(got.Returns) == 2) || (got.End == task.Failed) != (got.Error.IsError && string(got.Error.Metadata) == "3") {
			t.Errorf("%s: %+v", name, got)
		}
	}
	if r := wire.Refused(status.Error(codes.Aborted, "SchedulingCancelled")); r.End != task.NotStarted {
		t.Errorf("taken out of the queue: %s", r.End)
	}
	if r := wire.Refused(errors.New("x")); r.End != task.Died {
		t.Errorf("a call that failed: %s", r.End)
	}
	oom := &ray.GetWorkerFailureCauseReply{FailureCause: &ray.RayErrorInfo{ErrorType: ray.ErrorType_OUT_OF_MEMORY, ErrorMessage: "too much"}}
	if r := wire.Cause(oom, "died"); r.Text != "too much" || string(r.Error.Metadata) != "22" {
		t.Errorf("out of memory: %+v", r)
	}
	if r := wire.Cause(&ray.GetWorkerFailureCauseReply{}, "died"); r.Text != "died" || r.Error.Metadata != nil {
		t.Errorf("no cause: %+v", r)
	}
}

func FuzzReply(f *testing.F) {
	f.Add([]byte("id"), []byte("RAW"), int64(3), true, false)
	f.Add([]byte{}, []byte("5"), int64(-1), false, true)
	f.Fuzz(func(t *testing.T, id, meta []byte, size int64, stored, failed bool) {
		s := &task.Spec{ID: ids.NewTaskID(job), NumReturns: 1}
		one := s.ID.Return(1)
		if len(id)%2 == 0 {
			id = one[:]
		}
		r := &ray.PushTaskReply{IsApplicationError: failed, ReturnObjects: []*ray.ReturnObject{{ObjectId: id, Metadata: meta, InPlasma: stored, Size: size}}}
		got := wire.Reply(s, r, func(ids.ObjectID, uint64) objects.Value { return raw("") })
		if got.End == task.OK && (len(got.Returns) != 1 || got.Returns[0].IsError || failed) {
			t.Fatalf("%+v", got)
		}
	})
}
