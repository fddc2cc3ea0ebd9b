package objects_test

import (
	"errors"
	"slices"
	"syscall"
	"testing"

	"github.com/mobula/mobula/coreworker/ids"
	"github.com/mobula/mobula/coreworker/objects"
)

const page = objects.PageSize

var (
	alice = ids.WorkerID{'a'}
	bob   = ids.WorkerID{'b'}
)

// arena is an objects.Arena that fails the test on any error and checks itself after the test. It notes what was
// reserved.
type arena struct {
	*objects.Arena
	t        testing.TB
	reserved [][2]uint64
	refuse   error
}

func newArena(t testing.TB, bytes uint64) *arena {
	a := &arena{t: t}
	a.Arena = objects.NewArena(bytes, func(offset, length uint64) error {
		if a.refuse != nil {
			return a.refuse
		}
		a.reserved = append(a.reserved, [2]uint64{offset, length})
		return nil
	})
	t.Cleanup(func() { a.ok(a.Validate()) })
	return a
}

func (a *arena) ok(err error) {
	a.t.Helper()
	if err != nil {
		a.t.Fatal(err)
	}
}

// object makes a sealed block.
func (a *arena) object(size uint64) objects.Block {
	a.t.Helper()
	b, err := a.Allocate(size, alice)
	a.ok(err)
	b, err = a.Seal(b.ID, alice)
	a.ok(err)
	return b
}

func (a *arena) release(b objects.Block) {
	a.t.Helper()
	a.ok(a.Release(b.ID))
}

func TestFreedLastIsGivenFirst(t *testing.T) {
	a := newArena(t, 100*page)
	var blocks []objects.Block
	for range 6 {
		blocks = append(blocks, a.object(3*page))
	}
	// 1, 3 and 5 are not neighbours, so each stays its own.
	for _, i := range []int{1, 5, 3} {
		a.release(blocks[i])
	}
	for _, i := range []int{3, 5, 1} {
		if b := a.object(3*page - 1); b.Offset != blocks[i].Offset || b.ID <= blocks[5].ID {
			t.Fatalf("got %+v, want the place of %+v and a new id", b, blocks[i])
		}
	}
	if n := len(a.reserved); n != 6 {
		t.Fatalf("%d ranges reserved", n)
	}
}

func TestUsedBeforeComesBeforeNeverUsed(t *testing.T) {
	a := newArena(t, 100*page)
	big, _ := a.object(20*page), a.object(page)
	a.release(big)
	if b := a.object(2 * page); b.Offset != big.Offset {
		t.Fatalf("cold pages at %d while warm ones were free", b.Offset)
	}
}

func TestShortFitIsPreferredToCuttingALongOne(t *testing.T) {
	a := newArena(t, 1000*page)
	short, _ := a.object(4*page), a.object(page)
	long, _ := a.object(500*page), a.object(page)
	a.release(short)
	a.release(long)
	if b := a.object(4 * page); b.Offset != short.Offset {
		t.Fatalf("the long one was cut at %d", b.Offset)
	}
}

func TestNeighboursJoin(t *testing.T) {
	a := newArena(t, 8*page)
	var blocks []objects.Block
	for range 8 {
		blocks = append(blocks, a.object(page))
	}
	for _, i := range []int{6, 1, 3, 2, 7, 0, 5, 4} {
		a.release(blocks[i])
		a.ok(a.Validate())
	}
	if b := a.object(8 * page); b.Offset != 0 {
		t.Fatalf("all of it is at %d", b.Offset)
	}
}

func TestReservesEachRangeOnce(t *testing.T) {
	a := newArena(t, 10*page+page/2) // the half page is not used
	first := a.object(4 * page)
	a.release(first)
	a.object(6 * page) // the free 4 at the top, and 2 new ones
	a.object(4 * page)
	if want := [][2]uint64{{0, 4 * page}, {4 * page, 2 * page}, {6 * page, 4 * page}}; !slices.Equal(a.reserved, want) {
		t.Fatalf("reserved %v, want %v", a.reserved, want)
	}
	if s := a.Stats(); s.Used != 10*page || s.Free != 0 || s.Reserved != 10*page || s.Total != 10*page {
		t.Fatalf("%+v", s)
	}
}

func TestFullSaysTheNumbers(t *testing.T) {
	a := newArena(t, 10*page)
	_, second, _ := a.object(4*page), a.object(2*page), a.object(page)
	a.release(second)
	_, err := a.Allocate(4*page+1, alice)
	var full *objects.FullError
	if !errors.Is(err, objects.ErrFull) || !errors.As(err, &full) {
		t.Fatal(err)
	}
	if want := (objects.FullError{Asked: 4*page + 1, Free: 5 * page, LargestFree: 3 * page, Used: 5 * page, Total: 10 * page}); *full != want {
		t.Fatalf("%+v, want %+v", *full, want)
	}
	if want := "allocate: object store is full: asked for 16385 bytes; of 40960 bytes 20480 are used and 20480 free, 12288 of them in one piece"; err.Error() != want {
		t.Fatalf("says %q, want %q", err, want)
	}
	for _, huge := range []uint64{10*page + 1, 1<<64 - 1} {
		if _, err := a.Allocate(huge, alice); !errors.Is(err, objects.ErrFull) {
			t.Fatalf("%d bytes: %v", huge, err)
		}
	}
}

