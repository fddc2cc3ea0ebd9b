//go:build !faults

package pyshim

import (
	pb "github.com/mobula/mobula/proto/boundary"
	"github.com/mobula/mobula/pyshim/direct"
)

// between is what stands between a lane and its connection: nothing, but where faults are asked for (faults.go).
type between struct{}

func withFaults(d *directLane) direct.Handler { return d }

func (between) release() {}

func (between) next(l *lane, room bool) (m *pb.ToShim, stopped bool) { return l.next(room) }
