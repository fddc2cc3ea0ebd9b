package workers

import (
	"os"
	"testing"

	"golang.org/x/sys/unix"
)

// The process that sets an environment up runs other people's code, so its answer may be anything: it is a command, or an error
// in words, and the descriptor that came with it is kept or closed.
func FuzzSetupAnswer(f *testing.F) {
	for _, text := range []string{`{"command":["/x/python"]}`, `{"failure":"no such package"}`, `{"command":[]}`, `{"command":"x"}`, `{`, ``, `null`} {
		f.Add([]byte(text), true)
	}
	f.Fuzz(func(t *testing.T, packet []byte, withDescriptor bool) {
		if len(packet) > maxAnswer {
			return // the socket would cut it
		}
		pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer closeAll(pair[0], pair[1])
		// A pipe shows whether the descriptor was closed: its end comes when nobody has the other one.
		reader, writer, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		defer reader.Close()
		var rights []byte
		if withDescriptor {
			rights = unix.UnixRights(int(writer.Fd()))
		}
		err = unix.Sendmsg(pair[1], packet, rights, nil, 0)
		writer.Close()
		if err != nil {
			t.Fatal(err)
		}
		made, err := readAnswer(pair[0], Death{PID: 1}, nil)
		switch {
		case err != nil && err.Error() == "":
			t.Fatalf("%q: an error without words", packet)
		case err == nil && len(made.command) == 0:
			t.Fatalf("%q: neither command nor error", packet)
		case err == nil && withDescriptor != (made.lock >= 0):
			t.Fatalf("%q: descriptor %d", packet, made.lock)
		}
		if err == nil {
			closeAll(made.lock)
		}
		poll := []unix.PollFd{{Fd: int32(reader.Fd())}}
		if n, err := unix.Poll(poll, 0); err != nil || n != 1 || poll[0].Revents&unix.POLLHUP == 0 {
			t.Fatalf("%q: its descriptor is still open (%d, %v)", packet, n, err)
		}
	})
}
