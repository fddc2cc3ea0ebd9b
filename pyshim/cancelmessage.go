package pyshim

import (
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/mobula/mobula/coreworker/ids"
	pb "github.com/mobula/mobula/proto/boundary"
)

// readCancel reads the message that a driver's cancel() writes: a number and one mutation, the cancel of an object. nil for every
// other one, also for the same said in another order.
//
// A cancel comes when nothing came for a while, mostly, and its method goes on until it is told. protobuf's decoder, driven by tables,
// takes 1 µs when it has just been used, and 45 µs of the 100 that the core takes for it all when others had the caches meanwhile.
func readCancel(b []byte) *pb.FromShim {
	const object = ids.ObjectLen
	// FromShim{first_mutation = …, mutations = Mutation{cancel = Cancel{object_id = …
	if len(b) < 2 || b[0] != 2<<3 {
		return nil
	}
	number, n := protowire.ConsumeVarint(b[1:])
	if n < 0 {
		return nil
	}
	b = b[1+n:]
	if len(b) < 6+object || b[0] != 3<<3|2 || int(b[1]) != len(b)-2 || b[2] != 5<<3|2 || int(b[3]) != len(b)-4 ||
		b[4] != 1<<3|2 || b[5] != object {
		return nil
	}
	cancel := &pb.Cancel{ObjectId: b[6 : 6+object : 6+object]}
	b = b[6+object:]
	if len(b) >= 2 && b[0] == 2<<3 && b[1] == 1 {
		cancel.Force, b = true, b[2:]
	}
	if len(b) >= 2 && b[0] == 3<<3 && b[1] == 1 {
		cancel.Recursive, b = true, b[2:]
	}
	if len(b) > 0 {
		return nil
	}
	return &pb.FromShim{FirstMutation: number, Mutations: []*pb.Mutation{{Kind: &pb.Mutation_Cancel{Cancel: cancel}}}}
}
