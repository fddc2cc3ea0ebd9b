package ipc

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"runtime"
	"testing"
)

// A length or an offset is only a claim: a frame makes room for what came and one piece more, a table for nothing.
func TestClaimedLengthsAllocateNothing(t *testing.T) {
	for _, length := range []uint64{maxBody, maxBody + 1, 1 << 31, 1 << 62, 1 << 63, 1<<64 - 1} {
		in := binary.LittleEndian.AppendUint64(binary.LittleEndian.AppendUint64(binary.LittleEndian.AppendUint64(nil, cookie), 1), length)
		before := totalAlloc()
		_, _, err := Read(bytes.NewReader(append(in, 0)))
		if grew := totalAlloc() - before; grew > 4*chunk { // room for one chunk is two with the race detector
			t.Errorf("a body of %d bytes: %d were allocated", length, grew)
		}
		if want := ErrFrame; length > maxBody && !errors.Is(err, want) || length <= maxBody && !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("a body of %d bytes: %v", length, err)
		}
	}
	for _, claim := range []uint32{1 << 16, 1 << 30, 1<<31 - 1, 1 << 31, 1<<32 - 1} {
		// root offset 4+4; a vtable of one slot at 4; the table at 12: its vtable's distance, and an offset to a vector at 20.
		le := binary.LittleEndian
		buf := le.AppendUint32(nil, 12)
		buf = le.AppendUint16(le.AppendUint16(le.AppendUint16(le.AppendUint16(buf, 6), 8), 4), 0)
		buf = le.AppendUint32(le.AppendUint32(buf, 8), 4)
		vector := le.AppendUint32(bytes.Clone(buf), claim) // of so many elements
		offset := bytes.Clone(buf)
		le.PutUint32(offset[16:], claim) // or that far away
		for name, in := range map[string][]byte{"vector": vector, "offset": offset} {
			before := totalAlloc()
			for _, read := range []func(*Table){
				func(t *Table) { t.Bytes(0) }, func(t *Table) { t.List(0) }, func(t *Table) { t.Tables(0) },
				func(t *Table) { t.Table(0) }, func(t *Table) { t.Vector(0, 80) },
			} {
				read(Root(in))
			}
			if grew := totalAlloc() - before; grew > 1<<20 {
				t.Errorf("%s, %d: %d bytes were allocated for %d", name, claim, grew, len(in))
			}
			table := Root(in)
			if table.Bytes(0); !errors.Is(table.Err(), ErrFrame) {
				t.Errorf("%s, %d: %v", name, claim, table.Err())
			}
		}
	}
}

func totalAlloc() uint64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.TotalAlloc
}
