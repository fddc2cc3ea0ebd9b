package wire_test

import (
	"fmt"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/mobula/mobula/coreworker/cluster/wire"
	"github.com/mobula/mobula/coreworker/ids"
	"github.com/mobula/mobula/coreworker/objects"
	"github.com/mobula/mobula/coreworker/sched"
	"github.com/mobula/mobula/coreworker/task"
	"github.com/mobula/mobula/proto/ray"
)

// received is a spec as its worker reads it.
func received(t testing.TB, s *ray.TaskSpec, err error) *ray.TaskSpec {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	raw, err := proto.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	out := &ray.TaskSpec{}
	if err := proto.Unmarshal(raw, out); err != nil {
		t.Fatal(err)
	}
	return out
}

// TestPushed holds that a worker reads the same in what is encoded in two parts, for specs that differ in each thing that may differ.
func TestPushed(t *testing.T) {
	actor := ids.NewActorID(job)
	one := func() *wire.Task {
		return &wire.Task{Function: f, Spec: &task.Spec{ID: ids.NewTaskID(job), Name: "add", NumReturns: 1, Resources: sched.CPUs(1), MaxRetries: 3,
			Args: []task.Arg{{Value: raw("a")}}}}
	}
	method := func(s *task.Spec) {
		s.Type, s.Actor, s.Method, s.Resources = task.ActorMethod, actor, "m", sched.Resources{}
	}
	changes := []func(*wire.Task){
		func(*wire.Task) {},
		func(t *wire.Task) { t.Function.Name = "sub" },
		func(t *wire.Task) { t.Spec.Name = "another" },
		func(t *wire.Task) { t.Spec.NumReturns = 2 },
		func(t *wire.Task) { t.Spec.MaxRetries = 0 },
		func(t *wire.Task) { t.Spec.Resources = sched.CPUs(2) },
		func(t *wire.Task) { t.Spec.Env = `{"env_vars":{"A":"1"}}` },
		func(t *wire.Task) { t.Environment = `{"env_vars":{"B":"1"}}` },
		func(t *wire.Task) { t.Spec.Node = []byte("node") },
		func(t *wire.Task) { t.Spec.Rather = []byte("node") },
		func(t *wire.Task) { t.Spec.Spread = true },
		func(t *wire.Task) { t.Spec.Labels = []sched.Selector{{{Key: "k", Values: []string{"v"}}}} },
		func(t *wire.Task) { t.Spec.Place = sched.Place{Group: ids.GroupID{1}, Bundle: 1} },
		func(t *wire.Task) { t.Spec.Place, t.Spec.Capture = sched.Place{Group: ids.GroupID{1}, Bundle: 1}, true },
		func(t *wire.Task) { t.Spec.RetryExceptions = true },
		func(t *wire.Task) { t.Spec.RetryExceptions, t.Spec.RetryAllowlist = true, []byte("pickle") },
		func(t *wire.Task) { t.Spec.NoEvents = true },
		func(t *wire.Task) { t.Spec.Dynamic = true },
		func(t *wire.Task) { t.Spec.Streaming = true },
		func(t *wire.Task) { t.Spec.Streaming, t.Spec.Backpressure = true, 4 },
		func(t *wire.Task) { method(t.Spec) },
		func(t *wire.Task) { method(t.Spec); t.Sequence = 7 },
		func(t *wire.Task) { method(t.Spec); t.Spec.Actor = ids.NewActorID(job) },
		func(t *wire.Task) { method(t.Spec); t.Spec.Group = "io" },
		func(t *wire.Task) { method(t.Spec); t.Spec.ActorBackpressure = 2 },
		// What each call has of its own.
		func(t *wire.Task) { t.Attempt, t.Serial = 2, 9 },
		func(t *wire.Task) { t.Spec.Parent = ids.NewTaskID(job) },
		func(t *wire.Task) { t.Spec.Args = nil },
		func(t *wire.Task) {
			t.Spec.Args = []task.Arg{{IsRef: true, Ref: ids.NewTaskID(job).Return(1)}, {Value: raw("b")}}
			t.Args = []objects.Value{{}, {}}
		},
		func(t *wire.Task) { t.Keyword = func(int) (string, bool) { return "x", true } },
	}
	d := &wire.Driver{Job: job, Address: driver.Address, Config: driver.Config}
	for range 2 { // the second time from what was kept
		for i, change := range changes {
			c := one()
			change(c)
			whole, err := d.Spec(c)
			want := received(t, whole, err)
			pushed, err := d.Pushed(c)
			if got := received(t, pushed, err); !proto.Equal(got, want) {
				t.Errorf("change %d: pushed\n%v\nwhole\n%v", i, got, want)
			}
		}
	}
	for i := range 3000 { // shapes that come once are not kept for ever
		c := one()
		c.Spec.Name = fmt.Sprint("named by hand ", i)
		pushed, err := d.Pushed(c)
		if got := received(t, pushed, err); got.Name != c.Spec.Name || len(got.Args) != 2 {
			t.Fatalf("pushed %v", got)
		}
	}
}

// BenchmarkSpec is what a call costs until it can be written.
func BenchmarkSpec(b *testing.B) {
	c := &wire.Task{Function: f, Spec: &task.Spec{ID: ids.NewTaskID(job), Name: "add", NumReturns: 1, Resources: sched.CPUs(1), MaxRetries: 3}}
	d := &wire.Driver{Job: job, Address: driver.Address, Config: driver.Config}
	for name, spec := range map[string]func(*wire.Task) (*ray.TaskSpec, error){"whole": d.Spec, "pushed": d.Pushed} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for range b.N {
				s, err := spec(c)
				if err == nil {
					_, err = proto.Marshal(s)
				}
				if err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
