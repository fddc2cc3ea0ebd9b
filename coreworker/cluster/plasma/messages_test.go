package plasma

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"testing"
	"unicode/utf8"

	flatbuffers "github.com/google/flatbuffers/go"

	"github.com/mobula/mobula/coreworker/cluster/internal/flatcheck"
	"github.com/mobula/mobula/coreworker/cluster/internal/ipc"
	"github.com/mobula/mobula/coreworker/ids"
)

// tables is how a store reads a request: by slot, what it must hold. It stands here a second time so that a slip in
// messages.go does not check itself.
var tables = map[int64]func(*testing.T, *ipc.Table){
	1: func(t *testing.T, m *ipc.Table) {
		object(t, m)
		if len(m.Bytes(1)) != 28 || len(m.Bytes(4)) != 28 || !utf8.Valid(m.Bytes(2)) {
			t.Error("the owner")
		}
		if p := m.Int32(3); p < 0 || p > 65535 {
			t.Errorf("port %d", p)
		}
		if m.Bool(5) || m.Int32(8) != 0 || m.Int32(9) != 0 {
			t.Error("not a worker's value in memory")
		}
	},
	2:  object,
	4:  object,
	6:  object,
	8:  func(t *testing.T, m *ipc.Table) { objects(t, m, 0); timeout(t, m) },
	10: object,
	12: func(t *testing.T, m *ipc.Table) {
		if n := objects(t, m, 1); m.Int32(0) != int32(n) {
			t.Errorf("%d of %d", m.Int32(0), n)
		}
	},
	14: object,
	16: func(*testing.T, *ipc.Table) {},
}

// schemas are the tables of the same requests, for a reader that knows nothing of ours.
var schemas = map[int64][]flatcheck.Field{
	1: {flatcheck.Text, flatcheck.Text, flatcheck.Text, flatcheck.Int, flatcheck.Text, flatcheck.Bool, flatcheck.Long, flatcheck.Long,
		flatcheck.Int, flatcheck.Int, flatcheck.Bool},
	2:  {flatcheck.Text, flatcheck.Long},
	4:  {flatcheck.Text},
	6:  {flatcheck.Text},
	8:  {flatcheck.Texts, flatcheck.Long},
	10: {flatcheck.Text, flatcheck.Bool},
	12: {flatcheck.Int, flatcheck.Texts},
	14: {flatcheck.Text},
	16: {},
}

func object(t *testing.T, m *ipc.Table) {
	if n := len(m.Bytes(0)); n != 28 {
		t.Errorf("an id of %d bytes", n)
	}
}

func objects(t *testing.T, m *ipc.Table, slot int) int {
	list := m.List(slot)
	for _, id := range list {
		if len(id) != 28 {
			t.Errorf("an id of %d bytes", len(id))
		}
	}
	return len(list)
}

func timeout(t *testing.T, m *ipc.Table) {
	if ms := int64(m.Uint64(1)); ms < 0 {
		t.Errorf("for %d ms: it could not be taken back", ms)
	}
}

func check(t *testing.T, m message) {
	t.Helper()
	kind, body, err := ipc.Read(bytes.NewReader(ipc.Append(nil, int64(m.kind()), encode(m))))
	if err != nil {
		t.Fatal(err)
	}
	look := tables[kind]
	if look == nil {
		t.Fatalf("%T has type %d, of which a store dies", m, kind)
	}
	if err := flatcheck.Check(body, schemas[kind]...); err != nil {
		t.Errorf("%T: %v", m, err)
	}
	r := ipc.Root(body)
	look(t, r)
	if r.Err() != nil {
		t.Error(r.Err())
	}
}

// all are the requests that can be made of some bytes.
func all(id []byte, s string, n uint64, count int) []message {
	var o ids.ObjectID
	copy(o[:], id)
	owner := Owner{IP: s, Port: uint16(n)}
	copy(owner.Node[:], id)
	copy(owner.Worker[:], s)
	var list []ids.ObjectID
	for i := range count {
		o := o
		o[0] = byte(i)
		list = append(list, o)
	}
	return []message{
		connectRequest{},
		&createRequest{object: o, owner: owner, data: n, metadata: n / 2, immediately: n%2 == 0},
		&createRetryRequest{o, n}, &sealRequest{o}, &abortRequest{o}, &getRequest{list, int64(n)},
		&releaseRequest{o, n%2 == 0}, &deleteRequest{list}, &containsRequest{o},
	}
}

// FuzzRequests encodes whatever can be said, and reads it as a store does, which would die of anything else.
func FuzzRequests(f *testing.F) {
	f.Add([]byte("object"), "127.0.0.3", uint64(5), uint8(3))
	f.Add([]byte{}, "\xff", uint64(1<<63), uint8(0))
	f.Fuzz(func(t *testing.T, id []byte, s string, n uint64, count uint8) {
		for _, m := range all(id, s, n, int(count)) {
			check(t, m)
		}
	})
}

