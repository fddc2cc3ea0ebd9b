package direct

import (
	"encoding/binary"
	"runtime"
	"testing"
)

// A length is only a claim: however much a client announces, nothing is made room for before it comes, but for what is likely.
func TestClaimedLengthsAllocateNothing(t *testing.T) {
	prefix := func(size uint32) []byte { return binary.BigEndian.AppendUint32([]byte{0}, size) }
	frame := func(length int, kind byte, payload []byte) []byte {
		return append(appendHeader(nil, length, kind, 0, stream), payload...)
	}
	large := Limits{Window: 1 << 30, MaxMessage: 1<<31 - 1, MaxHeaders: 1 << 20}
	for name, c := range map[string]struct {
		limits Limits
		bytes  []byte
		taken  bool // as the beginning of something
	}{
		"a message of 4 GiB":               {large, frame(5, frameData, prefix(1<<32-1)), false},
		"a message of 2 GiB":               {large, frame(5, frameData, prefix(1<<31)), false},
		"the longest there may be":         {large, frame(5, frameData, prefix(1<<31-1)), true},
		"the same in two frames":           {large, append(frame(3, frameData, prefix(1<<31 - 1)[:3]), frame(2, frameData, prefix(1<<31 - 1)[3:])...), true},
		"a frame of 16 MiB":                {large, frame(1<<24-1, frameData, nil), false},
		"an unknown frame of 16 MiB":       {large, frame(1<<24-1, 0x42, nil), false},
		"the longest frame":                {large, frame(defaultFrame, frameData, nil), true},
		"a window of 2 GiB":                {large, frame(4, frameWindowUpdate, []byte{0x7f, 0xff, 0xff, 0xff}), false},
		"more than the limit of a session": {limits, frame(5, frameData, prefix(uint32(limits.MaxMessage)+1)), false},
	} {
		conn := opened(t)
		conn.limits = c.limits
		before := totalAlloc()
		err := conn.feed(c.bytes)
		if grew := totalAlloc() - before; grew > 4<<20 { // room for 1 MiB is twice that with the race detector
			t.Errorf("%s: %d bytes were allocated for %d", name, grew, len(c.bytes))
		}
		if (err == nil) != c.taken {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func totalAlloc() uint64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.TotalAlloc
}
