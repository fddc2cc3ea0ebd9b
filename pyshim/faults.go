//go:build faults

package pyshim

import (
	"sync/atomic"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/mobula/mobula/coreworker/faults"
	pb "github.com/mobula/mobula/proto/boundary"
	"github.com/mobula/mobula/pyshim/direct"
)

// faultDelay is how much later a delayed message comes: several turns of any process, and far below any patience.
const faultDelay = 30 * time.Millisecond

// errFault ends a lane in the way that the end of a connection does: nothing says how far it came.
var errFault = status.Error(codes.Unavailable, "a fault was asked for")

type between struct{ *faulty }

func withFaults(d *directLane) direct.Handler {
	d.between = between{&faulty{directLane: d}}
	return d.between.faulty
}

// faulty stands between a lane and its connection where faults are asked for, and loses, delays and doubles messages. The
// points are `from.` and `to.` with the kind of the message. A stream never loses one message of several, so what loses a
// message ends the lane as well; what comes twice is what a lane that has attached again sends again: its mutations.
type faulty struct {
	*directLane
	in   late
	out  late
	held [][]byte
	kept *pb.ToShim
}

// late holds one direction of a lane up for a while.
type late struct{ until atomic.Bool }

func (l *late) begin(line *direct.Line) {
	l.until.Store(true)
	time.AfterFunc(faultDelay, func() {
		l.until.Store(false)
		line.Wake()
	})
}

// Receive implements direct.Handler.
func (f *faulty) Receive(message []byte) {
	if f.in.until.Load() || len(f.held) > 0 {
		f.held = append(f.held, message)
		return
	}
	m := &pb.FromShim{}
	if proto.Unmarshal(message, m) != nil {
		f.directLane.Receive(message)
		return
	}
	known := faults.Fail | faults.Lose | faults.Delay
	if len(m.Mutations) > 0 {
		known |= faults.Double
	}
	switch faults.At("from."+kindFrom(m), known) {
	case faults.Fail:
		f.Closed(errFault)
	case faults.Lose:
		f.directLane.Receive(message)
		f.Closed(errFault)
	case faults.Delay:
		f.held = append(f.held, message)
		f.in.begin(f.line)
	case faults.Double:
		f.directLane.Receive(message)
		if again, err := proto.Marshal(&pb.FromShim{FirstMutation: m.FirstMutation, Mutations: m.Mutations}); err == nil && f.lane != nil {
			f.directLane.Receive(again)
		}
	default:
		f.directLane.Receive(message)
	}
}

// Closed implements direct.Handler: what came before the end is carried out, however late.
func (f *faulty) Closed(err error) {
	f.release()
	f.directLane.Closed(err)
}

func (f *faulty) release() {
	f.in.until.Store(false)
	held := f.held
	f.held = nil
	for _, message := range held {
		f.directLane.Receive(message)
	}
}

// Flush implements direct.Handler.
func (f *faulty) Flush() {
	if !f.in.until.Load() {
		f.release()
	}
	f.directLane.Flush()
}

// next takes what a lane is to send through the faults that are asked for.
func (f *faulty) next(l *lane, room bool) (m *pb.ToShim, stopped bool) {
	if f.kept != nil {
		if _, stopped = l.next(false); stopped {
			return nil, true
		}
		if f.out.until.Load() || !room {
			return nil, false
		}
		m, f.kept = f.kept, nil
		return m, false
	}
	if m, stopped = l.next(room); m == nil {
		return m, stopped
	}
	known := faults.Lose | faults.Delay
	if m.Reply != nil {
		known |= faults.Double
	}
	switch faults.At("to."+kindTo(m), known) {
	case faults.Lose:
		l.stop(errFault)
		return nil, true
	case faults.Delay:
		f.kept = m
		f.out.begin(f.line)
		return nil, false
	case faults.Double:
		f.kept = m
	}
	return m, false
}

func kindFrom(m *pb.FromShim) string {
	switch {
	case m.Attach != nil:
		return "attach"
	case m.Request != nil:
		return oneof(m.Request)
	case len(m.Mutations) > 0:
		return oneof(m.Mutations[0])
	}
	return "dropped"
}

func oneof(m proto.Message) string {
	r := m.ProtoReflect()
	if field := r.WhichOneof(r.Descriptor().Oneofs().ByName("kind")); field != nil {
		return string(field.Name())
	}
	return "nothing"
}

func kindTo(m *pb.ToShim) string {
	name := "applied"
	m.ProtoReflect().Range(func(field protoreflect.FieldDescriptor, _ protoreflect.Value) bool {
		if field.Name() != "applied" {
			name = string(field.Name())
		}
		return name == "applied"
	})
	return name
}
