package pyshim

import (
	"context"
	"encoding/binary"
	"flag"
	"net"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/sys/unix"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/test/bufconn"

	"github.com/mobula/mobula/coreworker"
	"github.com/mobula/mobula/coreworker/embedded"
	"github.com/mobula/mobula/coreworker/ids"
	"github.com/mobula/mobula/coreworker/sched"
	pb "github.com/mobula/mobula/proto/boundary"
	"github.com/mobula/mobula/pyshim/direct"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(twice{m}) }

// twice runs every test with either carrier of lanes.
type twice struct{ m *testing.M }

// carriedDirectly says which it is: the loop of package direct, or the gRPC library.
var carriedDirectly bool

func (t twice) Run() int {
	code := t.m.Run()
	if code == 0 && flag.Lookup("test.fuzz").Value.String() == "" {
		carriedDirectly = true
		code = t.m.Run()
	}
	return code
}

const patience = 10 * time.Second

// kit is a core with the service in front of it, and stock gRPC clients.
type kit struct {
	t        testing.TB
	core     *coreworker.Core
	server   *Server
	page     *Page
	listener net.Listener
	dialer   func(context.Context) (net.Conn, error)
	socket   string // of lanes that the loop carries
	born     chan *proc
}

// proc is a worker process as the core sees it.
type proc struct {
	id      ids.WorkerID
	started func(coreworker.Child)
	end     func(coreworker.Obituary)

	mu      sync.Mutex
	tickets int
	calls   []string
}

func (p *proc) PID() int    { return 4711 }
func (p *proc) Grant(n int) { p.mu.Lock(); defer p.mu.Unlock(); p.tickets += n }
func (p *proc) Interrupt()  { p.note("interrupt") }
func (p *proc) Kill()       { p.note("kill") }

func (p *proc) TakeTickets() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := p.tickets
	p.tickets = 0
	return n
}

func (p *proc) note(what string) { p.mu.Lock(); defer p.mu.Unlock(); p.calls = append(p.calls, what) }

func (p *proc) was(what string) (n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range p.calls {
		if c == what {
			n++
		}
	}
	return n
}

// Prepare implements Processes: nothing has to be set up.
func (*kit) Prepare(embedded.Kind, func(string)) bool { return true }

func (*kit) Forget(ids.JobID) {}

// Spawn implements coreworker.Processes.
func (k *kit) Spawn(id ids.WorkerID, _ embedded.Kind, started func(coreworker.Child), ended func(coreworker.Obituary)) {
	k.born <- &proc{id: id, started: started, end: ended}
}

func newKit(t testing.TB) *kit {
	k := &kit{t: t, born: make(chan *proc, 100)}
	k.core = coreworker.New(coreworker.Config{Resources: sched.CPUs(1), ArenaBytes: 1 << 20, Processes: k,
		Reserve: func(uint64, uint64) error { return nil },
		Report:  func(err error) { t.Errorf("invariant: %v", err) }})
	fd, err := unix.MemfdCreate("page", unix.MFD_CLOEXEC)
	if err == nil {
		err = unix.Ftruncate(fd, Slots*8)
	}
	if err != nil {
		t.Fatal(err)
	}
	if k.page, err = MapPage(fd); err != nil {
		t.Fatal(err)
	}
	k.server = NewServer(k.core, k.page, "1.0", "ns")
	k.server.Show(k.core.Job)
	endLoop := k.listen(t)
	server := grpc.NewServer()
	pb.RegisterBoundaryServer(server, k.server)
	done := make(chan error, 1)
	go func() { done <- server.Serve(k.listener) }()
	t.Cleanup(func() {
		k.core.Do(func() {
			if err := k.core.Validate(); err != nil {
				t.Error(err)
			}
		})
		k.core.Close()
		k.server.Close()
		server.Stop()
		endLoop()
		if err := <-done; err != nil {
			t.Error(err)
		}
		k.server.Wait()
		if err := k.page.Close(); err != nil {
			t.Error(err)
		}
		_ = unix.Close(fd) // only the test's own
	})
	return k
}