// TestRequestsHaveTheseBytes pins each request, as a store of 2.60 has taken it.
func TestRequestsHaveTheseBytes(t *testing.T) {
	o := ids.ObjectID(bytes.Repeat([]byte{0xAB}, 28))
	owner := Owner{Node: ids.NodeID(bytes.Repeat([]byte{1}, 28)), IP: "127.0.0.3", Port: 0x1234, Worker: ids.WorkerID(bytes.Repeat([]byte{2}, 28))}
	golden := []struct {
		m    message
		body string
	}{
		{connectRequest{}, "080000000400040004000000"},
		{&createRequest{object: o, owner: owner, data: 0x1122, metadata: 3, immediately: true}, "2000000000001a002c002800240020001c0018000000100008000000000007001a000000000000010300000000000000" +
			"22110000000000001400000034120000300000003c0000005c0000001c00000002020202020202020202020202020202" +
			"02020202020202020202020200000000090000003132372e302e302e330000001c000000010101010101010101010101" +
			"01010101010101010101010101010101000000001c000000abababababababababababababababababababababababab" +
			"abababab00000000"},
		{&createRetryRequest{o, 7}, "0c000000080010000c000400080000000700000000000000040000001c000000abababababababababababababababab" +
			"abababababababababababab00000000"},
		{&sealRequest{o}, "0c000000000006000800040006000000040000001c000000abababababababababababababababababababababababab" +
			"abababab00000000"},
		{&abortRequest{o}, "0c000000000006000800040006000000040000001c000000abababababababababababababababababababababababab" +
			"abababab00000000"},
		{&getRequest{[]ids.ObjectID{o, {}}, 1000}, "0c000000080010000c00040008000000e80300000000000004000000020000002c000000040000001c00000000000000" +
			"000000000000000000000000000000000000000000000000000000001c000000abababababababababababababababab" +
			"abababababababababababab00000000"},
		{&releaseRequest{o, false}, "0c000000000006000800040006000000040000001c000000abababababababababababababababababababababababab" +
			"abababab00000000"},
		{&releaseRequest{o, true}, "0c00000008000c00080007000800000000000001040000001c000000abababababababababababababababababababab" +
			"abababababababab00000000"},
		{&deleteRequest{[]ids.ObjectID{o}}, "0c00000008000c000800040008000000080000000100000001000000040000001c000000abababababababababababab" +
			"abababababababababababababababab00000000"},
		{&containsRequest{o}, "0c000000000006000800040006000000040000001c000000abababababababababababababababababababababababab" +
			"abababab00000000"},
	}
	seen, types := map[kind]bool{}, []string{}
	for _, g := range golden {
		if got := hex.EncodeToString(encode(g.m)); got != g.body {
			t.Errorf("%T, type %d:\n got %s\nwant %s", g.m, g.m.kind(), got, g.body)
		}
		seen[g.m.kind()] = true
		types = append(types, fmt.Sprintf("%T", g.m))
	}
	if len(seen) != len(tables) || len(seen) != len(schemas) {
		t.Errorf("%d kinds were looked at, of %d and %d", len(seen), len(tables), len(schemas))
	}
	if err := flatcheck.Source(".", "post", types); err != nil {
		t.Error(err)
	}
}

// spec is an object's struct as a store writes it.
func spec(p place, size uint64) []byte {
	b := make([]byte, placeSize)
	le := binary.LittleEndian
	le.PutUint32(b, uint32(p.file.descriptor))
	le.PutUint64(b[8:], uint64(p.file.unique))
	le.PutUint64(b[24:], p.data)
	le.PutUint64(b[32:], size)
	le.PutUint64(b[40:], p.meta)
	le.PutUint64(b[48:], p.metaSize)
	if p.fallback {
		b[64] = 1
	}
	le.PutUint32(b[68:], uint32(p.device))
	return b
}

// aGot is a store's answer to a get, by the library that the decoder does not use.
func aGot(objects [][]byte, specs [][]byte, files []mapping) []byte {
	b := flatbuffers.NewBuilder(0)
	var offsets []flatbuffers.UOffsetT
	for _, o := range objects {
		offsets = append(offsets, b.CreateByteString(o))
	}
	list := b.CreateVectorOfTables(offsets)
	b.StartVector(placeSize, len(specs), 8)
	for i := len(specs) - 1; i >= 0; i-- {
		for j := placeSize - 8; j >= 0; j -= 8 {
			b.PrependUint64(binary.LittleEndian.Uint64(specs[i][j:]))
		}
	}
	places := b.EndVector(len(specs))
	vector := func(size int, put func(mapping)) flatbuffers.UOffsetT {
		b.StartVector(size, len(files), size)
		for i := len(files) - 1; i >= 0; i-- {
			put(files[i])
		}
		return b.EndVector(len(files))
	}
	descriptors := vector(4, func(m mapping) { b.PrependInt32(m.file.descriptor) })
	uniques := vector(8, func(m mapping) { b.PrependInt64(m.file.unique) })
	sizes := vector(8, func(m mapping) { b.PrependUint64(m.size) })
	b.StartObject(5)
	for slot, at := range []flatbuffers.UOffsetT{list, places, descriptors, uniques, sizes} {
		b.PrependUOffsetTSlot(slot, at, 0)
	}
	b.Finish(b.EndObject())
	return b.FinishedBytes()
}

