package direct

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

var limits = Limits{Window: 1 << 20, MaxMessage: 1 << 20, MaxHeaders: 16 << 10}

type field = hpack.HeaderField

func request(more ...field) []field {
	return append([]field{{Name: ":method", Value: "POST"}, {Name: ":scheme", Value: "http"}, {Name: ":path", Value: "/a.B/C"},
		{Name: "te", Value: "trailers"}, {Name: "content-type", Value: "application/grpc"}, {Name: "user-agent", Value: Agent}}, more...)
}

// opens is how a client begins: preface, settings, headers.
func opens(fields []field, settings ...http2.Setting) []byte {
	var b, block bytes.Buffer
	b.WriteString(http2.ClientPreface)
	f := http2.NewFramer(&b, nil)
	e := hpack.NewEncoder(&block)
	for _, one := range fields {
		_ = e.WriteField(one)
	}
	_ = f.WriteSettings(settings...)
	_ = f.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: block.Bytes(), EndHeaders: true})
	return b.Bytes()
}

func opened(t testing.TB, settings ...http2.Setting) *conn {
	t.Helper()
	c, o, ok := open(opens(request(field{Name: "authorization", Value: "Bearer x"}), settings...), limits)
	if !ok || o.Path != "/a.B/C" || len(o.Authorization) != 1 || o.Authorization[0] != "Bearer x" {
		t.Fatalf("%v, %+v", ok, o)
	}
	return c
}

func message(b []byte) []byte {
	return append(binary.BigEndian.AppendUint32([]byte{0}, uint32(len(b))), b...)
}

// frames writes frames with the library's framer.
func frames(write func(*http2.Framer)) []byte {
	var b bytes.Buffer
	f := http2.NewFramer(&b, nil)
	f.AllowIllegalWrites = true
	write(f)
	return b.Bytes()
}

// TestEverySplit feeds one stream of bytes in pieces of every size: the same messages and the same answers come out.
func TestEverySplit(t *testing.T) {
	whole := bytes.Join([][]byte{message([]byte("one")), message(nil), message(bytes.Repeat([]byte("two"), 100)), message([]byte("3"))}, nil)
	all := frames(func(f *http2.Framer) {
		_ = f.WriteData(1, false, whole[:2])
		_ = f.WritePing(false, [8]byte{1, 2, 3})
		_ = f.WriteDataPadded(1, false, whole[2:40], make([]byte, 7))
		_ = f.WriteSettings(http2.Setting{ID: http2.SettingMaxFrameSize, Val: 1 << 15})
		_ = f.WriteRawFrame(0x77, 3, 0, []byte("unknown"))
		_ = f.WriteData(1, false, nil)
		_ = f.WritePriority(1, http2.PriorityParam{StreamDep: 3})
		_ = f.WriteWindowUpdate(5, 7)
		_ = f.WriteGoAway(0, 0, nil)
		_ = f.WriteData(1, true, whole[40:])
	})
	var want []byte
	for size := 1; size <= len(all); size++ {
		c := opened(t)
		var got []byte
		var err error
		for at := 0; at < len(all); at += size {
			if err != nil {
				t.Fatalf("pieces of %d: %v before the end", size, err)
			}
			piece := bytes.Clone(all[at:min(at+size, len(all))])
			err = c.feed(piece)
			for i := range piece {
				piece[i] = 0xEE // the buffer is used again
			}
		}
		if !errors.Is(err, io.EOF) {
			t.Fatalf("pieces of %d: %v", size, err)
		}
		for _, m := range c.messages {
			got = append(got, message(m)...)
		}
		if !bytes.Equal(got, whole) {
			t.Fatalf("pieces of %d: %q", size, got)
		}
		if want == nil {
			want = c.out
		}
		if !bytes.Equal(c.out, want) {
			t.Fatalf("pieces of %d: %x, want %x", size, c.out, want)
		}
	}
}

