package door

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

func privateDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "door")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

func TestFolderIsRefused(t *testing.T) {
	dir := privateDir(t)
	link := filepath.Join(dir, "link")
	file := filepath.Join(dir, "file")
	open := filepath.Join(dir, "open")
	if err := errors.Join(os.Symlink(dir, link), os.WriteFile(file, nil, 0o600), os.Mkdir(open, 0o700), os.Chmod(open, 0o750)); err != nil {
		t.Fatal(err)
	}
	cases := map[string]string{
		link: "symbolic link", file: "not a folder", open: "0750", filepath.Join(dir, "none"): "no such file",
	}
	if os.Getuid() != 0 {
		cases["/"] = "belongs to uid 0"
	} else {
		foreign := filepath.Join(dir, "foreign")
		if err := errors.Join(os.Mkdir(foreign, 0o700), os.Chown(foreign, 12345, -1)); err != nil {
			t.Fatal(err)
		}
		cases[foreign] = "belongs to uid 12345"
	}
	for path, want := range cases {
		if err := CheckFolder(path); !errors.Is(err, ErrFolder) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", path, err, want)
		}
	}
	if err := CheckFolder(dir); err != nil {
		t.Error(err)
	}
}

func TestSocketModeAndRemoval(t *testing.T) {
	dir := privateDir(t)
	ln, err := Listen(dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(filepath.Join(dir, SocketName))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	ln.Close()
	if _, err := os.Lstat(filepath.Join(dir, SocketName)); !os.IsNotExist(err) {
		t.Errorf("the socket is still there: %v", err)
	}
}

func TestOtherUserIsTurnedAway(t *testing.T) {
	dir := privateDir(t)
	var refused []string
	told := make(chan struct{}, 1)
	ln, err := Listen(dir, func(why string) { refused = append(refused, why); told <- struct{}{} })
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	ln.uid++ // now we are the other user
	accepted := make(chan error, 1)
	go func() { _, err := ln.Accept(); accepted <- err }()
	conn, err := net.Dial("unix", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if n, err := conn.Read(make([]byte, 1)); err == nil {
		t.Errorf("read %d bytes", n)
	}
	<-told
	if !strings.Contains(refused[0], "turned away") {
		t.Error(refused)
	}
	ln.Close()
	if err := <-accepted; !errors.Is(err, net.ErrClosed) {
		t.Errorf("accepted: %v", err)
	}
}

func TestPathTooLong(t *testing.T) {
	dir := filepath.Join(privateDir(t), strings.Repeat("d", 100))
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := Listen(dir, nil); err == nil || !strings.Contains(err.Error(), "Linux takes 107") {
		t.Errorf("%v", err)
	}
}

func TestToken(t *testing.T) {
	ln, err := Listen(privateDir(t), nil)
	if err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer(append(ServerOptions("abcd"), grpc.UnknownServiceHandler(
		func(any, grpc.ServerStream) error { return status.Error(codes.Unimplemented, "inside") }))...)
	go server.Serve(ln)
	defer server.Stop()
	conn, err := grpc.NewClient("unix:"+ln.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	for header, want := range map[string]codes.Code{
		"": codes.Unauthenticated, "Bearer abc": codes.Unauthenticated, "Bearer abcde": codes.Unauthenticated,
		"abcd": codes.Unauthenticated, "Bearer abcd": codes.Unimplemented,
	} {
		ctx := context.Background()
		if header != "" {
			ctx = metadata.AppendToOutgoingContext(ctx, "authorization", header)
		}
		stream, err := conn.NewStream(ctx, &grpc.StreamDesc{ServerStreams: true, ClientStreams: true}, "/x/y")
		if err == nil {
			err = stream.RecvMsg(nil)
		}
		if status.Code(err) != want {
			t.Errorf("%q: %v, want %v", header, err, want)
		}
	}
}
