package raylet

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"

	"github.com/mobula/mobula/coreworker/cluster/internal/flatcheck"
	"github.com/mobula/mobula/coreworker/cluster/internal/ipc"
	"github.com/mobula/mobula/coreworker/ids"
)

// table is how a raylet reads a message: by slot, what it must hold. It stands here a second time so that a slip in
// messages.go does not check itself.
var tables = map[int64]func(*testing.T, *ipc.Table){
	1: func(t *testing.T, m *ipc.Table) {
		length(t, m, 1, 28)
		length(t, m, 3, 4)
		text(t, m, 6)
		if m.Int32(0) != 1 || m.Int32(4) != 0 || m.Int32(5) != 0 || m.Int32(7) != 0 {
			t.Error("not a Python driver's registration")
		}
	},
	3: func(t *testing.T, m *ipc.Table) {
		if p := m.Int32(0); p < 0 || p > 65535 {
			t.Errorf("port %d", p)
		}
		text(t, m, 1)
	},
	5: func(t *testing.T, m *ipc.Table) {
		if m.Int32(0) != 3 || m.Bytes(2) != nil {
			t.Error("not an intended exit")
		}
		text(t, m, 1)
	},
	7: func(t *testing.T, m *ipc.Table) { refs(t, m) },
	8: func(*testing.T, *ipc.Table) {},
	11: func(t *testing.T, m *ipc.Table) {
		objects := refs(t, m)
		seen := map[string]bool{}
		for _, id := range objects {
			if seen[string(id)] {
				t.Error("an id comes twice")
			}
			seen[string(id)] = true
		}
		if n := m.Int32(2); n < 1 || int(n) > len(objects) {
			t.Errorf("%d of %d objects", n, len(objects))
		}
		if ms := int64(m.Uint64(3)); ms < -1 {
			t.Errorf("for %d ms", ms)
		}
	},
	16: func(t *testing.T, m *ipc.Table) {
		length(t, m, 0, 28)
		owner(t, nested(t, m, 1))
	},
}

// anAddress is the table of an Address.
var anAddress = []flatcheck.Field{flatcheck.Text, flatcheck.Text, flatcheck.Int, flatcheck.Text}

// schemas are the tables of the same messages, for a reader that knows nothing of ours: the
// slots that a raylet of 2.60 reads.
var schemas = map[int64][]flatcheck.Field{
	1:  {flatcheck.Int, flatcheck.Text, flatcheck.Long, flatcheck.Text, flatcheck.Int, flatcheck.Int, flatcheck.Text, flatcheck.Int, flatcheck.Text},
	3:  {flatcheck.Int, flatcheck.Text},
	5:  {flatcheck.Int, flatcheck.Text, flatcheck.Octets},
	7:  {flatcheck.Texts, flatcheck.Tables(anAddress...), flatcheck.Long},
	8:  {flatcheck.Long},
	11: {flatcheck.Texts, flatcheck.Tables(anAddress...), flatcheck.Int, flatcheck.Long},
	16: {flatcheck.Text, flatcheck.Table(anAddress...)},
}

func length(t *testing.T, m *ipc.Table, slot, want int) {
	t.Helper()
	if got := len(m.Bytes(slot)); got != want {
		t.Errorf("slot %d has %d bytes, want %d", slot, got, want)
	}
}

func text(t *testing.T, m *ipc.Table, slot int) {
	t.Helper()
	if !utf8.Valid(m.Bytes(slot)) {
		t.Errorf("slot %d is no text", slot)
	}
}

func owner(t *testing.T, m *ipc.Table) {
	t.Helper()
	length(t, m, 0, 28)
	text(t, m, 1)
	length(t, m, 3, 28)
	if p := m.Int32(2); p < 0 || p > 65535 || m.Err() != nil {
		t.Errorf("port %d, %v", p, m.Err())
	}
}

// refs are the ids of slot 0, of which slot 1 has the owners.
func refs(t *testing.T, m *ipc.Table) [][]byte {
	t.Helper()
	objects := m.List(0)
	for _, id := range objects {
		if len(id) != 28 {
			t.Errorf("an id of %d bytes", len(id))
		}
	}
	owners := m.Tables(1)
	if len(owners) != len(objects) {
		t.Errorf("%d objects, %d owners", len(objects), len(owners))
	}
	for _, o := range owners {
		owner(t, o)
	}
	return objects
}

func nested(t *testing.T, m *ipc.Table, slot int) *ipc.Table {
	t.Helper()
	n := m.Table(slot)
	if n == nil {
		t.Fatalf("slot %d is absent", slot)
	}
	return n
}

