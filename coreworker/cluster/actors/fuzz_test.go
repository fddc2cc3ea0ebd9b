package actors_test

import (
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/mobula/mobula/coreworker/cluster/actors"
	"github.com/mobula/mobula/coreworker/ids"
	"github.com/mobula/mobula/coreworker/internal/golden"
	"github.com/mobula/mobula/coreworker/objects"
	"github.com/mobula/mobula/coreworker/submit"
	"github.com/mobula/mobula/proto/ray"
)

// What the GCS publishes of an actor is any bytes: the directory stays whole, nothing follows a death, and a death has an error
// that can be read.
func FuzzTold(f *testing.F) {
	add := func(rows ...*ray.ActorTableData) {
		var in []byte
		for _, row := range rows {
			raw, err := proto.Marshal(row)
			if err != nil {
				f.Fatal(err)
			}
			in = append(append(in, byte(len(raw))), raw...)
		}
		f.Add(in)
	}
	at := &ray.Address{IpAddress: "127.0.0.1", Port: 1}
	add(&ray.ActorTableData{State: ray.ActorTableData_ALIVE, Address: at}, &ray.ActorTableData{State: ray.ActorTableData_RESTARTING, NumRestarts: 1})
	for _, name := range []string{"killed", "raised"} {
		add(&ray.ActorTableData{State: ray.ActorTableData_DEAD, DeathCause: cause(name)}, &ray.ActorTableData{State: ray.ActorTableData_ALIVE, Address: at})
	}
	add(&ray.ActorTableData{State: 99, NumRestarts: -1}, &ray.ActorTableData{State: ray.ActorTableData_DEAD})
	f.Fuzz(func(t *testing.T, in []byte) {
		w := &world{Names: golden.Names{}}
		w.d = actors.New(w)
		id := ids.NilActor(ids.JobFromInt(1))
		id[0] = 7
		w.d.Meet(id, false)
		dead := ""
		for len(in) > 0 {
			size := min(int(in[0]), len(in)-1)
			row := new(ray.ActorTableData)
			raw := in[1 : 1+size]
			in = in[1+size:]
			if proto.Unmarshal(raw, row) != nil {
				continue
			}
			w.d.Told(id, row)
			target, ok := w.d.Target(id)
			if !ok {
				t.Fatal("the actor is not known any more")
			}
			if target.State == submit.Alive && target.Executor == nil {
				t.Fatalf("%v: alive nowhere", row)
			}
			if target.State != submit.Dead {
				if dead != "" {
					t.Fatalf("%s, and then %v", dead, target.State)
				}
				continue
			}
			if _, isError := objects.Metadata(target.Death.Metadata); !isError || !target.Death.IsError {
				t.Fatalf("%v: dead without an error", row)
			}
			if _, err := objects.ErrorInfo(target.Death); err != nil {
				t.Fatalf("%v: %v", row, err)
			}
			dead = "dead"
		}
	})
}
