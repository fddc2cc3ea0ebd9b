package pyshim

import (
	"slices"
)

// The driver's cancel() returns when it is written: whatever happens from then on is to find the task canceled, also what
// comes by another connection that the loop happens to read first.
//
//	driver:  stores the number, writes the cancel, cancel() returns, opens a file
//	worker:                                                          sees the file, returns: its result is written
//	core:    reads the worker's line first: the number says that there is a cancel to be read before
//
// So the driver's lines are read before anything is made of what a worker says or of its end, or of what another driver says: that
// one waits for an answer to its own cancels. A cancel is found there: it
// was in the socket before the worker could know of it. Where the driver's lane was lost with the cancel on it nothing is
// waited for: the driver sends it again, but nobody knows when.

// catchUp reads the cancels that may have returned by now. For the loop's handlers.
func (s *Server) catchUp() {
	if s.page == nil || !s.page.behind() {
		return
	}
	for _, d := range s.driversNow() {
		d.line.Drain(s.page.behind)
		d.between.release()
	}
}

// catchUpOutside is catchUp for everybody else; not to be called with the core's lock held.
func (s *Server) catchUpOutside() {
	if s.page == nil || !s.page.behind() {
		return
	}
	if drivers := s.driversNow(); len(drivers) > 0 {
		drivers[0].line.Run(s.catchUp)
	}
}

func (s *Server) driversNow() []*directLane {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.drivers)
}

// drives notes a lane that the first driver has attached; leaves, its end.
func (s *Server) drives(d *directLane) {
	if d.lane == nil || !d.lane.first {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.drivers = append(s.drivers, d)
}

func (s *Server) leaves(d *directLane) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.drivers = slices.DeleteFunc(s.drivers, func(o *directLane) bool { return o == d })
}
