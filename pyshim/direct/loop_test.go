package direct

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/net/http2"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const patience = 10 * time.Second

// echo sends back what it receives, and ends when it is told "end".
type echo struct {
	line  *Line
	queue [][]byte
	over  bool
	err   error
}

func (e *echo) Receive(m []byte) {
	e.queue = append(e.queue, m)
	e.over = e.over || string(m) == "end"
}
func (e *echo) Closed(err error) { e.over, e.err = true, err }
func (e *echo) Leave()           { e.over = true }

func (e *echo) Flush() {
	for len(e.queue) > 0 && e.line.Room() {
		m := e.queue[0]
		e.queue = e.queue[1:]
		_ = e.line.Send(func(b []byte) ([]byte, error) { return append(b, m...), nil })
	}
	if e.over && len(e.queue) == 0 {
		if e.err != nil {
			e.line.Finish(3, e.err.Error())
			return
		}
		e.line.Finish(0, "")
	}
}

type served struct {
	t      *testing.T
	socket string
	loop   *Loop
	ln     *Listener
}

func serve(t *testing.T) *served { return serveWith(t, limits) }

func serveWith(t *testing.T, limits Limits) *served {
	dir, err := os.MkdirTemp("", "direct")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	s := &served{t: t, socket: filepath.Join(dir, "s")}
	ln, err := net.Listen("unix", s.socket)
	if err != nil {
		t.Fatal(err)
	}
	if s.loop, err = NewLoop(limits); err != nil {
		t.Fatal(err)
	}
	s.ln = s.loop.Listen(ln, func(o Opening) func(*Line) Handler {
		if o.Path != "/a.B/C" {
			return nil
		}
		return func(l *Line) Handler { return &echo{line: l} }
	})
	return s
}

func (s *served) close() {
	s.t.Helper()
	if err := s.ln.Close(); err != nil {
		s.t.Error(err)
	}
	s.loop.Close(patience)
}

func (s *served) dial(first []byte) net.Conn {
	s.t.Helper()
	conn, err := net.Dial("unix", s.socket)
	if err == nil {
		err = conn.SetDeadline(time.Now().Add(patience))
	}
	if err == nil {
		_, err = conn.Write(first)
	}
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { conn.Close() })
	return conn
}

// readAll reads to the end of the connection and gives the DATA and how the stream ended.
func readAll(t *testing.T, conn net.Conn) (data []byte, ended bool) {
	t.Helper()
	f := http2.NewFramer(io.Discard, conn)
	for {
		frame, err := f.ReadFrame()
		if err != nil {
			return data, ended
		}
		switch frame := frame.(type) {
		case *http2.DataFrame:
			data = append(data, frame.Data()...)
		case *http2.HeadersFrame:
			ended = frame.StreamEnded()
		}
	}
}

func TestEchoAndEnd(t *testing.T) {
	s := serve(t)
	defer s.close()
	want := append(message([]byte("hello")), message([]byte("end"))...)
	conn := s.dial(append(opens(request()), frames(func(f *http2.Framer) { _ = f.WriteData(1, false, want) })...))
	if data, ended := readAll(t, conn); !bytes.Equal(data, want) || !ended {
		t.Errorf("%q, %v", data, ended)
	}
}

// A client that breaks the protocol hears why, and a client that half-closes gets its answers and the status.
func TestEndsOfClients(t *testing.T) {
	s := serve(t)
	defer s.close()
	for _, tail := range [][]byte{
		frames(func(f *http2.Framer) { _ = f.WriteData(1, true, nil) }),
		frames(func(f *http2.Framer) { _ = f.WriteRSTStream(1, 8) }),
		frames(func(f *http2.Framer) { _ = f.WriteContinuation(1, true, nil) }),
	} {
		conn := s.dial(append(opens(request()), frames(func(f *http2.Framer) { _ = f.WriteData(1, false, message([]byte("x"))) })...))
		for f := http2.NewFramer(io.Discard, conn); ; {
			frame, err := f.ReadFrame()
			if err != nil {
				t.Fatal(err)
			}
			if _, ok := frame.(*http2.DataFrame); ok {
				break // it is the loop's: an opening that goes on to the end would be the library's
			}
		}
		if _, err := conn.Write(tail); err != nil {
			t.Fatal(err)
		}
		if data, ended := readAll(t, conn); len(data) > 0 || !ended {
			t.Errorf("%x: %q, %v", tail, data, ended)
		}
	}
	s.dial(opens(request())).Close() // and one that just goes
}

// A client that does not read holds up neither the loop nor the end.
func TestDeafClient(t *testing.T) {
	s := serve(t)
	grow := frames(func(f *http2.Framer) {
		_ = f.WriteWindowUpdate(0, 1<<30)
		_ = f.WriteWindowUpdate(1, 1<<30)
	})
	deaf := s.dial(append(opens(request()), grow...))
	chunk := message(bytes.Repeat([]byte("d"), 16000))
	for range 500 {
		if _, err := deaf.Write(frames(func(f *http2.Framer) { _ = f.WriteData(1, false, chunk) })); err != nil {
			t.Fatal(err)
		}
	}
	other := s.dial(append(opens(request()), frames(func(f *http2.Framer) { _ = f.WriteData(1, false, message([]byte("end"))) })...))
	if data, ended := readAll(t, other); !bytes.Equal(data, message([]byte("end"))) || !ended {
		t.Errorf("%q, %v", data, ended)
	}
	second := s.dial(append(opens(request()), grow...))
	for range 500 {
		if _, err := second.Write(frames(func(f *http2.Framer) { _ = f.WriteData(1, false, chunk) })); err != nil {
			t.Fatal(err)
		}
	}
	if err := second.(*net.UnixConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if err := s.ln.Close(); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	s.loop.Close(50 * time.Millisecond)
	if took := time.Since(began); took > patience/2 {
		t.Errorf("the end took %v", took)
	}
}

// Whoever begins otherwise is the library's, with every byte.
func TestOthers(t *testing.T) {
	s := serve(t)
	first := opens(append(request()[:5], field{Name: "user-agent", Value: "somebody"}))
	conn := s.dial(first)
	silent := s.dial(nil)
	got, err := s.ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Write([]byte("more")); err != nil {
		t.Fatal(err)
	}
	b := make([]byte, len(first)+4)
	if _, err := io.ReadFull(got, b); err != nil || !bytes.Equal(b, append(first, "more"...)) {
		t.Errorf("%q, %v", b, err)
	}
	got.Close()
	s.close()
	if _, err := s.ln.Accept(); !errors.Is(err, net.ErrClosed) {
		t.Error(err)
	}
	if n, err := silent.Read(b); err == nil {
		t.Errorf("%d bytes", n)
	}
	if _, err := new(net.Dialer).DialContext(context.Background(), "unix", s.socket); err == nil {
		t.Error("it still listens")
	}
}

// TestSilentPeerIsLetGoOf: who connects and says nothing does not keep the connection.
func TestSilentPeerIsLetGoOf(t *testing.T) {
	short := limits
	short.Opening = 20 * time.Millisecond
	s := serveWith(t, short)
	defer s.close()
	if n, err := s.dial(nil).Read(make([]byte, 1)); err != io.EOF {
		t.Errorf("%d bytes, %v", n, err)
	}
}
