package pyshim

import (
	"sync"
	"sync/atomic"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/mobula/mobula/coreworker"
	"github.com/mobula/mobula/coreworker/execute"
	pb "github.com/mobula/mobula/proto/boundary"
	"github.com/mobula/mobula/pyshim/direct"
)

const (
	// maxQueued bounds what waits to be sent on one lane. Answers are bounded by what was asked and tasks by their
	// window, so a shim that gets there does not read.
	maxQueued = 1 << 16
	// maxLogs bounds the log messages that wait for the driver.
	maxLogs = 4096
	// ackEvery and ackBytes are after how many mutations, and after how many bytes that the shim keeps for them, they are
	// acknowledged when nothing else is to be said.
	ackEvery = 1024
	ackBytes = 1 << 20
)

// lane is one stream.
type lane struct {
	server  *Server
	stream  pb.Boundary_LaneServer // or
	line    *direct.Line           // which of the two carries it
	kind    pb.LaneKind
	process *coreworker.Process
	first   bool // of the driver that the session began with
	exec    *execute.Lane
	slot    int
	epoch   uint64
	// requests that have no answer yet, with the way to give each up. Guarded by the core's lock.
	requests map[uint64]func()
	closed   bool   // under the core's lock too: a request that waited for its mutation finds nobody to answer
	number   uint64 // of this lane in its process; 0 where nothing is given up by number
	given    given
	forgone  uint64 // requests up to here were given up
	acked    uint64
	weight   int // bytes in mutations since the last ack

	mu      sync.Mutex // guards what follows; the lowest of all locks
	queue   []*pb.ToShim
	taken   int          // messages that the writer took out of the queue last
	sent    atomic.Int64 // of those: it was sent; written by the writer alone, without the lock
	logs    int
	lostLog int
	stopped bool
	ending  bool // to be closed once the queue is empty
	err     error
	wake    chan struct{}
	done    chan struct{} // closed by stop
}

// read applies what the shim sends until its stream ends.
func (l *lane) read(first *pb.FromShim) {
	for m := first; ; {
		if !l.first {
			l.server.catchUpOutside()
		}
		if err := l.apply(m); err != nil {
			l.stop(err)
			return
		}
		next, err := l.stream.Recv()
		if err != nil {
			l.stop(nil) // the shim closed the lane, or is gone: both are how lanes end
			return
		}
		m = next
	}
}

// stop ends the lane; the first reason counts.
func (l *lane) stop(err error) {
	l.mu.Lock()
	first := !l.stopped
	if first {
		l.stopped, l.queue, l.err = true, nil, err
	}
	l.mu.Unlock()
	if first {
		close(l.done)
		l.rouse()
	}
}

// finish ends the lane once what is queued was sent.
func (l *lane) finish() {
	l.mu.Lock()
	l.ending = true
	l.mu.Unlock()
	l.rouse()
}

