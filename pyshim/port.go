package pyshim

import (
	"fmt"

	"github.com/mobula/mobula/coreworker/execute"
	"github.com/mobula/mobula/coreworker/ids"
	pb "github.com/mobula/mobula/proto/boundary"
)

// A lane is the executor's port to its thread. All of these are called with the core's lock held.

// Run implements execute.Port. It acknowledges the results that came before: the shim keeps them until then.
func (l *lane) Run(r *execute.Run) {
	l.acked = l.process.Applied()
	l.send(&pb.ToShim{Run: []*pb.RunTask{l.encodeRun(r)}, Applied: l.acked})
}

// CancelRun implements execute.Port.
func (l *lane) CancelRun(id ids.TaskID) {
	l.send(&pb.ToShim{Cancel: []*pb.CancelRun{{TaskId: id.Bytes()}}})
}

// OpenLane implements execute.Port.
func (l *lane) OpenLane(group string) {
	l.send(&pb.ToShim{OpenLane: &pb.OpenLane{Opening: 1, ConcurrencyGroup: group}})
}

// Flag implements execute.Port.
func (l *lane) Flag(epoch uint64) {
	if l.server.page != nil {
		l.server.page.Flag(l.slot, epoch)
	}
}

// Wake implements execute.Port.
func (l *lane) Wake(id ids.TaskID) { l.process.Wake(id) }

// Exit implements execute.Port.
func (l *lane) Exit(now bool, why string) { l.send(&pb.ToShim{Exit: &pb.Exit{Now: now, Why: why}}) }

// Close implements execute.Port.
func (l *lane) Close() { l.send(&pb.ToShim{Exit: &pb.Exit{Lane: true, Why: "idle"}}) }

func droppedText(n int) []byte {
	return fmt.Appendf(nil, "%d messages of worker output were dropped: they came faster than this process reads them", n)
}