func aCreated(id []byte, retry uint64, code int32, s []byte, m mapping) []byte {
	b := flatbuffers.NewBuilder(0)
	object := b.CreateByteString(id)
	b.StartObject(8)
	b.PrependUOffsetTSlot(0, object, 0)
	b.PrependUint64Slot(1, retry, 0)
	if s != nil {
		b.Prep(8, placeSize)
		for j := placeSize - 8; j >= 0; j -= 8 {
			b.PlaceUint64(binary.LittleEndian.Uint64(s[j:]))
		}
		b.Slot(2)
	}
	b.PrependInt32Slot(3, code, 0)
	b.PrependInt32Slot(4, m.file.descriptor, 0)
	b.PrependInt64Slot(5, m.file.unique, 0)
	b.PrependUint64Slot(6, m.size, 0)
	b.Finish(b.EndObject())
	return b.FinishedBytes()
}

func TestReadGot(t *testing.T) {
	one, two := bytes.Repeat([]byte{1}, 28), bytes.Repeat([]byte{2}, 28)
	p := place{file: file{17, 5}, data: 64, meta: 74, metaSize: 3, fallback: true}
	r, err := readGot(aGot([][]byte{one, two}, [][]byte{spec(p, 10), spec(place{}, sizeAbsent)}, []mapping{{file{17, 5}, 4096}}))
	if err != nil {
		t.Fatal(err)
	}
	p.dataSize = 10
	if r.places[0] != p || !r.places[1].absent || r.objects[1] != ids.ObjectID(two) || r.mappings[0] != (mapping{file{17, 5}, 4096}) {
		t.Errorf("%+v", r)
	}
	for name, body := range map[string][]byte{
		"a short id":     aGot([][]byte{one[:27]}, [][]byte{spec(p, 1)}, nil),
		"too few places": aGot([][]byte{one, two}, [][]byte{spec(p, 1)}, nil),
		"nothing":        nil,
	} {
		if _, err := readGot(body); err == nil {
			t.Errorf("%s is taken", name)
		}
	}
}

func TestReadCreated(t *testing.T) {
	id := bytes.Repeat([]byte{1}, 28)
	m := mapping{file{3, 9}, 4096}
	p := place{file: m.file, data: 4000, meta: 4090, metaSize: 6}
	r, err := readCreated(aCreated(id, 0, 0, spec(p, 90), m))
	p.dataSize = 90
	if err != nil || r.place != p || r.mapping != m || r.retry != 0 || r.err != nil {
		t.Errorf("%+v %v", r, err)
	}
	if r, err := readCreated(aCreated(id, 12, 0, nil, mapping{})); err != nil || r.retry != 12 {
		t.Errorf("%+v %v", r, err)
	}
	for code, want := range refusals {
		if r, err := readCreated(aCreated(id, 0, code, nil, mapping{})); err != nil || r.err != want {
			t.Errorf("%d: %+v %v", code, r, err)
		}
	}
	if r, err := readCreated(aCreated(id, 0, 99, nil, mapping{})); err != nil || r.err == nil {
		t.Errorf("an error of another version: %+v %v", r, err)
	}
	for name, body := range map[string][]byte{
		"nowhere":               aCreated(id, 0, 0, nil, m),
		"behind the file's end": aCreated(id, 0, 0, spec(p, 4090), m),
		"far behind":            aCreated(id, 0, 0, spec(place{data: 1 << 63}, 1<<63), m),
		"on a device":           aCreated(id, 0, 0, spec(place{device: 1}, 1), m),
		"a long id":             aCreated(append(id, 1), 0, 0, spec(p, 90), m),
	} {
		if _, err := readCreated(body); err == nil {
			t.Errorf("%s is taken", name)
		}
	}
}

// FuzzReplies reads every reply from any bytes: it must end, and what it takes must lie where it says.
func FuzzReplies(f *testing.F) {
	id := bytes.Repeat([]byte{1}, 28)
	m := mapping{file{3, 9}, 4096}
	f.Add(aGot([][]byte{id}, [][]byte{spec(place{file: m.file}, 10)}, []mapping{m}))
	f.Add(aCreated(id, 0, 0, spec(place{file: m.file, data: 64}, 90), m))
	f.Add(encode(&sealRequest{ids.ObjectID(id)}))
	f.Fuzz(func(t *testing.T, b []byte) {
		if r, err := readGot(b); err == nil && (len(r.places) != len(r.objects) || 28*len(r.objects) > len(b)*28) {
			t.Errorf("%d objects, %d places of %d bytes", len(r.objects), len(r.places), len(b))
		}
		if r, err := readCreated(b); err == nil && r.retry == 0 && r.err == nil && !r.place.within(r.mapping.size) {
			t.Error("outside of its file")
		}
		for _, read := range []func([]byte) (told, error){readSealed, readAborted, readContained, readReleased} {
			_, _ = read(b)
		}
		if errs, err := readDeleted(b, []ids.ObjectID{ids.ObjectID(id)}); err == nil && len(errs) != 1 {
			t.Error("not one answer for one object")
		}
		_, _ = readConnected(b)
	})
}
