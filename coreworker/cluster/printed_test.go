package cluster

import (
	"reflect"
	"testing"
	"time"

	"github.com/mobula/mobula/coreworker/backend"
	"github.com/mobula/mobula/coreworker/cluster/raylet"
	"github.com/mobula/mobula/proto/ray"
)

func TestPrinted(t *testing.T) {
	d := &Driver{self: raylet.Address{IP: "10.0.0.1"}}
	for name, c := range map[string]struct {
		b    *ray.LogBatch
		want backend.Printed
	}{
		"a task, here":         {&ray.LogBatch{Ip: "10.0.0.1", Pid: "7", TaskName: "f", Lines: []string{"a", "b"}}, backend.Printed{PID: 7, Name: "f", Lines: []string{"a", "b"}}},
		"an actor, elsewhere":  {&ray.LogBatch{Ip: "10.0.0.2", Pid: "8", ActorName: "A", IsError: true, Lines: []string{"a"}}, backend.Printed{Node: "10.0.0.2", PID: 8, Name: "A", IsError: true, Lines: []string{"a"}}},
		"a raylet":             {&ray.LogBatch{Ip: "10.0.0.1", Pid: "raylet", Lines: []string{"x :info_message:spilled"}}, backend.Printed{Name: "raylet", Lines: []string{"spilled"}}},
		"an autoscaler's note": {&ray.LogBatch{Ip: "10.0.0.1", Pid: "autoscaler", Lines: []string{"noise", "t :event_summary:Resized"}}, backend.Printed{Name: "autoscaler +1m5s", Lines: []string{"Resized"}}},
		"the second autoscaler's": {&ray.LogBatch{Ip: "10.0.0.1", Pid: "autoscaler", Lines: []string{`{"severity":"INFO","message":"Added"}`, `{"severity":"DEBUG","message":"no"}`}},
			backend.Printed{Name: "autoscaler +1m5s", Lines: []string{"Added"}}},
	} {
		if got := d.printed(c.b, 65*time.Second+time.Millisecond); !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: %+v", name, got)
		}
	}
}
