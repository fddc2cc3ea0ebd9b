package pyshim

import (
	"context"
	"testing"

	"google.golang.org/protobuf/proto"

	pb "github.com/mobula/mobula/proto/boundary"
)

// Whoever may open the socket may look without a token: whatever is asked, the answer is bounded and nothing changes.
func FuzzLook(f *testing.F) {
	add := func(kind byte, m proto.Message) {
		b, err := proto.Marshal(m)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(kind, b)
	}
	for kind := range pb.StateKind_name {
		add(0, &pb.StateRequest{Kind: pb.StateKind(kind), Most: 1 << 31})
	}
	add(1, &pb.WhyRequest{Task: "f"})
	add(1, &pb.WhyRequest{})
	add(2, &pb.TaskEvents{From: 1 << 63})
	add(2, &pb.TaskEvents{From: 1<<64 - 1, Gets: true})
	b := newBench(f)
	f.Cleanup(b.core.Close)
	server := b.driver.server
	before := b.counts()
	f.Fuzz(func(t *testing.T, kind byte, data []byte) {
		switch kind % 3 {
		case 0:
			r := new(pb.StateRequest)
			if proto.Unmarshal(data, r) != nil || r.Kind == pb.StateKind_STATE_SESSION {
				return // the session's own row asks the process, which a bench has not
			}
			got, err := server.State(context.Background(), r)
			if err == nil && uint32(len(got.Tasks)+len(got.Actors)+len(got.Objects)+len(got.Groups)) > r.Most {
				t.Fatalf("%d were wanted: %v", r.Most, got)
			}
		case 1:
			r := new(pb.WhyRequest)
			if proto.Unmarshal(data, r) != nil {
				return
			}
			if _, err := server.Why(context.Background(), r); err != nil {
				t.Fatal(err)
			}
		case 2:
			r := new(pb.TaskEvents)
			if proto.Unmarshal(data, r) != nil {
				return
			}
			got, err := server.Events(context.Background(), r)
			if err != nil || len(got.Events)+len(got.Gets) > eventsPage {
				t.Fatalf("%v, %v", got, err)
			}
		}
		if now := b.counts(); now != before {
			t.Fatalf("looking changed %+v to %+v", before, now)
		}
	})
}
