package guests

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/mobula/mobula/coreworker/ids"
	"github.com/mobula/mobula/coreworker/workers/pidfd"
)

// patience is how long a driver that has connected may take to say what it wants.
const patience = 10 * time.Second

// Guest is a driver that wants to join.
type Guest struct {
	PID     int
	Python  string          // interpreter, a path
	Options json.RawMessage // its workers' configuration
	Shows   bool            // what its workers print
}

// Host is the session. Its methods may block, and are called from several goroutines.
type Host interface {
	// Join begins a driver's job, or says why not.
	Join(Guest) (ids.JobID, error)
	// Leave ends the job of a driver that is gone, and returns when the processes are gone that end with it. said: it has said
	// goodbye, and so all that it had sent was read before.
	Leave(job ids.JobID, pid int, said bool)
}

// Config is what a driver is told.
type Config struct {
	Version    string // of the core
	Language   string // version of Python that the session's values are made by, "3.12"; "": any
	Token      string // hex
	CorePID    int
	DriverPID  int
	ArenaFD    int // -1: none
	ArenaBytes uint64
	SpillFD    int // -1: none
	Host       Host
	// Refused is told of everybody who was not let in. Nil is silence.
	Refused func(why string)
}

// Listener gives the connections of peers whose uid was looked at.
type Listener interface {
	Accept() (net.Conn, error)
	Close() error
}

// Server serves the socket until Close.
type Server struct {
	cfg     Config
	ln      Listener
	running sync.WaitGroup

	mu     sync.Mutex
	conns  map[*net.UnixConn]struct{}
	closed bool
}

// Serve begins. The listener is the server's from now on.
func Serve(ln Listener, cfg Config) *Server {
	if cfg.Refused == nil {
		cfg.Refused = func(string) {}
	}
	s := &Server{cfg: cfg, ln: ln, conns: map[*net.UnixConn]struct{}{}}
	s.running.Go(s.accept)
	return s
}

// Close turns everybody away and cuts off who has joined: the session ends. It returns when no goroutine of the server is left.
func (s *Server) Close() {
	s.mu.Lock()
	s.closed = true
	for conn := range s.conns {
		conn.Close()
	}
	s.mu.Unlock()
	s.ln.Close()
	s.running.Wait()
}

func (s *Server) accept() {
	for {
		conn, err := s.ln.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			s.cfg.Refused(err.Error())
			if !temporary(err) {
				return
			}
			time.Sleep(100 * time.Millisecond) // no descriptors: nobody says when there are some again
			continue
		}
		own, ok := conn.(*net.UnixConn)
		if !ok || !s.opened(own) {
			conn.Close()
			continue
		}
		s.running.Go(func() {
			defer s.ended(own)
			s.serve(own)
		})
	}
}

func temporary(err error) bool {
	return errors.Is(err, unix.EMFILE) || errors.Is(err, unix.ENFILE) || errors.Is(err, unix.ENOBUFS) || errors.Is(err, unix.ENOMEM) ||
		errors.Is(err, unix.ECONNABORTED)
}

func (s *Server) opened(conn *net.UnixConn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.closed {
		s.conns[conn] = struct{}{}
	}
	return !s.closed
}

func (s *Server) ended(conn *net.UnixConn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.conns, conn)
	conn.Close()
}

// serve is the visit of one driver.
func (s *Server) serve(conn *net.UnixConn) {
	pid, process, err := peer(conn)
	if err != nil {
		s.refuse(conn, pid, err)
		return
	}
	defer process.Close()
	guest, err := s.hear(conn)
	if err != nil {
		s.refuse(conn, pid, err)
		return
	}
	guest.PID = pid
	job, err := s.cfg.Host.Join(guest)
	if err != nil {
		s.refuse(conn, pid, err)
		return
	}
	said := false
	if s.welcome(conn, job) == nil {
		said = s.stay(conn, process)
	}
	s.cfg.Host.Leave(job, pid, said)
}

// refuse tells the driver, and whoever listens here, why it is not let in.
func (s *Server) refuse(conn *net.UnixConn, pid int, why error) {
	s.cfg.Refused(fmt.Sprintf("process %d was not let in as a driver: %v", pid, why))
	raw, err := json.Marshal(answer{Refused: why.Error()})
	if err == nil {
		_, _ = conn.Write(raw) // it may be gone
	}
}

// hear reads what the driver wants, and looks whether it fits this session.
func (s *Server) hear(conn *net.UnixConn) (Guest, error) {
	if err := conn.SetReadDeadline(time.Now().Add(patience)); err != nil {
		return Guest{}, err
	}
	packet, rights := make([]byte, maxPacket), make([]byte, unix.CmsgSpace(4*4))
	n, rn, flags, _, err := conn.ReadMsgUnix(packet, rights)
	if err != nil {
		return Guest{}, fmt.Errorf("its request: %w", err)
	}
	r, options, err := decode(packet[:n], rights[:rn])
	if err != nil {
		return Guest{}, err
	}
	defer options.Close()
	switch {
	case flags&(unix.MSG_TRUNC|unix.MSG_CTRUNC) != 0:
		return Guest{}, fmt.Errorf("its request is longer than %d bytes", maxPacket)
	case r.Version != s.cfg.Version:
		return Guest{}, fmt.Errorf("the session is one of mobula %s, the driver has %s: install both from one release", s.cfg.Version, r.Version)
	case s.cfg.Language != "" && r.Language != s.cfg.Language:
		return Guest{}, fmt.Errorf("the session's drivers run Python %s, this one %s: what they pickle does not fit together", s.cfg.Language, r.Language)
	}
	raw, err := readOptions(options)
	return Guest{Python: r.Python, Options: raw, Shows: r.Shows}, err
}

func (s *Server) welcome(conn *net.UnixConn, job ids.JobID) error {
	a := answer{Job: job.String(), Token: s.cfg.Token, CorePID: s.cfg.CorePID, DriverPID: s.cfg.DriverPID}
	var fds []int
	if s.cfg.ArenaFD >= 0 {
		a.Arena, a.ArenaBytes = true, s.cfg.ArenaBytes
		fds = append(fds, s.cfg.ArenaFD)
	}
	if s.cfg.SpillFD >= 0 {
		a.Spill = true
		fds = append(fds, s.cfg.SpillFD)
	}
	raw, err := json.Marshal(a)
	if err != nil {
		return err
	}
	var rights []byte
	if len(fds) > 0 {
		rights = unix.UnixRights(fds...)
	}
	if err := conn.SetWriteDeadline(time.Now().Add(patience)); err != nil {
		return err
	}
	_, _, err = conn.WriteMsgUnix(raw, rights, nil)
	return err
}

// stay waits for the driver's goodbye, or its end.
func (s *Server) stay(conn *net.UnixConn, process *pidfd.FD) (said bool) {
	if conn.SetReadDeadline(time.Time{}) != nil {
		return false
	}
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		if process.Wait() == nil {
			_ = conn.SetReadDeadline(time.Unix(1, 0)) // what it forked may hold the connection open
		}
	}()
	defer func() {
		process.Close()
		<-watched
	}()
	packet := make([]byte, len(bye)+1)
	n, err := conn.Read(packet)
	return err == nil && string(packet[:n]) == bye
}
