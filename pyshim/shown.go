package pyshim

import (
	"slices"
	"strings"

	"github.com/mobula/mobula/coreworker/backend"
	"github.com/mobula/mobula/coreworker/ids"
	pb "github.com/mobula/mobula/proto/boundary"
)

// shown is what the driver of a job is shown: its lane for that, or what came before there was one. Guarded by Server.mu.
type shown struct {
	notices *lane
	early   []*pb.LogLine
	lost    int // messages that came before the driver's lane and were too many
}

// Show lets the driver of a job see what its workers print, until Dismiss. What others print it never sees.
func (s *Server) Show(job ids.JobID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.shown[job] = &shown{}
}

// Dismiss ends the lanes of a driver whose job is over, after what is queued for them: what its workers printed last reaches it.
func (s *Server) Dismiss(job ids.JobID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.shown, job)
	for l := range s.lanes {
		if l.process.ID == ids.DriverWorker(job) {
			l.finish()
		}
	}
}

// Output brings lines that a worker of a job printed to its driver. It never blocks; what the driver does not read in time is
// counted and dropped. An empty name stands for what the worker runs now.
func (s *Server) Output(job ids.JobID, id ids.WorkerID, pid int, isErr bool, name string, lines []byte) {
	if name == "" {
		s.core.Do(func() { name = s.core.Label(id) })
	}
	s.bring(job, &pb.LogLine{Pid: uint32(pid), IsError: isErr, Name: name, Text: slices.Clone(lines)})
}

// Printed is the same for lines that come from elsewhere.
func (s *Server) Printed(p backend.Printed) {
	s.bring(s.core.Job, &pb.LogLine{Pid: uint32(p.PID), IsError: p.IsError, Name: p.Name, Node: p.Node, Text: []byte(strings.Join(p.Lines, "\n"))})
}

// Warn brings a sentence of the core itself to the driver of a job. It may be called under the core's lock, and never blocks.
func (s *Server) Warn(job ids.JobID, text string) {
	s.bring(job, &pb.LogLine{IsError: true, Name: "scheduler", Text: []byte("Warning: " + text)})
}

func (s *Server) bring(job ids.JobID, line *pb.LogLine) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch d := s.shown[job]; {
	case d == nil: // it does not want to see it, or is gone
	case d.notices != nil:
		d.notices.log(line)
	case len(d.early) < maxLogs:
		d.early = append(d.early, line)
	default:
		d.lost++
	}
}

// to names the driver's lane. Nil: nothing is shown to it.
func (d *shown) to(l *lane) {
	if d == nil {
		return
	}
	d.notices = l
	if len(d.early) > 0 {
		l.logEarly(d.early, d.lost)
		d.early, d.lost = nil, 0
	}
}

// left is told that a lane has ended.
func (d *shown) left(l *lane) {
	if d != nil && d.notices == l {
		d.notices = nil
	}
}
