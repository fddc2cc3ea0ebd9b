package gcs_test

import (
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"testing"

	"google.golang.org/grpc"

	"github.com/mobula/mobula/coreworker/cluster/gcs"
	"github.com/mobula/mobula/proto/ray"
)

// worker answers calls.
type worker struct {
	ray.UnimplementedCoreWorkerServiceServer
}

func (worker) PushTask(context.Context, *ray.PushTaskRequest) (*ray.PushTaskReply, error) {
	return &ray.PushTaskReply{ReturnObjects: []*ray.ReturnObject{{Data: make([]byte, 100)}}}, nil
}

// counting counts the frames that come in on a listener's connections, by their kinds.
type counting struct {
	net.Listener
	counters       sync.WaitGroup
	pings, headers atomic.Int32
}

func (l *counting) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	copied, to := io.Pipe()
	l.counters.Go(func() { l.count(copied) })
	return &counted{c, to}, nil
}

// count reads what a client says: the preface of 24 bytes, then frames of a header of 9 bytes (RFC 9113, section 4.1).
func (l *counting) count(from io.Reader) {
	const ping, headers, ack = 6, 1, 1
	_, err := io.CopyN(io.Discard, from, 24)
	for err == nil {
		var h [9]byte
		if _, err = io.ReadFull(from, h[:]); err != nil {
			break
		}
		switch kind, flags := h[3], h[4]; {
		case kind == ping && flags&ack == 0:
			l.pings.Add(1)
		case kind == headers:
			l.headers.Add(1)
		}
		_, err = io.CopyN(io.Discard, from, int64(h[0])<<16|int64(h[1])<<8|int64(h[2]))
	}
	_, _ = io.Copy(io.Discard, from) // its end, or that of the preface of something else: the counts say so
}

type counted struct {
	net.Conn
	to *io.PipeWriter
}

func (c *counted) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	_, _ = c.to.Write(p[:n])
	return n, err
}

func (c *counted) Close() error { return errors.Join(c.to.Close(), c.Conn.Close()) }

// TestNobodyAnswersPings: where the windows are not fixed the library sends one for about each answer, and a worker that runs short
// tasks spends its time on them.
func TestNobodyAnswersPings(t *testing.T) {
	plain, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l := &counting{Listener: plain}
	s := grpc.NewServer()
	ray.RegisterCoreWorkerServiceServer(s, worker{})
	ended := make(chan error)
	go func() { ended <- s.Serve(l) }()
	d := gcs.NewDialer("")
	conn, err := d.Dial(plain.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	const calls = 100
	for range calls {
		if _, err := ray.NewCoreWorkerServiceClient(conn).PushTask(t.Context(), &ray.PushTaskRequest{}); err != nil {
			t.Fatal(err)
		}
	}
	s.GracefulStop() // which sends a ping of its own, the other way
	if err := errors.Join(d.Close(), <-ended); err != nil {
		t.Error(err)
	}
	l.counters.Wait()
	if l.pings.Load() != 0 || l.headers.Load() != calls {
		t.Errorf("%d pings in %d calls", l.pings.Load(), l.headers.Load())
	}
}