// listen opens the door; the function it returns is to be called when the server has stopped.
func (k *kit) listen(t testing.TB) (endLoop func()) {
	if !carriedDirectly {
		pipes := bufconn.Listen(1 << 16)
		k.listener, k.dialer = pipes, pipes.DialContext
		return func() {}
	}
	dir, err := os.MkdirTemp("", "pyshim") // not t.TempDir(): a socket's path is short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	k.socket = filepath.Join(dir, "s")
	ln, err := net.Listen("unix", k.socket)
	if err != nil {
		t.Fatal(err)
	}
	loop, err := direct.NewLoop(direct.Limits{Window: 1 << 20, MaxMessage: 64 << 20, MaxHeaders: 16 << 10})
	if err != nil {
		t.Fatal(err)
	}
	k.listener = loop.Listen(ln, func(direct.Opening) func(*direct.Line) direct.Handler { return k.server.Direct })
	k.dialer = func(ctx context.Context) (net.Conn, error) { return new(net.Dialer).DialContext(ctx, "unix", k.socket) }
	return func() { loop.Close(patience) }
}

func (k *kit) dial(t testing.TB) pb.BoundaryClient {
	// A window that does not grow: a client that does not read takes 64 KiB and no more.
	const window = 1<<16 - 1
	conn, err := grpc.NewClient("passthrough:///core", grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithInitialWindowSize(window), grpc.WithInitialConnWindowSize(window),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return k.dialer(ctx) }))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() }) // closed already where a test ends it
	return pb.NewBoundaryClient(conn)
}

// shim is one lane, on a connection of its own.
type shim struct {
	t      testing.TB
	k      *kit
	stream interface {
		Send(*pb.FromShim) error
		Recv() (*pb.ToShim, error)
		CloseSend() error
	}
	client pb.BoundaryClient
	hangUp context.CancelFunc
	said   *pb.Attached
	left   []*pb.ToShim // received and not looked at
}

func (k *kit) driverAttach(kind pb.LaneKind) *pb.Attach {
	return &pb.Attach{Protocol: Protocol, Version: "1.0", Role: pb.Role_ROLE_DRIVER, Kind: kind,
		WorkerId: ids.DriverWorker(k.core.Job).Bytes(), Pid: 1}
}

func (k *kit) dialLane(a *pb.Attach) *shim {
	ctx, cancel := context.WithTimeout(context.Background(), 2*patience)
	k.t.Cleanup(cancel)
	s := &shim{t: k.t, k: k, client: k.dial(k.t), hangUp: cancel}
	if carriedDirectly {
		cancel()
		line := openDirect(k.t, k.socket)
		s.stream, s.hangUp = line, func() { line.conn.Close() }
	} else {
		stream, err := s.client.Lane(ctx)
		if err != nil {
			k.t.Fatal(err)
		}
		s.stream = stream
	}
	s.send(&pb.FromShim{Attach: a})
	return s
}

// open attaches a lane that is not refused.
func (k *kit) open(a *pb.Attach) *shim {
	k.t.Helper()
	s := k.dialLane(a)
	m := s.receive()
	if s.said = m.Attached; s.said == nil {
		k.t.Fatalf("the first message is %v", m)
	}
	return s
}

func (k *kit) driver() *shim { k.t.Helper(); return k.open(k.driverAttach(pb.LaneKind_LANE_CALLS)) }

// worker is a process that was started, with its first executor lane.
func (k *kit) worker() (*proc, *shim) {
	k.t.Helper()
	var p *proc
	select {
	case p = <-k.born:
	case <-time.After(patience):
		k.t.Fatal("no process was asked for")
	}
	p.started(p)
	return p, k.open(k.workerAttach(p))
}

func (k *kit) workerAttach(p *proc) *pb.Attach {
	return &pb.Attach{Protocol: Protocol, Version: "1.0", Role: pb.Role_ROLE_WORKER, Kind: pb.LaneKind_LANE_EXECUTOR,
		WorkerId: p.id.Bytes(), Pid: 4711}
}

func (s *shim) send(m *pb.FromShim) {
	s.t.Helper()
	if err := s.stream.Send(m); err != nil {
		s.t.Fatalf("send: %v", err)
	}
}

