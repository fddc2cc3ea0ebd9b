package pyshim

import (
	"context"
	"os"
	"runtime"
	"sync"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/mobula/mobula/coreworker"
	"github.com/mobula/mobula/coreworker/ids"
	pb "github.com/mobula/mobula/proto/boundary"
)

// Protocol is the number of the boundary's protocol. It changes with any incompatible change of boundary.proto.
const Protocol = 1

// Server serves the boundary of one core.
type Server struct {
	pb.UnimplementedBoundaryServer
	core      *coreworker.Core
	page      *Page
	version   string
	namespace string
	maxQueued int

	mu      sync.Mutex // guards what follows; below the core's lock, never held across a call
	lanes   map[*lane]struct{}
	drivers []*directLane // the first driver's, that the loop serves
	shown   map[ids.JobID]*shown
	closed  bool
	running sync.WaitGroup // reading and writing of all lanes

	numbered map[laneKey]*lane // guarded by the core's lock
	bereft   bereft            // the same
}

// NewServer makes the service. page may be nil: then is_canceled() is answered by RPC only.
func NewServer(core *coreworker.Core, page *Page, version, namespace string) *Server {
	return &Server{core: core, page: page, version: version, namespace: namespace, maxQueued: maxQueued, lanes: map[*lane]struct{}{},
		shown: map[ids.JobID]*shown{}, numbered: map[laneKey]*lane{}}
}

// Lane implements the service's one stream.
func (s *Server) Lane(stream pb.Boundary_LaneServer) error {
	first, err := stream.Recv()
	if err != nil {
		return err
	}
	l, err := s.open(first.GetAttach(), &lane{server: s, stream: stream})
	if err != nil {
		return err
	}
	s.running.Go(func() { l.read(first) })
	s.running.Go(l.write)
	<-l.done
	l.close()
	return l.err
}

// open attaches a lane that has its carrier already.
func (s *Server) open(a *pb.Attach, l *lane) (*lane, error) {
	switch {
	case a == nil:
		return nil, status.Error(codes.InvalidArgument, "the first message of a lane must have attach")
	case a.Protocol != Protocol:
		return nil, status.Errorf(codes.FailedPrecondition, "this mobula-core speaks protocol %d, the Python package %d: install both from one release", Protocol, a.Protocol)
	case a.Version != s.version:
		return nil, status.Errorf(codes.FailedPrecondition, "this mobula-core is version %s, the Python package %s: install both from one release", s.version, a.Version)
	}
	id, err := ids.Worker(a.WorkerId)
	if err != nil {
		return nil, status.Error(codes.InvalidArgument, err.Error())
	}
	role := coreworker.Role(a.Role)
	if a.Role != pb.Role_ROLE_DRIVER && a.Role != pb.Role_ROLE_WORKER {
		return nil, status.Errorf(codes.InvalidArgument, "a process of unknown role %d", a.Role)
	}
	if a.Kind < pb.LaneKind_LANE_CALLS || a.Kind > pb.LaneKind_LANE_NOTICES {
		return nil, status.Errorf(codes.InvalidArgument, "a lane of unknown kind %d", a.Kind)
	}
	if a.Kind == pb.LaneKind_LANE_EXECUTOR && role != coreworker.Worker {
		return nil, status.Error(codes.InvalidArgument, "only workers have executor lanes")
	}
	l.kind, l.requests, l.wake, l.done = a.Kind, map[uint64]func(){}, make(chan struct{}, 1), make(chan struct{})
	attached := &pb.Attached{NodeId: s.core.Node.Bytes(), Namespace: s.namespace}
	if l.kind == pb.LaneKind_LANE_EXECUTOR && s.page != nil {
		slot, epoch, err := s.page.Take()
		if err != nil {
			return nil, status.Error(codes.ResourceExhausted, err.Error())
		}
		l.slot, l.epoch = slot, epoch
		attached.Slot = uint32(slot)
	}
	s.core.Do(func() {
		p := s.core.Attach(id, role, int(a.Pid))
		if p == nil {
			return
		}
		l.process, l.first = p, p.Began()
		attached.JobId = p.Job.Bytes()
		if l.kind != pb.LaneKind_LANE_NOTICES && a.Lane != 0 {
			l.number = a.Lane
			s.numbered[laneKey{p, a.Lane}] = l
		}
		attached.Applied = p.Applied()
		// Queued before the lane is known anywhere: it is the first message, whatever else is sent from now on.
		l.send(&pb.ToShim{Attached: attached})
		if l.kind == pb.LaneKind_LANE_EXECUTOR {
			l.exec = p.AttachExecutor(l, a.ConcurrencyGroup, a.EventLoop, l.epoch)
		}
	})
	if l.process == nil {
		if s.page != nil && l.kind == pb.LaneKind_LANE_EXECUTOR {
			s.page.Give(l.slot)
		}
		return nil, status.Errorf(codes.PermissionDenied, "process %s was not started by this mobula-core", id)
	}
	s.mu.Lock()
	s.lanes[l] = struct{}{}
	if s.closed {
		l.finish()
	}
	if role == coreworker.Driver && l.kind == pb.LaneKind_LANE_NOTICES {
		s.shown[l.process.Job].to(l)
	}
	s.mu.Unlock()
	return l, nil
}

