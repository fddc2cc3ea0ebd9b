package events_test

import (
	"testing"

	"github.com/mobula/mobula/coreworker/events"
)

func fill(l *events.Log[events.Attempt], from, to int) {
	for i := from; i < to; i++ {
		l.Add(events.Attempt{Number: i})
	}
}

// readAll pages through the stream and checks that nothing is skipped, doubled or out of order.
func readAll(t *testing.T, l *events.Log[events.Attempt], page int) (first, count int) {
	t.Helper()
	first = -1
	for at := uint64(0); ; {
		got, start, next := l.Read(at, page)
		if len(got) == 0 {
			if next != start {
				t.Errorf("nothing read, and yet from %d to %d", start, next)
			}
			return first, count
		}
		if first < 0 {
			first = int(start)
		}
		if int(next-start) != len(got) || len(got) > page {
			t.Fatalf("%d entries from %d to %d, asked for %d", len(got), start, next, page)
		}
		for i, a := range got {
			if a.Number != int(start)+i {
				t.Fatalf("entry %d is number %d", int(start)+i, a.Number)
			}
		}
		count += len(got)
		at = next
	}
}

func TestReadInPages(t *testing.T) {
	for _, n := range []int{0, 1, 1023, 1024, 1025, 3000} {
		l := events.NewLog[events.Attempt](5000)
		fill(l, 0, n)
		for _, page := range []int{1, 7, 1024, 5000} {
			if _, count := readAll(t, l, page); count != n {
				t.Errorf("%d of %d in pages of %d", count, n, page)
			}
		}
	}
}

func TestTheOldestGo(t *testing.T) {
	const keep = 2000
	l := events.NewLog[events.Attempt](keep)
	for n := 0; n < 20000; n += 333 {
		fill(l, n, n+333)
		first, count := readAll(t, l, 500)
		if first+count != n+333 {
			t.Fatalf("after %d: %d entries from %d", n+333, count, first)
		}
		if count < min(keep, n+333) || count > keep+2*1024 {
			t.Fatalf("after %d: %d are kept", n+333, count)
		}
	}
}

func TestReadBeyondTheEnd(t *testing.T) {
	l := events.NewLog[events.Attempt](10)
	fill(l, 0, 5)
	if got, first, next := l.Read(99, 10); len(got) != 0 || first != 5 || next != 5 {
		t.Errorf("%d entries, %d to %d", len(got), first, next)
	}
}

func TestAddDoesNotAllocatePerEntry(t *testing.T) {
	l := events.NewLog[events.Attempt](1)
	fill(l, 0, 5000)
	if n := testing.AllocsPerRun(5000, func() { l.Add(events.Attempt{}) }); n > 0 {
		t.Errorf("%v allocations an entry", n)
	}
}

func BenchmarkAdd(b *testing.B) {
	l := events.NewLog[events.Attempt](100_000)
	for b.Loop() {
		l.Add(events.Attempt{Name: "f"})
	}
}
