package pyshim

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"google.golang.org/protobuf/proto"

	pb "github.com/mobula/mobula/proto/boundary"
)

func cancelMessage(number uint64, force, recursive bool) *pb.FromShim {
	return &pb.FromShim{FirstMutation: number, Mutations: []*pb.Mutation{{Kind: &pb.Mutation_Cancel{Cancel: &pb.Cancel{
		ObjectId: bytes.Repeat([]byte{0xa5}, 28), Force: force, Recursive: recursive}}}}}
}

func encoded(t testing.TB, m *pb.FromShim) []byte {
	t.Helper()
	b, err := proto.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestACancelIsReadWithoutTheDecoder(t *testing.T) {
	for _, number := range []uint64{1, 127, 128, 1<<63 + 5} {
		for _, force := range []bool{false, true} {
			for _, recursive := range []bool{false, true} {
				want := cancelMessage(number, force, recursive)
				if got := readCancel(encoded(t, want)); !proto.Equal(got, want) {
					t.Errorf("%v was read as %v", want, got)
				}
			}
		}
	}
}

// What is read without the decoder is what the decoder reads, whatever else is in the message.
func TestWhatIsReadWithoutTheDecoderIsWhatItReads(t *testing.T) {
	two := cancelMessage(7, false, true)
	two.Mutations = append(two.Mutations, two.Mutations[0])
	ahead := cancelMessage(7, false, true)
	ahead.Ahead = true
	for _, m := range []*pb.FromShim{two, ahead, {FirstMutation: 1}, {}} {
		if got := readCancel(encoded(t, m)); got != nil {
			t.Errorf("%v was read as %v", m, got)
		}
	}
	whole := encoded(t, cancelMessage(300, true, true))
	random := rand.New(rand.NewPCG(1, 2))
	read := 0
	for range 20_000 {
		b := bytes.Clone(whole[:len(whole)-random.IntN(2)*random.IntN(len(whole))])
		for range random.IntN(3) {
			if len(b) > 0 {
				b[random.IntN(len(b))] = byte(random.Uint32())
			}
		}
		got := readCancel(b)
		if got == nil {
			continue
		}
		read++
		want := &pb.FromShim{}
		if err := proto.Unmarshal(b, want); err != nil || !proto.Equal(got, want) {
			t.Fatalf("%x was read as %v, and is %v (%v)", b, got, want, err)
		}
	}
	if read < 1000 {
		t.Fatalf("only %d of them were read at all", read)
	}
}
