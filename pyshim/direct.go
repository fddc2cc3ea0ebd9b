package pyshim

import (
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	pb "github.com/mobula/mobula/proto/boundary"
	"github.com/mobula/mobula/pyshim/direct"
)

// directLane is a lane whose connection the loop of package direct serves.
type directLane struct {
	server  *Server
	line    *direct.Line
	lane    *lane // nil before it has attached
	broken  bool  // what comes is not read any more
	between between
}

// Direct serves a connection with one stream, which is a lane.
func (s *Server) Direct(line *direct.Line) direct.Handler {
	return withFaults(&directLane{server: s, line: line})
}

// Receive implements direct.Handler.
func (d *directLane) Receive(message []byte) {
	if d.broken {
		return
	}
	var err error
	m := readCancel(message)
	if m == nil {
		m = &pb.FromShim{}
		err = proto.Unmarshal(message, m)
	}
	if err != nil {
		err = status.Errorf(codes.InvalidArgument, "a message that is no FromShim: %v", err)
	} else if d.lane == nil {
		d.lane, err = d.server.open(m.GetAttach(), &lane{server: d.server, line: d.line})
		d.server.drives(d)
	}
	if err == nil && !d.lane.first {
		d.server.catchUp()
	}
	if err == nil {
		err = d.lane.apply(m)
	}
	if err != nil {
		d.Closed(err)
	}
}

// Closed implements direct.Handler.
func (d *directLane) Closed(err error) {
	d.broken = true
	if d.lane == nil {
		d.finish(err)
		return
	}
	d.lane.stop(err)
}

// Leave implements direct.Handler.
func (d *directLane) Leave() {
	if d.lane == nil {
		d.Closed(status.Error(codes.Unavailable, "this mobula-core is ending"))
		return
	}
	d.lane.finish()
}

func (d *directLane) finish(err error) {
	s := status.Convert(err)
	d.line.Finish(uint32(s.Code()), s.Message())
}

// Flush implements direct.Handler.
func (d *directLane) Flush() {
	l := d.lane
	if l == nil {
		return
	}
	for {
		m, stopped := d.between.next(l, d.line.Room())
		if stopped {
			l.close()
			d.server.leaves(d)
			d.finish(l.err)
			return
		}
		if m == nil {
			return
		}
		if err := d.line.Send(func(b []byte) ([]byte, error) { return proto.MarshalOptions{}.MarshalAppend(b, m) }); err != nil {
			l.stop(status.Errorf(codes.Internal, "encode: %v", err))
			continue
		}
		if len(m.Logs) > 0 {
			l.sentLogs(len(m.Logs))
		}
	}
}
