package refs_test

import (
	"encoding/binary"
	"runtime"
	"testing"

	"github.com/mobula/mobula/coreworker/ids"
	"github.com/mobula/mobula/coreworker/refs"
)

func numbered(i int) (id ids.ObjectID) {
	binary.LittleEndian.PutUint64(id[:], uint64(i))
	return id
}

// TestBudget holds a table of many objects to a budget for each, and to freeing them all at once: a million must be
// affordable.
func TestBudget(t *testing.T) {
	if testing.Short() {
		t.Skip("many objects")
	}
	const n, budget = 200_000, 200 // bytes each: 64 of the entry, the rest is the map's
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	tab := refs.New()
	for i := range n {
		if tab.Own(numbered(i), driver) != nil || tab.Add(numbered(i), driver, 1) != nil {
			t.Fatal(tab.Story(numbered(i)))
		}
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	if each := (after.HeapAlloc - before.HeapAlloc) / n; each > budget {
		t.Errorf("%d bytes an object, budget %d", each, budget)
	}
	if freed := tab.DropHolder(driver); len(freed) != n || freed[0] != numbered(0) || tab.Len() != 0 {
		t.Errorf("freed %d, left %d", len(freed), tab.Len())
	}
}

func BenchmarkOwnAddDrop(b *testing.B) {
	tab := refs.New()
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		id := numbered(i)
		i++
		_ = tab.Own(id, driver)
		_ = tab.Add(id, driver, 1)
		if freed, err := tab.Drop(id, driver, 1); err != nil || len(freed) != 1 {
			b.Fatal(freed, err)
		}
	}
}

func BenchmarkBorrower(b *testing.B) {
	tab := refs.New()
	_ = tab.Own(numbered(1), driver)
	_ = tab.Add(numbered(1), driver, 1)
	b.ReportAllocs()
	for b.Loop() {
		_ = tab.Add(numbered(1), alice, 1)
		if _, err := tab.Drop(numbered(1), alice, 1); err != nil {
			b.Fatal(err)
		}
	}
}
