package objects

import (
	"encoding/binary"
	"runtime"
	"testing"
)

// What an error's body says of its own length is only a claim: nothing is allocated by it.
func TestClaimedLengthsAllocateNothing(t *testing.T) {
	header := func(length uint64) []byte { return binary.BigEndian.AppendUint64([]byte{0xcf}, length) }
	bin := func(length uint32) []byte { return binary.BigEndian.AppendUint32([]byte{0xc6}, length) }
	for name, data := range map[string][]byte{
		"a body of 2 GiB":   append(header(1<<31), bin(3)...),
		"a body of 2^62":    append(header(1<<62), bin(3)...),
		"a body of 2^64-1":  append(header(1<<64-1), bin(3)...),
		"a bin of 2 GiB":    append(header(5), bin(1<<31)...),
		"a bin of 4 GiB":    append(header(5), bin(1<<32-1)...),
		"a string of 4 GiB": append(header(5), 0xdb, 0xff, 0xff, 0xff, 0xff),
		"an array of 4 GiB": append(header(5), 0xdd, 0xff, 0xff, 0xff, 0xff),
		"a map of 4 GiB":    append(header(5), 0xdf, 0xff, 0xff, 0xff, 0xff),
		// The protobuf message inside: field 1 of 2^62 bytes.
		"a field of 2^62": append(header(15), append(bin(10), 0x0a, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x40)...),
	} {
		v := Value{Data: data, Metadata: []byte("1"), IsError: true}
		before := totalAlloc()
		_, first := ErrorInfo(v)
		_, second := TaskException(v)
		if grew := totalAlloc() - before; grew > 1<<20 {
			t.Errorf("%s: %d bytes were allocated for %d", name, grew, len(data))
		}
		if first == nil || second == nil {
			t.Errorf("%s: taken", name)
		}
	}
}

func totalAlloc() uint64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.TotalAlloc
}