func TestWhatIsRefused(t *testing.T) {
	for name, write := range map[string]func(*http2.Framer){
		"a compressed message": func(f *http2.Framer) { _ = f.WriteData(1, false, []byte{1, 0, 0, 0, 0}) },
		"a message of 1048577": func(f *http2.Framer) { _ = f.WriteData(1, false, []byte{0, 0, 16, 0, 1}) },
		"middle of a message":  func(f *http2.Framer) { _ = f.WriteData(1, true, []byte{0, 0, 0, 0, 9, 1}) },
		"DATA for stream 3":    func(f *http2.Framer) { _ = f.WriteData(3, false, nil) },
		"a frame of 16385":     func(f *http2.Framer) { _ = f.WriteRawFrame(0x77, 0, 0, make([]byte, 16385)) },
		"a frame of type 1":    func(f *http2.Framer) { _ = f.WriteHeaders(http2.HeadersFrameParam{StreamID: 3}) },
		"a frame of type 9":    func(f *http2.Framer) { _ = f.WriteContinuation(1, true, nil) },
		"a frame of type 5":    func(f *http2.Framer) { _ = f.WriteRawFrame(5, 0, 1, make([]byte, 4)) },
		"PING":                 func(f *http2.Framer) { _ = f.WriteRawFrame(6, 0, 0, make([]byte, 7)) },
		"SETTINGS: wrong":      func(f *http2.Framer) { _ = f.WriteRawFrame(4, 0, 0, make([]byte, 5)) },
		"a window of":          func(f *http2.Framer) { _ = f.WriteSettings(http2.Setting{ID: 4, Val: 1 << 31}) },
		"frames of 16383":      func(f *http2.Framer) { _ = f.WriteSettings(http2.Setting{ID: 5, Val: 16383}) },
		"WINDOW_UPDATE by 0":   func(f *http2.Framer) { _ = f.WriteWindowUpdate(0, 0) },
		"WINDOW_UPDATE by 2":   func(f *http2.Framer) { _ = f.WriteWindowUpdate(1, maxWindow) },
		"WINDOW_UPDATE: wrong": func(f *http2.Framer) { _ = f.WriteRawFrame(8, 0, 0, nil) },
		"RST_STREAM":           func(f *http2.Framer) { _ = f.WriteRSTStream(3, 0) },
		"its padding":          func(f *http2.Framer) { _ = f.WriteRawFrame(0, flagPadded, 1, []byte{1}) },
	} {
		if err := opened(t).feed(frames(write)); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := opened(t).feed(frames(func(f *http2.Framer) { _ = f.WriteRSTStream(1, 8) })); !errors.Is(err, errReset) {
		t.Error(err)
	}
	c := opened(t)
	for sent := 0; sent < 20<<20; sent += 16384 { // a client that respects the window is granted it again, for ever
		if err := c.feed(frames(func(f *http2.Framer) { _ = f.WriteData(1, false, make([]byte, 16384)) })); err != nil {
			t.Fatal(err)
		}
	}
}

// reader is the library's side of what the connection writes.
type reader struct {
	t    *testing.T
	c    *conn
	data []byte
	end  []field
}

func (r *reader) read() {
	r.t.Helper()
	f := http2.NewFramer(io.Discard, bytes.NewReader(r.c.out))
	f.ReadMetaHeaders = hpack.NewDecoder(0, nil)
	r.c.out = nil
	for {
		frame, err := f.ReadFrame()
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			r.t.Fatal(err)
		}
		switch frame := frame.(type) {
		case *http2.DataFrame:
			r.data = append(r.data, frame.Data()...)
		case *http2.MetaHeadersFrame:
			if frame.StreamEnded() {
				r.end = frame.Fields
			}
		}
	}
}

func send(t *testing.T, c *conn, m []byte) {
	t.Helper()
	if err := c.send(func(b []byte) ([]byte, error) { return append(b, m...), nil }); err != nil {
		t.Fatal(err)
	}
}

