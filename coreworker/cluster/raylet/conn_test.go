package raylet_test

import (
	"context"
	"errors"
	"net"
	"path/filepath"
	"testing"
	"time"

	flatbuffers "github.com/google/flatbuffers/go"

	"github.com/mobula/mobula/coreworker/cluster/internal/ipc"
	"github.com/mobula/mobula/coreworker/cluster/raylet"
	"github.com/mobula/mobula/coreworker/ids"
	"github.com/mobula/mobula/proto/ray"
)

const patience = 60 * time.Second

// fake is a raylet that does what a test says.
func fake(t testing.TB, serve func(net.Conn)) *raylet.Conn {
	t.Helper()
	socket := filepath.Join(t.TempDir(), "raylet")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan struct{})
	go func() {
		defer close(served)
		c, err := l.Accept()
		if err != nil {
			return
		}
		serve(c)
		_ = c.Close()
	}()
	t.Cleanup(func() { _ = l.Close(); <-served })
	c, err := raylet.Dial(t.Context(), socket)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func patient(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}

func answer(done bool, why string, node []byte, port int32) []byte {
	b := flatbuffers.NewBuilder(0)
	text, id := b.CreateString(why), b.CreateByteString(node)
	b.StartObject(4)
	b.PrependBoolSlot(0, done, false)
	b.PrependUOffsetTSlot(1, text, 0)
	b.PrependUOffsetTSlot(2, id, 0)
	b.PrependInt32Slot(3, port, 0)
	b.Finish(b.EndObject())
	return b.FinishedBytes()
}

func TestRegister(t *testing.T) {
	node := ids.NewNodeID()
	c := fake(t, func(c net.Conn) {
		for _, body := range [][]byte{answer(true, "", node[:], 21743), answer(false, "no room", node[:], 0), answer(true, "", node[:5], 0), {1, 2}} {
			if kind, _, err := ipc.Read(c); kind != 1 || err != nil {
				t.Errorf("got %d, %v", kind, err)
			}
			_, _ = c.Write(ipc.Append(nil, 2, body))
		}
	})
	d := raylet.Driver{Config: &ray.JobConfig{RayNamespace: "n"}}
	if got, port, err := c.Register(patient(t), d); got != node || port != 21743 || err != nil {
		t.Errorf("%s %d %v", got, port, err)
	}
	if _, _, err := c.Register(patient(t), d); err == nil || err.Error() != "the raylet refuses to register: no room" {
		t.Errorf("refused: %v", err)
	}
	for range 2 {
		if _, _, err := c.Register(patient(t), d); err == nil {
			t.Error("a reply that is none was taken")
		}
	}
	<-c.Gone()
	if _, _, err := c.Register(patient(t), d); !errors.Is(err, raylet.ErrGone) {
		t.Errorf("after the end: %v", err)
	}
	if err := c.CancelFetch(1); !errors.Is(err, raylet.ErrGone) {
		t.Errorf("after the end: %v", err)
	}
}

// TestAReplyFindsItsOwnRequest: one that was given up still has its reply to come, and the next must not take it for its own.
func TestAReplyFindsItsOwnRequest(t *testing.T) {
	asked, goOn := make(chan struct{}), make(chan struct{})
	c := fake(t, func(c net.Conn) {
		for i := range 2 {
			if _, _, err := ipc.Read(c); err != nil {
				t.Error(err)
			}
			if i == 0 {
				close(asked)
				<-goOn
			}
			_, _ = c.Write(ipc.Append(nil, 4, answer(i == 1, "the first", nil, 0)))
		}
	})
	ctx, cancel := context.WithCancel(t.Context())
	first := make(chan error)
	go func() { first <- c.AnnouncePort(ctx, 1, "") }()
	<-asked
	cancel()
	if err := <-first; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	close(goOn)
	if err := c.AnnouncePort(patient(t), 1, ""); err != nil {
		t.Errorf("the second request got the reply to the first: %v", err)
	}
}

func TestNoPortIsAnnouncedThatIsNone(t *testing.T) {
	c := fake(t, func(c net.Conn) {
		if kind, _, err := ipc.Read(c); err == nil {
			t.Errorf("message %d was sent", kind)
		}
	})
	if err := c.AnnouncePort(patient(t), 0, ""); err == nil {
		t.Error("port 0 was announced")
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
}

func TestAReplyNobodyAskedForEndsTheConnection(t *testing.T) {
	c := fake(t, func(c net.Conn) { _, _ = c.Write(ipc.Append(nil, 12, nil)) })
	<-c.Gone()
	if err := c.Disconnect(patient(t), ""); !errors.Is(err, raylet.ErrGone) {
		t.Error(err)
	}
}

func TestCloseEndsWhoWaits(t *testing.T) {
	asked := make(chan struct{})
	c := fake(t, func(c net.Conn) {
		_, _, _ = ipc.Read(c)
		close(asked)
		_, _, _ = ipc.Read(c)
	})
	failed := make(chan error)
	go func() {
		_, err := c.Wait(patient(t), []raylet.Ref{{}}, 1, -1)
		failed <- err
	}()
	<-asked
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	if err := <-failed; !errors.Is(err, net.ErrClosed) {
		t.Errorf("a wait that was closed: %v", err)
	}
}

// FuzzReplies lets a raylet answer with anything: the caller gets an error or values, and always something.
func FuzzReplies(f *testing.F) {
	f.Add(ipc.Append(nil, 2, answer(true, "", make([]byte, 28), 7)))
	f.Add(ipc.Append(nil, 2, []byte{4, 0, 0, 0, 0, 0, 0, 0}))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, reply []byte) {
		c := fake(t, func(c net.Conn) {
			_, _, _ = ipc.Read(c)
			_, _ = c.Write(reply)
		})
		if node, _, err := c.Register(patient(t), raylet.Driver{}); err == nil && len(reply) < 24+28 {
			t.Fatalf("registered at %s by %d bytes", node, len(reply))
		}
	})
}