func (s *shim) receive() *pb.ToShim {
	s.t.Helper()
	m, err := s.stream.Recv()
	if err != nil {
		s.t.Fatalf("receive: %v", err)
	}
	return m
}

// until receives up to the first message that fits, and keeps the others.
func (s *shim) until(fits func(*pb.ToShim) bool) *pb.ToShim {
	s.t.Helper()
	for i, m := range s.left {
		if fits(m) {
			s.left = append(s.left[:i], s.left[i+1:]...)
			return m
		}
	}
	for {
		m := s.receive()
		if fits(m) {
			return m
		}
		s.left = append(s.left, m)
	}
}

func (s *shim) reply(id uint64) *pb.Reply {
	s.t.Helper()
	return s.until(func(m *pb.ToShim) bool { return m.Reply.GetId() == id && m.Reply != nil }).Reply
}

func (s *shim) run() *pb.RunTask {
	s.t.Helper()
	return s.until(func(m *pb.ToShim) bool { return len(m.Run) > 0 }).Run[0]
}

// mutate sends mutations from number first on.
func (s *shim) mutate(first uint64, list ...*pb.Mutation) {
	s.t.Helper()
	s.send(&pb.FromShim{FirstMutation: first, Mutations: list})
}

func (s *shim) ask(after uint64, q *pb.Request) {
	s.t.Helper()
	s.send(&pb.FromShim{After: after, Request: q})
}

func (s *shim) sync(id, after uint64) *pb.Reply {
	s.t.Helper()
	s.ask(after, &pb.Request{Id: id, Kind: &pb.Request_Sync{Sync: &pb.Sync{}}})
	return s.reply(id)
}

func get(id uint64, objs ...ids.ObjectID) *pb.Request {
	return &pb.Request{Id: id, Kind: &pb.Request_Get{Get: &pb.Get{ObjectIds: ids.JoinObjects(objs), TimeoutMs: -1}}}
}

func taskID(k *kit, n uint64) (id ids.TaskID) {
	id = ids.NilActor(k.core.Job).CreationTask()
	binary.LittleEndian.PutUint64(id[:], n)
	return id
}

func submit(k *kit, n uint64) *pb.Mutation {
	return &pb.Mutation{Kind: &pb.Mutation_Submit{Submit: &pb.TaskSpec{TaskId: taskID(k, n).Bytes(), NumReturns: 1, Name: "f",
		FunctionId: make([]byte, 28), Resources: []*pb.Resource{{Name: "CPU", Amount: 1}}}}}
}

func done(r *pb.RunTask, o pb.Outcome) *pb.Mutation {
	d := &pb.TaskDone{TaskId: r.Spec.TaskId, Attempt: r.Attempt, Outcome: o}
	if o == pb.Outcome_OUTCOME_OK {
		d.Returns = []*pb.Value{{Data: []byte("v"), Metadata: []byte("RAW")}}
	}
	return &pb.Mutation{Kind: &pb.Mutation_Done{Done: d}}
}

func put(id ids.ObjectID) *pb.Mutation {
	return &pb.Mutation{Kind: &pb.Mutation_Put{Put: &pb.Put{ObjectId: id.Bytes(), Value: &pb.Value{Data: []byte("x"), Metadata: []byte("RAW")}}}}
}

func drop(id ids.ObjectID) *pb.Mutation {
	return &pb.Mutation{Kind: &pb.Mutation_Refs{Refs: &pb.Refs{Dropped: id.Bytes()}}}
}

func (k *kit) counts() (c coreworker.Counts) {
	k.core.Do(func() { c = k.core.Counts() })
	return c
}

// eventually waits for what the server does in goroutines of its own.
func (k *kit) eventually(what string, fits func() bool) {
	k.t.Helper()
	for end := time.Now().Add(patience); !fits(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			k.t.Fatalf("never: %s", what)
		}
	}
}

func (k *kit) lanes() int {
	k.server.mu.Lock()
	defer k.server.mu.Unlock()
	return len(k.server.lanes)
}
