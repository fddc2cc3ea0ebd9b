package door

import (
	"context"
	"errors"
	"io"
	"net"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/connectivity"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

// serveWith serves calls that last until their client ends them.
func serveWith(t *testing.T, limits times) (address string) {
	t.Helper()
	ln, err := Listen(privateDir(t), nil)
	if err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer(append(serverOptions("abcd", limits), grpc.UnknownServiceHandler(
		func(_ any, stream grpc.ServerStream) error {
			if err := stream.SendHeader(metadata.Pairs("inside", "yes")); err != nil {
				return err
			}
			<-stream.Context().Done()
			return stream.Context().Err()
		}))...)
	go server.Serve(ln)
	t.Cleanup(server.Stop)
	return ln.Addr().String()
}

func dial(t *testing.T, address string) *grpc.ClientConn {
	t.Helper()
	conn, err := grpc.NewClient("unix:"+address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

func call(t *testing.T, conn *grpc.ClientConn, token string) grpc.ClientStream {
	t.Helper()
	ctx := metadata.AppendToOutgoingContext(t.Context(), "authorization", "Bearer "+token)
	stream, err := conn.NewStream(ctx, &grpc.StreamDesc{ServerStreams: true, ClientStreams: true}, "/x/y")
	if err != nil {
		t.Fatal(err)
	}
	return stream
}

func begun(t *testing.T, stream grpc.ClientStream) {
	t.Helper()
	if header, err := stream.Header(); err != nil || len(header.Get("inside")) != 1 {
		t.Fatalf("%v, %v", header, err)
	}
}

// ends waits until the connection is no longer there.
func ends(t *testing.T, conn *grpc.ClientConn) {
	t.Helper()
	ctx, stop := context.WithTimeout(t.Context(), time.Minute)
	defer stop()
	for state := conn.GetState(); state == connectivity.Ready; state = conn.GetState() {
		if !conn.WaitForStateChange(ctx, state) {
			t.Fatal("the connection is there after a minute")
		}
	}
}

// TestRefusedConnectionIsClosed although its client keeps it open, and also where it goes on calling, after its client was told.
func TestRefusedConnectionIsClosed(t *testing.T) {
	address := serveWith(t, times{opening: time.Minute, idle: time.Hour, refused: 100 * time.Millisecond})
	good, bad := dial(t, address), dial(t, address)
	stays := call(t, good, "abcd")
	begun(t, stays)
	for range 3 {
		if err := call(t, bad, "abce").RecvMsg(nil); status.Code(err) != codes.Unauthenticated {
			t.Fatalf("a wrong token: %v", err)
		}
	}
	ends(t, bad)
	begun(t, call(t, good, "abcd"))
	if err := stays.SendMsg(nil); errors.Is(err, io.EOF) {
		t.Error("another client's call has ended")
	}
}

func TestUselessConnectionsAreClosed(t *testing.T) {
	address := serveWith(t, times{opening: 50 * time.Millisecond, idle: 50 * time.Millisecond, refused: time.Hour})
	busy, idle := dial(t, address), dial(t, address)
	stays := call(t, busy, "abcd")
	begun(t, stays)
	ctx, end := context.WithCancel(metadata.AppendToOutgoingContext(t.Context(), "authorization", "Bearer abcd"))
	once, err := idle.NewStream(ctx, &grpc.StreamDesc{ServerStreams: true, ClientStreams: true}, "/x/y")
	if err != nil {
		t.Fatal(err)
	}
	begun(t, once)
	end()
	ends(t, idle)
	for name, words := range map[string]string{"nothing": "", "half a preface": "PRI * HTT",
		"half a frame": "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00\x00\x00\x08\x01\x04\x00\x00\x00\x01\x00"} {
		conn, err := net.Dial("unix", address)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if _, err := conn.Write([]byte(words)); err != nil {
			t.Fatal(err)
		}
		_ = conn.SetReadDeadline(time.Now().Add(time.Minute))
		if _, err := io.Copy(io.Discard, conn); err != nil && !errors.Is(err, net.ErrClosed) {
			t.Errorf("a client that said %s: %v", name, err)
		}
	}
	begun(t, call(t, busy, "abcd"))
	if err := stays.Context().Err(); err != nil {
		t.Errorf("a call that lasts was ended: %v", err)
	}
}
