package pyshim

import (
	"testing"

	pb "github.com/mobula/mobula/proto/boundary"
)

// BenchmarkCall is a task there and back, one after the other, with a driver and a worker that do nothing: what the core
// and the sockets take. It runs once with either carrier of lanes.
func BenchmarkCall(b *testing.B) {
	carrier := "library"
	if carriedDirectly {
		carrier = "loop"
	}
	b.Run(carrier, func(b *testing.B) {
		k := newKit(b)
		d := k.driver()
		d.mutate(1, submit(k, 1))
		p, w := k.worker()
		w.mutate(1, done(w.run(), pb.Outcome_OUTCOME_OK))
		d.ask(1, get(1, taskID(k, 1).Return(1)))
		d.reply(1)
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			for n := uint64(2); ; n++ {
				m, err := w.stream.Recv()
				if err != nil {
					return
				}
				if len(m.Run) == 0 {
					n--
					continue
				}
				p.TakeTickets()
				if w.stream.Send(&pb.FromShim{FirstMutation: n, Mutations: []*pb.Mutation{done(m.Run[0], pb.Outcome_OUTCOME_OK)}}) != nil {
					return
				}
			}
		}()
		n := uint64(1)
		b.ReportAllocs()
		for b.Loop() {
			n++
			obj := taskID(k, n).Return(1)
			d.mutate(2*n-2, submit(k, n))
			d.ask(2*n-2, get(n, obj))
			d.reply(n)
			d.left = d.left[:0]
			d.mutate(2*n-1, drop(obj))
		}
		b.StopTimer()
		w.hangUp()
		<-ended
	})
}