func (l *lane) rouse() {
	if l.line != nil {
		l.line.Wake()
		return
	}
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// apply carries out one message. What is malformed ends the lane; nobody else notices.
func (l *lane) apply(m *pb.FromShim) error {
	steps, err := l.decode(m)
	if err != nil {
		return status.Error(codes.InvalidArgument, err.Error())
	}
	weight := weigh(m.Mutations)
	var excess error
	l.server.core.Do(func() {
		held := l.process.Held()
		for i, mutate := range steps.mutations {
			number, in := m.FirstMutation+uint64(i), coreworker.Parcel{Lane: l}
			if number > l.process.Applied()+1 {
				in.Bytes = proto.Size(m.Mutations[i])
			}
			l.process.Mutate(number, in, mutate)
		}
		if steps.then != nil {
			in := coreworker.Parcel{Lane: l}
			if m.After > l.process.Applied() {
				in.Bytes = proto.Size(m.Request)
			}
			l.process.After(m.After, in, steps.then)
		}
		if l.process.Held() > held { // another lane of the process may bring what it waits for
			if excess = l.process.Excess(); excess != nil {
				l.process.Unsend(l)
			}
		}
		if l.server.page != nil && l.first {
			l.server.page.hear(l.process.Applied())
		}
		l.weight += weight
		if n := l.process.Applied(); n >= l.acked+ackEvery || l.weight > ackBytes && n > l.acked {
			l.acked, l.weight = n, 0
			l.send(&pb.ToShim{Applied: n})
		}
	})
	if excess != nil {
		return status.Error(codes.ResourceExhausted, excess.Error())
	}
	return nil
}

// send queues a message. Called with or without the core's lock; never blocks.
func (l *lane) send(m *pb.ToShim) {
	l.mu.Lock()
	if l.stopped {
		l.mu.Unlock()
		return
	}
	if n := len(l.queue); n > 0 && mergeable(l.queue[n-1], m) {
		l.queue[n-1].Run = append(l.queue[n-1].Run, m.Run...)
		l.queue[n-1].Applied = max(l.queue[n-1].Applied, m.Applied)
		l.mu.Unlock()
		return
	}
	l.queue = append(l.queue, m)
	// What the writer has taken waits as well, until it was sent: it takes all there is at once.
	most := l.server.maxQueued
	full := len(l.queue)+l.taken > most && len(l.queue)+l.taken-int(l.sent.Load()) > most
	l.mu.Unlock()
	if full {
		l.stop(status.Errorf(codes.ResourceExhausted, "%d messages wait for a lane that does not read", most))
		return
	}
	l.rouse()
}

// mergeable says whether m brings nothing but tasks and the message queued before it as well.
func mergeable(last, m *pb.ToShim) bool {
	return len(m.Run) > 0 && len(last.Run) > 0 && len(last.Run) < 64 && last.Reply == nil && m.Reply == nil && last.Ahead == nil &&
		last.Attached == nil && len(last.Cancel) == 0 && last.OpenLane == nil && last.Exit == nil && len(last.Logs) == 0
}

// logEarly queues what was printed before the driver had a lane for it.
func (l *lane) logEarly(lines []*pb.LogLine, lost int) {
	l.mu.Lock()
	l.logs += len(lines)
	l.lostLog += lost
	l.mu.Unlock()
	l.send(&pb.ToShim{Logs: lines})
}

// log queues a line for the driver, or counts it as lost.
func (l *lane) log(line *pb.LogLine) {
	l.mu.Lock()
	if l.logs >= maxLogs {
		l.lostLog++
		l.mu.Unlock()
		return
	}
	l.logs++
	l.mu.Unlock()
	l.send(&pb.ToShim{Logs: []*pb.LogLine{line}})
}

// next takes the next message out of the queue, if there is room for it; nil when there is none now, stopped when the
// lane has ended, for which no room is needed.
func (l *lane) next(room bool) (m *pb.ToShim, stopped bool) {
	l.mu.Lock()
	if len(l.queue) == 0 && l.ending && !l.stopped {
		l.mu.Unlock()
		l.stop(nil)
		return nil, true
	}
	defer l.mu.Unlock()
	if l.stopped || len(l.queue) == 0 || !room {
		return nil, l.stopped
	}
	m, l.queue = l.queue[0], l.queue[1:]
	return m, false
}

// write sends what is queued until the lane ends. It may wait in Send for a shim that does not read: then only the end of
// the handler ends it, so it is not the handler that runs it.
func (l *lane) write() {
	for {
		l.mu.Lock()
		batch, ending, stopped := l.queue, l.ending, l.stopped
		l.queue, l.taken = nil, len(batch)
		l.sent.Store(0)
		l.mu.Unlock()
		if stopped {
			return
		}
		if len(batch) == 0 {
			if ending {
				l.stop(nil)
				return
			}
			select {
			case <-l.wake:
			case <-l.done:
			}
			continue
		}
		for _, m := range batch {
			if err := l.stream.Send(m); err != nil {
				l.stop(err)
				return
			}
			l.sent.Add(1)
			if len(m.Logs) > 0 {
				l.sentLogs(len(m.Logs))
			}
		}
	}
}

func (l *lane) sentLogs(n int) {
	l.mu.Lock()
	l.logs -= n
	lost := 0
	if l.logs == 0 {
		lost, l.lostLog = l.lostLog, 0
	}
	l.mu.Unlock()
	if lost > 0 {
		l.log(&pb.LogLine{Name: "mobula", Text: droppedText(lost)})
	}
}

// close forgets the lane: what it waited for is given up, what it executed is told to the executor.
func (l *lane) close() {
	s := l.server
	s.mu.Lock()
	delete(s.lanes, l)
	s.shown[l.process.Job].left(l)
	s.mu.Unlock()
	s.core.Do(func() {
		l.closed = true
		for _, abandon := range l.requests {
			abandon()
		}
		clear(l.requests)
		if key := (laneKey{l.process, l.number}); s.numbered[key] == l {
			delete(s.numbered, key)
			s.bereft.ended(key, l.given)
		}
		if l.exec != nil {
			l.process.DetachExecutor(l.exec)
		}
	})
	l.stop(nil)
	if l.exec != nil && s.page != nil {
		s.page.Give(l.slot)
	}
}
