package objects_test

import (
	"encoding/binary"
	"math/rand/v2"
	"runtime"
	"testing"

	"github.com/mobula/mobula/coreworker/ids"
	"github.com/mobula/mobula/coreworker/objects"
)

func numbered(i int) (id ids.ObjectID) {
	binary.LittleEndian.PutUint64(id[:], uint64(i))
	return id
}

// TestBudget holds a store of many small objects to a budget for each beside their data: a million must be
// affordable.
func TestBudget(t *testing.T) {
	if testing.Short() {
		t.Skip("many objects")
	}
	const n, budget = 200_000, 260 // bytes each, the map's share included
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	s := objects.NewStore()
	shared := []byte("data that is counted by whoever made it")
	for i := range n {
		s.Expect(numbered(i))
		s.Put(numbered(i), objects.Value{Data: shared, Metadata: []byte("PYTHON")})
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	if each := (after.HeapAlloc - before.HeapAlloc) / n; each > budget {
		t.Errorf("%d bytes an object, budget %d", each, budget)
	}
	for i := range n {
		s.Delete(numbered(i))
	}
	if got := s.Stats(); got != (objects.StoreStats{}) {
		t.Errorf("%+v left", got)
	}
}

func BenchmarkExpectPutDelete(b *testing.B) {
	s := objects.NewStore()
	v := data("x")
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		id := numbered(i)
		i++
		s.Expect(id)
		s.Put(id, v)
		s.Delete(id)
	}
}

// BenchmarkArenaChurn allocates and releases among 20,000 live blocks of mixed sizes: 2 GB of objects just too large to
// travel inline.
func BenchmarkArenaChurn(b *testing.B) {
	a := objects.NewArena(8<<30, func(uint64, uint64) error { return nil })
	r := rand.New(rand.NewPCG(1, 2))
	live := make([]uint64, 20_000)
	object := func() uint64 {
		blk, err := a.Allocate(uint64(100_000+r.IntN(200_000)), alice)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := a.Seal(blk.ID, alice); err != nil {
			b.Fatal(err)
		}
		return blk.ID
	}
	for i := range live {
		live[i] = object()
	}
	b.ReportAllocs()
	for b.Loop() {
		i := r.IntN(len(live))
		if err := a.Release(live[i]); err != nil {
			b.Fatal(err)
		}
		live[i] = object()
	}
	s := a.Stats()
	b.ReportMetric(float64(s.Reserved)/float64(s.Used), "reserved/used")
}

// BenchmarkArenaPutDelete is one process that puts and drops one object after the other.
func BenchmarkArenaPutDelete(b *testing.B) {
	a := objects.NewArena(1<<30, func(uint64, uint64) error { return nil })
	b.ReportAllocs()
	for b.Loop() {
		blk, err := a.Allocate(1<<20, alice)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := a.Seal(blk.ID, alice); err != nil {
			b.Fatal(err)
		}
		if err := a.Release(blk.ID); err != nil {
			b.Fatal(err)
		}
	}
}