// TestWindows sends into windows of every kind: nothing goes out that was not granted, all of it in the end, the status last.
func TestWindows(t *testing.T) {
	for _, initial := range []uint32{0, 1, 65535, 1 << 20} {
		c := opened(t, http2.Setting{ID: http2.SettingInitialWindowSize, Val: initial})
		r := &reader{t: t, c: c}
		var want []byte
		for i, size := range []int{0, 1, 1000, 16379, 16380, 40000, 100000, 3} {
			m := bytes.Repeat([]byte{byte(i + 1)}, size)
			want = append(want, message(m)...)
			send(t, c, m)
		}
		c.finish(5, "ü 100% \n")
		send(t, c, []byte("too late"))
		r.read()
		if most := min(int(initial), defaultWindow); len(r.data) > most || len(r.data) < min(most, len(want)) {
			t.Fatalf("%d: %d bytes went out", initial, len(r.data))
		}
		for step := uint32(1); len(r.data) < len(want); step *= 3 {
			before := len(r.data)
			if err := c.feed(frames(func(f *http2.Framer) {
				_ = f.WriteWindowUpdate(0, step)
				_ = f.WriteWindowUpdate(1, step)
			})); err != nil {
				t.Fatal(err)
			}
			r.read()
			if r.end != nil && len(r.data) < len(want) {
				t.Fatalf("%d: the end after %d bytes", initial, len(r.data))
			}
			if len(r.data)-before > int(step) && initial >= defaultWindow {
				t.Fatalf("%d: %d bytes for a grant of %d", initial, len(r.data)-before, step)
			}
		}
		if !bytes.Equal(r.data, want) {
			t.Fatalf("%d: other bytes", initial)
		}
		if got := fmt.Sprint(r.end); !strings.Contains(got, `grpc-status" = "5"`) || !strings.Contains(got, `%C3%BC 100%25 %0A`) || !c.finished {
			t.Errorf("%d: %s", initial, got)
		}
	}
}

// TestWindowBelowNothing shrinks the initial window under what is in flight (RFC 9113 §6.9.2).
func TestWindowBelowNothing(t *testing.T) {
	c := opened(t)
	r := &reader{t: t, c: c}
	send(t, c, make([]byte, 1000))
	if err := c.feed(frames(func(f *http2.Framer) { _ = f.WriteSettings(http2.Setting{ID: 4, Val: 100}) })); err != nil {
		t.Fatal(err)
	}
	send(t, c, make([]byte, 10))
	r.read()
	if len(r.data) != 1005 || c.room != 100-1005 {
		t.Errorf("%d bytes, room %d", len(r.data), c.room)
	}
	if err := c.feed(frames(func(f *http2.Framer) { _ = f.WriteWindowUpdate(1, 920) })); err != nil {
		t.Fatal(err)
	}
	if r.read(); len(r.data) != 1020 {
		t.Errorf("%d bytes", len(r.data))
	}
}

func TestOpeningsForTheLibrary(t *testing.T) {
	plain := opens(request())
	for name, b := range map[string][]byte{
		"nothing":          nil,
		"HTTP/1":           []byte("GET / HTTP/1.1\r\n\r\n"),
		"half a preface":   plain[:10],
		"no headers yet":   plain[:len(http2.ClientPreface)+9],
		"half the headers": plain[:len(plain)-1],
		"another agent":    opens(append(request()[:5], field{Name: "user-agent", Value: "grpc-go/1"})),
		"no agent":         opens(request()[:5]),
		"a time limit":     opens(request(field{Name: "grpc-timeout", Value: "1S"})),
		"compression":      opens(request(field{Name: "grpc-encoding", Value: "gzip"})),
		"JSON":             opens(append(request()[:4], field{Name: "content-type", Value: "application/json"}, field{Name: "user-agent", Value: Agent})),
		"a path twice":     opens(request(field{Name: ":path", Value: "/d.E/F"})),
		"too many headers": opens(request(field{Name: "x", Value: strings.Repeat("x", limits.MaxHeaders)})),
		"a wrong setting":  opens(request(), http2.Setting{ID: 5, Val: 1}),
		"no settings": append([]byte(http2.ClientPreface), frames(func(f *http2.Framer) {
			_ = f.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, EndHeaders: true})
		})...),
		"bad headers": append([]byte(http2.ClientPreface), frames(func(f *http2.Framer) {
			_ = f.WriteSettings()
			_ = f.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, EndHeaders: true, BlockFragment: []byte{0xff}})
		})...),
		"another stream": append([]byte(http2.ClientPreface), frames(func(f *http2.Framer) {
			_ = f.WriteSettings()
			_ = f.WriteHeaders(http2.HeadersFrameParam{StreamID: 3, EndHeaders: true})
		})...),
	} {
		if _, _, ok := open(b, limits); ok {
			t.Errorf("%s: taken", name)
		}
	}
	if _, _, ok := open(plain, limits); !ok {
		t.Error("the plain one: not taken")
	}
}

