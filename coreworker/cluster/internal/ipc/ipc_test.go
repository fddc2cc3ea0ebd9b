package ipc_test

import (
	"bytes"
	"errors"
	"io"
	"testing"

	flatbuffers "github.com/google/flatbuffers/go"

	"github.com/mobula/mobula/coreworker/cluster/internal/ipc"
)

func TestFrames(t *testing.T) {
	wire := ipc.Append(ipc.Append(nil, 7, []byte("body")), 9, nil)
	r := bytes.NewReader(append(wire, 'x'))
	if kind, body, err := ipc.Read(r); kind != 7 || string(body) != "body" || err != nil {
		t.Fatalf("got %d %q %v", kind, body, err)
	}
	if kind, body, err := ipc.Read(r); kind != 9 || len(body) != 0 || err != nil {
		t.Fatalf("got %d %q %v", kind, body, err)
	}
	if r.Len() != 1 {
		t.Fatalf("%d bytes are left: what follows a frame is not its reader's", r.Len())
	}
	for cut := range wire[:28] {
		want := io.ErrUnexpectedEOF
		if cut == 0 {
			want = io.EOF
		}
		if _, _, err := ipc.Read(bytes.NewReader(wire[:cut])); !errors.Is(err, want) {
			t.Errorf("cut at %d: %v", cut, err)
		}
	}
	wire[0]++
	if _, _, err := ipc.Read(bytes.NewReader(wire)); !errors.Is(err, ipc.ErrFrame) {
		t.Errorf("another cookie: %v", err)
	}
}

// sample is a table that has a field of each kind, by the library that the decoder does not use.
func sample() []byte {
	b := flatbuffers.NewBuilder(0)
	one, two := b.CreateByteString([]byte("one")), b.CreateByteString(nil)
	b.StartVector(4, 2, 4)
	b.PrependUOffsetT(two)
	b.PrependUOffsetT(one)
	list := b.EndVector(2)
	b.StartVector(4, 3, 4)
	for _, n := range []int32{3, 2, 1} {
		b.PrependInt32(n)
	}
	numbers := b.EndVector(3)
	b.StartObject(8)
	b.PrependBoolSlot(0, true, false)
	b.PrependInt32Slot(1, -5, 0)
	b.PrependInt64Slot(2, 1<<40, 0)
	b.PrependUOffsetTSlot(3, one, 0)
	b.PrependUOffsetTSlot(4, list, 0)
	b.PrependUOffsetTSlot(5, numbers, 0)
	b.Prep(8, 16)
	b.PlaceUint64(2)
	b.PlaceUint64(1)
	b.Slot(6)
	b.Finish(b.EndObject())
	return b.FinishedBytes()
}

func TestTable(t *testing.T) {
	r := ipc.Root(sample())
	if !r.Bool(0) || r.Int32(1) != -5 || r.Uint64(2) != 1<<40 || string(r.Bytes(3)) != "one" {
		t.Error("scalars and a string")
	}
	if l := r.List(4); len(l) != 2 || string(l[0]) != "one" || len(l[1]) != 0 {
		t.Errorf("list %q", l)
	}
	if v := r.Vector(5, 4); !bytes.Equal(v, []byte{1, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0}) {
		t.Errorf("vector %v", v)
	}
	if s := r.Struct(6, 16); len(s) != 16 || s[0] != 1 || s[8] != 2 {
		t.Errorf("struct %v", s)
	}
	if r.Bool(7) || r.Bytes(99) != nil || r.List(7) != nil || r.Uint64(7) != 0 || r.Err() != nil {
		t.Errorf("what is absent is zero: %v", r.Err())
	}
	if r := ipc.Root(nil); r.Err() == nil || r.Bool(0) {
		t.Error("an empty buffer holds no table")
	}
}

// FuzzTable reads every kind of field from any bytes: it must end, and with what lies in the buffer.
func FuzzTable(f *testing.F) {
	f.Add(sample())
	f.Add([]byte{})
	f.Add([]byte{4, 0, 0, 0, 0xff, 0xff, 0xff, 0x7f})
	f.Fuzz(func(t *testing.T, b []byte) {
		r := ipc.Root(b)
		total := 0
		for slot := range 8 {
			r.Bool(slot)
			r.Int32(slot)
			r.Uint64(slot)
			r.Table(slot)
			total = max(total, len(r.Tables(slot)), len(r.Bytes(slot)), len(r.Vector(slot, 8)), len(r.Struct(slot, 80)), len(r.List(slot)))
		}
		if total > len(b) {
			t.Fatalf("%d bytes or strings out of %d bytes", total, len(b))
		}
	})
}

func FuzzFrame(f *testing.F) {
	f.Add(ipc.Append(nil, 2, sample()))
	f.Fuzz(func(t *testing.T, b []byte) {
		kind, body, err := ipc.Read(bytes.NewReader(b))
		if err == nil && !bytes.HasPrefix(b, ipc.Append(nil, kind, body)) {
			t.Fatal("a frame that is read is the one that was written")
		}
	})
}
