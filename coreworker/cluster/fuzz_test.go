package cluster

import (
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/mobula/mobula/coreworker/ids"
	"github.com/mobula/mobula/proto/ray"
)

// What the GCS keeps of actors and nodes is refused or read as what it says, with ids that are whole.
func FuzzRecords(f *testing.F) {
	add := func(m proto.Message) {
		raw, err := proto.Marshal(m)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(raw)
	}
	add(&ray.TaskSpec{ActorCreationTaskSpec: &ray.ActorCreationTaskSpec{ActorId: ids.NilActor(ids.JobFromInt(1)).Bytes(), SerializedActorHandle: []byte("h"),
		AllowOutOfOrderExecution: true}, FunctionDescriptor: &ray.FunctionDescriptor{FunctionDescriptor: &ray.FunctionDescriptor_PythonFunctionDescriptor{
		PythonFunctionDescriptor: &ray.PythonFunctionDescriptor{ModuleName: "m", ClassName: "C", FunctionName: "__init__", FunctionHash: "x"}}}})
	add(&ray.TaskSpec{ActorCreationTaskSpec: &ray.ActorCreationTaskSpec{ActorId: []byte("short")}})
	id := ids.NewNodeID()
	add(&ray.GcsNodeInfo{NodeId: id.Bytes(), NodeName: "n", ResourcesTotal: map[string]float64{"CPU": 2}, Labels: map[string]string{"a": "b"}})
	add(&ray.GcsNodeInfo{NodeId: []byte("short"), State: 7})
	f.Fuzz(func(t *testing.T, raw []byte) {
		spec := new(ray.TaskSpec)
		if proto.Unmarshal(raw, spec) == nil {
			r, err := readRecord(spec)
			given := spec.GetActorCreationTaskSpec()
			switch {
			case err != nil && (r.handle != nil || r.outOfOrder):
				t.Fatalf("refused (%v), and something was read: %+v", err, r)
			case err == nil && (string(r.id.Bytes()) != string(given.ActorId) || string(r.handle) != string(given.SerializedActorHandle)):
				t.Fatalf("%v was read as %+v", given, r)
			}
		}
		info := new(ray.GcsNodeInfo)
		if proto.Unmarshal(raw, info) == nil {
			free := map[string]map[string]float64{string(info.NodeId): {"CPU": 1}}
			n, err := readNode(info, free)
			if err == nil && (string(n.ID.Bytes()) != string(info.NodeId) || n.Available["CPU"] != 1 || n.Alive != (info.State == ray.GcsNodeInfo_ALIVE)) {
				t.Fatalf("%v was read as %+v", info, n)
			}
		}
	})
}
