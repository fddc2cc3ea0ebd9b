package pyshim

import (
	"testing"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"github.com/mobula/mobula/coreworker/ids"
	pb "github.com/mobula/mobula/proto/boundary"
)

// Numbers in messages are only claims: the length of a field, how many returns, how much memory, how many rows.
func TestClaimedNumbersAllocateNothing(t *testing.T) {
	b := newBench(t)
	defer b.core.Close()
	check := func(name string, do func()) {
		before := allocated()
		do()
		if grew := allocated() - before; grew > 4<<20 {
			t.Errorf("%s: %d bytes were allocated", name, grew)
		}
	}
	for _, claim := range []uint64{1 << 31, 1<<32 - 1, 1 << 62, 1<<64 - 1} {
		for field := protowire.Number(1); field < 12; field++ {
			raw := protowire.AppendVarint(protowire.AppendTag(nil, field, protowire.BytesType), claim)
			check("a field's length", func() {
				for _, m := range []proto.Message{&pb.FromShim{}, &pb.TaskSpec{}, &pb.Mutation{}, &pb.Request{}, &pb.Value{}, &pb.StateRequest{}} {
					if proto.Unmarshal(raw, m) == nil {
						t.Errorf("field %d of %d bytes that are not there was taken by %T", field, claim, m)
					}
				}
			})
		}
	}
	spec := seeds(ids.JobFromInt(1))[0].Mutations[0].GetSubmit()
	for _, n := range []uint64{1 << 31, 1<<63 - 1, 1<<64 - 1} {
		request := func(id uint64, r *pb.Request) {
			r.Id = id
			check(r.String(), func() { _ = b.driver.apply(&pb.FromShim{Request: r}) })
			b.taken()
		}
		request(1, &pb.Request{Kind: &pb.Request_Allocate{Allocate: &pb.Allocate{Size: n}}})
		request(2, &pb.Request{Kind: &pb.Request_Wait{Wait: &pb.Wait{ObjectIds: ids.NilActor(b.core.Job).CreationTask().Return(1).Bytes(), NumReturns: uint32(n), TimeoutMs: 0}}})
		check("returns", func() {
			many := proto.CloneOf(spec)
			many.NumReturns = uint32(n)
			if _, err := decodeSpec(many); err == nil {
				t.Errorf("%d returns were taken", many.NumReturns)
			}
		})
		check("rows", func() {
			if _, err := b.driver.server.State(t.Context(), &pb.StateRequest{Kind: pb.StateKind_STATE_TASKS, Most: uint32(n)}); err != nil {
				t.Error(err)
			}
		})
	}
}
