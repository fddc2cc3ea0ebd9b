package guests

import (
	"encoding/json"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/mobula/mobula/coreworker/ids"
	"github.com/mobula/mobula/pyshim/door"
)

// session is a Host that counts.
type session struct {
	mu    sync.Mutex
	last  uint32
	guest Guest
	full  bool
	left  chan leaving
}

type leaving struct {
	job  ids.JobID
	said bool
}

func (s *session) Join(g Guest) (ids.JobID, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.full {
		return ids.JobID{}, errors.New("it is full")
	}
	s.last++
	s.guest = g
	return ids.JobFromInt(s.last), nil
}

func (s *session) Leave(job ids.JobID, _ int, said bool) { s.left <- leaving{job, said} }

// open serves a socket, and gives its path.
func open(t *testing.T, host *session) string {
	t.Helper()
	host.left = make(chan leaving, 10)
	dir, err := os.MkdirTemp("", "guests")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	ln, err := door.ListenPackets(dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	arena, err := os.CreateTemp(dir, "arena")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { arena.Close() })
	s := Serve(ln, Config{Version: "1.0", Language: "3.12", Token: "abcd", ArenaFD: int(arena.Fd()), ArenaBytes: 7, SpillFD: -1, Host: host})
	t.Cleanup(s.Close)
	return filepath.Join(dir, door.JoinName)
}

func connect(t *testing.T, path string) *net.UnixConn {
	t.Helper()
	conn, err := net.DialUnix("unixpacket", nil, &net.UnixAddr{Name: path, Net: "unixpacket"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

// ask sends a request with a configuration, and gives the answer with the number of descriptors that came along.
func ask(t *testing.T, conn *net.UnixConn, packet, options string) (a answer, fds int) {
	t.Helper()
	var rights []byte
	if options != "" {
		file, err := os.CreateTemp(t.TempDir(), "options")
		if err != nil {
			t.Fatal(err)
		}
		defer file.Close()
		if _, err := file.WriteString(options); err != nil {
			t.Fatal(err)
		}
		rights = unix.UnixRights(int(file.Fd()))
	}
	if _, _, err := conn.WriteMsgUnix([]byte(packet), rights, nil); err != nil {
		t.Fatal(err)
	}
	buf, oob := make([]byte, maxPacket), make([]byte, 100)
	n, rn, _, _, err := conn.ReadMsgUnix(buf, oob)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(buf[:n], &a); err != nil {
		t.Fatal(err)
	}
	got := received(oob[:rn])
	closeAll(got)
	return a, len(got)
}

const good = `{"protocol":1,"version":"1.0","python":"/bin/python","language":"3.12","shows":true}`

func left(t *testing.T, host *session) leaving {
	t.Helper()
	select {
	case l := <-host.left:
		return l
	case <-time.After(20 * time.Second):
		t.Fatal("nobody has left")
		return leaving{}
	}
}

func TestADriverJoinsAndLeaves(t *testing.T) {
	host := &session{}
	path := open(t, host)
	first, second := connect(t, path), connect(t, path)
	a, fds := ask(t, first, good, `{"cwd":"/"}`)
	if a.Refused != "" || a.Job != "01000000" || a.Token != "abcd" || !a.Arena || a.ArenaBytes != 7 || a.Spill || fds != 1 {
		t.Errorf("%+v, %d descriptors", a, fds)
	}
	if g := host.guest; g.PID != os.Getpid() || string(g.Options) != `{"cwd":"/"}` || !g.Shows || g.Python != "/bin/python" {
		t.Errorf("%+v", g)
	}
	if a, _ := ask(t, second, good, "{}"); a.Job != "02000000" {
		t.Errorf("%+v", a)
	}
	if _, err := second.Write([]byte(bye)); err != nil {
		t.Fatal(err)
	}
	if l := left(t, host); l != (leaving{ids.JobFromInt(2), true}) {
		t.Error(l)
	}
	if n, err := second.Read(make([]byte, 10)); n > 0 || err == nil {
		t.Errorf("after goodbye came %d bytes", n)
	}
	first.Close()
	if l := left(t, host); l != (leaving{ids.JobFromInt(1), false}) {
		t.Error(l)
	}
}

// TestAProcessThatDies leaves the connection open in a process that it has forked: its end is seen all the same.
func TestAProcessThatDies(t *testing.T) {
	host := &session{}
	path := open(t, host)
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("no python3")
	}
	child := exec.Command(python, "-c", `
import os, socket, sys
asking = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
asking.connect(sys.argv[1])
options = os.memfd_create("options")
os.write(options, b"{}")
socket.send_fds(asking, [sys.argv[2].encode()], [options])
asking.recv(1000)
if os.fork() == 0:
    sys.stdin.read()
    os._exit(0)
os.kill(os.getpid(), 9)
`, path, good)
	stdin, err := child.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	defer stdin.Close() // ends the one that holds on
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	_ = child.Wait()
	if l := left(t, host); l.said {
		t.Error(l)
	}
}

func TestRefusals(t *testing.T) {
	host := &session{}
	path := open(t, host)
	for packet, want := range map[string]string{
		"{":                                   "cannot be read",
		"[]":                                  "cannot be read",
		"{}":                                  "joined by protocol 1",
		strings.Replace(good, "1.0", "2", 1):  "the session is one of mobula 1.0, the driver has 2",
		strings.Replace(good, "3.12", "2", 1): "drivers run Python 3.12, this one 2",
		good + strings.Repeat(" ", maxPacket): "longer than",
	} {
		if a, fds := ask(t, connect(t, path), packet, "{}"); !strings.Contains(a.Refused, want) || fds > 0 {
			t.Errorf("%.80s: %+v, want %q", packet, a, want)
		}
	}
	for options, want := range map[string]string{"": "0 descriptors, not one", "[]": "no JSON object", "null": "no JSON object"} {
		if a, _ := ask(t, connect(t, path), good, options); !strings.Contains(a.Refused, want) {
			t.Errorf("%q: %+v, want %q", options, a, want)
		}
	}
	host.full = true
	if a, _ := ask(t, connect(t, path), good, "{}"); a.Refused != "it is full" {
		t.Errorf("%+v", a)
	}
	select {
	case l := <-host.left:
		t.Errorf("%v left, and nobody had joined", l)
	default:
	}
}

// FuzzRequest: whatever comes in a request's packet, it is taken or refused, and no descriptor is kept.
func FuzzRequest(f *testing.F) {
	f.Add([]byte(good), []byte{})
	f.Add([]byte("{"), []byte{16, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0})
	f.Fuzz(func(t *testing.T, packet, rights []byte) {
		if messages, err := unix.ParseSocketControlMessage(rights); err == nil {
			for i := range messages { // numbers that the kernel has not given are other files of this process
				if fds, err := unix.ParseUnixRights(&messages[i]); err == nil && len(fds) > 0 {
					return
				}
			}
		}
		if r, options, err := decode(packet, rights); err == nil {
			t.Errorf("taken without a configuration: %+v, %v", r, options)
		}
	})
}