// HearOut waits until everything was read that an ended process had sent, but not longer than patience: what it forked
// may hold its connections open. Without this its end, which comes by another way, overtakes its last results:
//
//	worker: result of A on the wire, exit      pidfd: it ended, A died with it      lane: result of A … nobody asks any more
//
// It must not be called with the core's lock held, which the reading needs.
func (s *Server) HearOut(id ids.WorkerID, patience time.Duration) {
	s.catchUpOutside()
	s.mu.Lock()
	var open []*lane
	for l := range s.lanes {
		if l.process.ID == id {
			open = append(open, l)
		}
	}
	s.mu.Unlock()
	enough := time.NewTimer(patience)
	defer enough.Stop()
	for _, l := range open {
		select {
		case <-l.done:
		case <-enough.C:
			return
		}
	}
}

// IsTaskCanceled answers from the canceled set of the executor itself.
func (s *Server) IsTaskCanceled(_ context.Context, q *pb.IsTaskCanceledRequest) (*pb.IsTaskCanceledReply, error) {
	worker, err := ids.Worker(q.WorkerId)
	if err != nil {
		return nil, status.Error(codes.InvalidArgument, err.Error())
	}
	id, err := ids.Task(q.TaskId)
	if err != nil {
		return nil, status.Error(codes.InvalidArgument, err.Error())
	}
	s.catchUpOutside()
	var canceled bool
	s.core.Do(func() { canceled = s.core.IsCanceled(worker, id) })
	return &pb.IsTaskCanceledReply{Canceled: canceled}, nil
}

// Inspect counts what is alive, and checks what must always hold if it is asked to.
func (s *Server) Inspect(_ context.Context, r *pb.InspectRequest) (*pb.InspectReply, error) {
	s.catchUpOutside()
	var c coreworker.Counts
	var broken string
	s.core.Do(func() {
		c = s.core.Counts()
		if r.GetValidate() {
			if err := s.core.Validate(); err != nil {
				broken = err.Error()
			}
		}
	})
	s.mu.Lock()
	lanes := len(s.lanes)
	s.mu.Unlock()
	fds, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return nil, status.Error(codes.Internal, err.Error())
	}
	return &pb.InspectReply{
		Processes: uint32(c.Processes), Workers: uint32(c.Workers), IdleWorkers: uint32(c.IdleWorkers),
		TasksPending: uint64(c.TasksPending), TasksQueued: uint64(c.TasksQueued), TasksRunning: uint64(c.TasksRunning),
		Canceled: uint64(c.Canceled), Objects: uint64(c.Objects), Blocks: uint64(c.Blocks),
		BlocksWithoutRef: uint64(c.BlocksWithoutRef), Pins: uint64(c.Pins), ArenaUsed: c.ArenaUsed,
		Actors: uint64(c.Actors), Parked: uint32(c.Parked), Leases: uint64(c.Leases),
		Goroutines: uint32(runtime.NumGoroutine()), Fds: uint32(len(fds)), Lanes: uint32(lanes),
		TasksSubmitted: c.TasksSubmitted, TaskOutcomes: c.TaskOutcomes, Broken: broken,
	}, nil
}

// Close ends every lane after what is queued for it, with status OK. The gRPC server's GracefulStop then waits for them.
func (s *Server) Close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	for l := range s.lanes {
		l.finish()
	}
}

// Wait returns when no lane reads or writes any more. The gRPC server must have been stopped.
func (s *Server) Wait() { s.running.Wait() }