func TestNoMemoryIsAnErrorOfItsOwn(t *testing.T) {
	a := newArena(t, 10*page)
	a.release(a.object(page))
	a.refuse = syscall.ENOSPC
	_, err := a.Allocate(2*page, alice)
	if !errors.Is(err, objects.ErrReserve) || !errors.Is(err, syscall.ENOSPC) || errors.Is(err, objects.ErrFull) {
		t.Fatal(err)
	}
	a.ok(a.Validate())
	a.object(page) // what is reserved can still be had
	a.refuse = nil
	a.object(9 * page)
}

func TestEmptyBlockHasAPlace(t *testing.T) {
	a := newArena(t, 2*page)
	if x, y := a.object(0), a.object(0); x.Offset == y.Offset || x.Size != 0 {
		t.Fatalf("%+v, %+v", x, y)
	}
}

func TestPinsOutliveTheObject(t *testing.T) {
	a := newArena(t, 2*page)
	b := a.object(2 * page)
	a.ok(a.Pin(b.ID, alice))
	a.ok(a.Pin(b.ID, alice))
	a.ok(a.Pin(b.ID, bob))
	a.release(b)
	if s := a.Stats(); s.Unreferenced != 1 || s.Pins != 3 || s.Used != 2*page {
		t.Fatalf("%+v", s)
	}
	if _, ok := a.Lookup(b.ID); ok || !errors.Is(a.Pin(b.ID, bob), objects.ErrBlock) {
		t.Fatal("a released block was handed out")
	}
	a.ok(a.Unpin(b.ID, alice, 2))
	if _, err := a.Allocate(1, alice); !errors.Is(err, objects.ErrFull) {
		t.Fatal("reused under a reader")
	}
	a.ok(a.Unpin(b.ID, bob, 1))
	if s := a.Stats(); s.Blocks != 0 || s.Free != 2*page {
		t.Fatalf("%+v", s)
	}
}

func TestDeadProcessKeepsNothing(t *testing.T) {
	a := newArena(t, 10*page)
	mine, other := a.object(page), a.object(page)
	a.ok(a.Pin(mine.ID, bob))
	a.ok(a.Pin(other.ID, bob))
	a.ok(a.Pin(other.ID, alice))
	a.release(mine)
	unsealed, err := a.Allocate(page, bob)
	a.ok(err)
	a.DropProcess(bob)
	a.DropProcess(bob)
	if s := a.Stats(); s.Blocks != 1 || s.Pins != 1 || s.Writing != 0 || s.Used != page {
		t.Fatalf("%+v", s)
	}
	if _, err := a.Seal(unsealed.ID, bob); !errors.Is(err, objects.ErrBlock) {
		t.Fatalf("sealed after death: %v", err)
	}
	if b, ok := a.Lookup(other.ID); !ok || b != other {
		t.Fatal("what it did not own is there")
	}
}

func TestWrongCallsChangeNothing(t *testing.T) {
	a := newArena(t, 10*page)
	b, err := a.Allocate(page, alice)
	a.ok(err)
	_, sealedByBob := a.Seal(b.ID, bob)
	_, unknown := a.Seal(99, alice)
	for op, err := range map[string]error{
		"seal of another's":    sealedByBob,
		"seal of unknown":      unknown,
		"discard of another's": a.Discard(b.ID, bob),
		"pin while written":    a.Pin(b.ID, alice),
		"release while":        a.Release(b.ID),
		"unpin unpinned":       a.Unpin(b.ID, alice, 1),
		"release of unknown":   a.Release(99),
	} {
		if !errors.Is(err, objects.ErrBlock) {
			t.Errorf("%s: %v", op, err)
		}
	}
	a.ok(a.Discard(b.ID, alice))
	if !errors.Is(a.Discard(b.ID, alice), objects.ErrBlock) {
		t.Error("discarded twice")
	}
	c := a.object(page)
	if _, err := a.Seal(c.ID, alice); !errors.Is(err, objects.ErrBlock) {
		t.Errorf("sealed twice: %v", err)
	}
	a.ok(a.Pin(c.ID, bob))
	a.release(c)
	if !errors.Is(a.Release(c.ID), objects.ErrBlock) {
		t.Error("released twice")
	}
	if err := a.Unpin(c.ID, bob, 5); !errors.Is(err, objects.ErrBlock) || a.Stats().Blocks != 0 {
		t.Errorf("too many: %v, %+v", err, a.Stats())
	}
}