func check(t *testing.T, m message) {
	t.Helper()
	frame := ipc.Append(nil, int64(m.kind()), encode(m))
	kind, body, err := ipc.Read(bytes.NewReader(frame))
	if err != nil {
		t.Fatal(err)
	}
	look := tables[kind]
	if look == nil {
		t.Fatalf("%T has type %d, of which a raylet dies", m, kind)
	}
	if err := flatcheck.Check(body, schemas[kind]...); err != nil {
		t.Errorf("%T: %v", m, err)
	}
	r := ipc.Root(body)
	look(t, r)
	if err := r.Err(); err != nil {
		t.Error(err)
	}
}

// all are the messages that can be made of some bytes.
func all(worker, object []byte, s string, n int64, count int) []message {
	a := Address{IP: s, Port: uint16(n)}
	copy(a.Node[:], object)
	copy(a.Worker[:], worker)
	var list []Ref
	for i := range count {
		r := Ref{Owner: a}
		copy(r.Object[:], object)
		r.Object[27] = byte(i / 2) // each comes twice
		list = append(list, r)
	}
	var job ids.JobID
	copy(job[:], worker)
	out := []message{
		&registerRequest{worker: a.Worker, job: job, pid: int(n), ip: s, jobConfig: object},
		&announceRequest{port: uint16(n), entrypoint: s},
		&disconnectRequest{detail: s},
		&fetchRequest{refs: list, id: n},
		&cancelFetchRequest{id: n},
		&subscribeReadyRequest{ref: Ref{Object: ids.NewActorID(job).Handle(), Owner: a}},
	}
	if m, ok := prepareWait(list, int(n), -n); ok {
		out = append(out, m)
	}
	return out
}

// FuzzMessages encodes whatever can be said, and reads it as a raylet does, which would die of anything else.
func FuzzMessages(f *testing.F) {
	f.Add([]byte("worker"), []byte("object"), "127.0.0.3", int64(3), uint8(5))
	f.Add([]byte{}, []byte{}, "", int64(0), uint8(0))
	f.Add(bytes.Repeat([]byte{0xff}, 99), bytes.Repeat([]byte{0}, 99), "\xff\xfe", int64(-1<<63), uint8(200))
	f.Fuzz(func(t *testing.T, worker, object []byte, s string, n int64, count uint8) {
		for _, m := range all(worker, object, s, n, int(count)) {
			check(t, m)
		}
	})
}

func TestEveryMessageIsOneARayletKnows(t *testing.T) {
	seen, types := map[kind]bool{}, []string{}
	for _, m := range all([]byte("w"), []byte("o"), "s", 1, 3) {
		check(t, m)
		seen[m.kind()] = true
		types = append(types, fmt.Sprintf("%T", m))
	}
	if len(seen) != len(tables) || len(seen) != len(schemas) {
		t.Errorf("%d kinds were looked at, of %d and %d", len(seen), len(tables), len(schemas))
	}
	if err := flatcheck.Source(".", "send", types); err != nil {
		t.Error(err)
	}
}

func TestAWaitIsMadeToMakeSense(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var list []Ref
		for _, n := range rapid.SliceOf(rapid.ByteRange(0, 3)).Draw(t, "ids") {
			list = append(list, Ref{Object: ids.ObjectID{n}})
		}
		required, ms := rapid.Int().Draw(t, "required"), rapid.Int64().Draw(t, "ms")
		m, ok := prepareWait(list, required, ms)
		if ok != (len(list) > 0) {
			t.Fatalf("%d ids: %v", len(list), ok)
		}
		if ok && (m.required < 1 || m.required > len(m.refs) || m.timeoutMS < -1 || len(m.refs) > 4) {
			t.Fatalf("%d of %d for %d ms", m.required, len(m.refs), m.timeoutMS)
		}
	})
}

// TestFrameOfAMessage pins the bytes of one message, as a raylet of 2.60 has taken them.
func TestFrameOfAMessage(t *testing.T) {
	frame := ipc.Append(nil, int64((&cancelFetchRequest{}).kind()), encode(&cancelFetchRequest{id: 77}))
	want := []byte{
		0, 0, 0, 0, 0, 'Y', 'A', 'R', 8, 0, 0, 0, 0, 0, 0, 0, byte(len(frame) - 24), 0, 0, 0, 0, 0, 0, 0,
	}
	if !bytes.Equal(frame[:24], want) {
		t.Errorf("header % x", frame[:24])
	}
	if got := binary.LittleEndian.Uint64(frame[len(frame)-8:]); got != 77 {
		t.Errorf("the id is %d", got)
	}
}