// FuzzConn feeds anything, cut anywhere: never a panic, never more kept than limits allow, and the cut changes nothing.
func FuzzConn(f *testing.F) {
	f.Add(frames(func(f *http2.Framer) { _ = f.WriteData(1, true, message([]byte("hello"))) }), 3)
	f.Add(frames(func(f *http2.Framer) {
		_ = f.WriteSettings(http2.Setting{ID: 4, Val: 0})
		_ = f.WriteWindowUpdate(1, 5)
	}), 1)
	f.Add(frames(func(f *http2.Framer) { _ = f.WriteDataPadded(1, false, message(make([]byte, 300)), make([]byte, 9)) }), 20)
	f.Fuzz(func(t *testing.T, all []byte, size int) {
		run := func(size int) (string, *conn) {
			c := opened(t)
			send := func() {
				if err := c.send(func(b []byte) ([]byte, error) { return append(b, "x"...), nil }); err != nil {
					t.Fatal(err)
				}
			}
			send()
			for at := 0; at < len(all); at += size {
				if err := c.feed(bytes.Clone(all[at:min(at+size, len(all))])); err != nil {
					return fmt.Sprint(len(c.messages), err), c
				}
			}
			send()
			return fmt.Sprint(len(c.messages)), c
		}
		whole, c := run(max(len(all), 1))
		cut, d := run(min(max(size, 1), 1<<20))
		if whole != cut || !bytes.Equal(c.out, d.out) {
			t.Fatalf("whole: %s %x\ncut: %s %x", whole, c.out, cut, d.out)
		}
		if len(c.partial) > defaultFrame+frameHeader || len(c.body) > limits.MaxMessage+prefixLen {
			t.Fatalf("%d and %d bytes are kept", len(c.partial), len(c.body))
		}
	})
}

func BenchmarkMessage(b *testing.B) {
	c := opened(b)
	in := frames(func(f *http2.Framer) { _ = f.WriteData(1, false, message(make([]byte, 200))) })
	b.ReportAllocs()
	for b.Loop() {
		if err := c.feed(in); err != nil {
			b.Fatal(err)
		}
		c.messages, c.out = c.messages[:0], c.out[:0]
		c.room, c.connRoom = 1<<20, 1<<20
		if err := c.send(func(b []byte) ([]byte, error) { return append(b, in...), nil }); err != nil {
			b.Fatal(err)
		}
	}
}

func TestAnswersThatNobodyReads(t *testing.T) {
	ping := frames(func(f *http2.Framer) { _ = f.WritePing(false, [8]byte{1}) })
	c := opened(t)
	n := 0
	for c.feed(ping) == nil {
		if n++; n > maxOwed {
			t.Fatal("a client that pings and does not read is never cut off")
		}
	}
	if want := maxOwed / len(ping); n < want-2 || n > want {
		t.Errorf("cut off after %d pings, want about %d", n, want)
	}
	c = opened(t)
	for range 2 * maxOwed / len(ping) {
		if err := c.feed(ping); err != nil {
			t.Fatalf("one that reads: %v", err)
		}
		c.out, c.owed = c.out[:0], 0 // as the line does when all was written
	}
}
