package refs_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/mobula/mobula/coreworker/ids"
	"github.com/mobula/mobula/coreworker/refs"
)

var (
	driver = ids.DriverWorker(ids.JobFromInt(1))
	alice  = ids.WorkerID{'a'}
	bob    = ids.WorkerID{'b'}
)

func obj(n byte) ids.ObjectID { return ids.ObjectID{0: n, 27: n} }

// table is a refs.Table that fails the test on any error and checks itself after the test.
type table struct {
	*refs.Table
	t testing.TB
}

func newTable(t testing.TB) *table {
	tab := &table{refs.New(), t}
	t.Cleanup(tab.check)
	return tab
}

func (t *table) check() {
	t.t.Helper()
	if err := t.Validate(); err != nil {
		t.t.Error(err)
	}
}

func (t *table) ok(err error) {
	t.t.Helper()
	if err != nil {
		t.t.Fatal(err)
	}
}

// have makes objects that the owner holds once each.
func (t *table) have(owner ids.WorkerID, objs ...ids.ObjectID) {
	t.t.Helper()
	for _, o := range objs {
		t.ok(t.Own(o, owner))
		t.ok(t.Add(o, owner, 1))
	}
}

func (t *table) freed(got []ids.ObjectID, err error) func(want ...ids.ObjectID) {
	return func(want ...ids.ObjectID) {
		t.t.Helper()
		t.ok(err)
		if !slices.Equal(got, want) {
			t.t.Fatalf("freed %v, want %v", got, want)
		}
		t.check()
	}
}

func TestLastHandleFrees(t *testing.T) {
	tab := newTable(t)
	tab.have(driver, obj(1))
	tab.ok(tab.Add(obj(1), driver, 2))
	tab.freed(tab.Drop(obj(1), driver, 2))()
	tab.freed(tab.Drop(obj(1), driver, 1))(obj(1))
	if tab.Known(obj(1)) || tab.Len() != 0 {
		t.Fatal("still there")
	}
}

func TestNewEntryStaysUntilTouched(t *testing.T) {
	tab := newTable(t)
	tab.ok(tab.Own(obj(1), driver))
	tab.ok(tab.Add(obj(1), driver, 0))
	tab.freed(tab.Drop(obj(1), driver, 0))()
	if !tab.Known(obj(1)) || tab.Holders(obj(1)) != 0 {
		t.Fatal(tab.Story(obj(1)))
	}
	tab.freed(tab.DropHolder(driver), nil)(obj(1))
}

func TestBorrowerKeeps(t *testing.T) {
	tab := newTable(t)
	tab.have(driver, obj(1))
	tab.ok(tab.Add(obj(1), alice, 2))
	tab.ok(tab.Add(obj(1), bob, 1))
	if n := tab.Holders(obj(1)); n != 3 {
		t.Fatalf("%d holders", n)
	}
	if n := tab.Count(obj(1), alice); n != 2 {
		t.Fatalf("alice has %d", n)
	}
	tab.freed(tab.Drop(obj(1), driver, 1))()
	tab.freed(tab.Drop(obj(1), bob, 1))()
	tab.freed(tab.Drop(obj(1), alice, 1))()
	tab.freed(tab.Drop(obj(1), alice, 1))(obj(1))
}

func TestTaskInFlightKeeps(t *testing.T) {
	tab := newTable(t)
	tab.have(driver, obj(1))
	tab.ok(tab.Use(obj(1)))
	tab.ok(tab.Use(obj(1)))
	tab.freed(tab.Drop(obj(1), driver, 1))()
	tab.freed(tab.Unuse(obj(1)))()
	tab.freed(tab.Unuse(obj(1)))(obj(1))
}

func TestContainmentFallsInOrder(t *testing.T) {
	tab := newTable(t)
	tab.have(driver, obj(1), obj(2), obj(3), obj(4))
	tab.ok(tab.Contain(obj(1), []ids.ObjectID{obj(3), obj(2), obj(3)}))
	tab.ok(tab.Contain(obj(2), []ids.ObjectID{obj(4)}))
	tab.ok(tab.Contain(obj(3), []ids.ObjectID{obj(4)}))
	for _, o := range []ids.ObjectID{obj(2), obj(3), obj(4)} {
		tab.freed(tab.Drop(o, driver, 1))()
	}
	if got, want := tab.Contained(obj(1)), []ids.ObjectID{obj(3), obj(2)}; !slices.Equal(got, want) {
		t.Fatalf("inside: %v", got)
	}
	tab.freed(tab.Drop(obj(1), driver, 1))(obj(1), obj(3), obj(2), obj(4))
}

func TestContainmentLeavesWhatOthersHold(t *testing.T) {
	tab := newTable(t)
	tab.have(driver, obj(1), obj(2))
	tab.ok(tab.Contain(obj(1), []ids.ObjectID{obj(2)}))
	tab.freed(tab.Drop(obj(1), driver, 1))(obj(1))
	tab.freed(tab.Drop(obj(2), driver, 1))(obj(2))
}

func TestContainRefuses(t *testing.T) {
	tab := newTable(t)
	tab.have(driver, obj(1), obj(2))
	err := tab.Contain(obj(1), []ids.ObjectID{obj(9), obj(1), obj(2)})
	if !errors.Is(err, refs.ErrUnknown) || !errors.Is(err, refs.ErrSelf) || !strings.Contains(err.Error(), obj(9).String()) {
		t.Fatalf("error %v", err)
	}
	if got := tab.Contained(obj(1)); !slices.Equal(got, []ids.ObjectID{obj(2)}) {
		t.Fatalf("the good one is inside all the same: %v", got)
	}
	if err := tab.Contain(obj(8), []ids.ObjectID{obj(1)}); !errors.Is(err, refs.ErrUnknown) {
		t.Fatalf("unknown outer: %v", err)
	}
}

func TestManyInside(t *testing.T) {
	tab := newTable(t)
	tab.have(driver, obj(0))
	var many []ids.ObjectID
	for i := range 1000 {
		o := ids.ObjectID{0: 1, 1: byte(i), 2: byte(i >> 8)}
		tab.ok(tab.Own(o, alice))
		many = append(many, o, o)
	}
	tab.ok(tab.Contain(obj(0), many))
	tab.ok(tab.Contain(obj(0), many[:20]))
	if n := len(tab.Contained(obj(0))); n != 1000 {
		t.Fatalf("%d inside", n)
	}
	freed, err := tab.Drop(obj(0), driver, 1)
	if tab.ok(err); len(freed) != 1001 || tab.Len() != 0 {
		t.Fatalf("freed %d, left %d", len(freed), tab.Len())
	}
}

func TestLongChainDoesNotRecurse(t *testing.T) {
	tab := newTable(t)
	const n = 30_000
	at := func(i int) ids.ObjectID { return ids.ObjectID{0: byte(i), 1: byte(i >> 8), 2: byte(i >> 16)} }
	for i := range n {
		tab.ok(tab.Own(at(i), driver))
		if i > 0 {
			tab.ok(tab.Contain(at(i-1), []ids.ObjectID{at(i)}))
		}
	}
	tab.ok(tab.Add(at(0), driver, 1))
	freed, err := tab.Drop(at(0), driver, 1)
	if tab.ok(err); len(freed) != n || freed[n-1] != at(n-1) {
		t.Fatalf("freed %d", len(freed))
	}
}

func TestDeadProcess(t *testing.T) {
	tab := newTable(t)
	tab.have(alice, obj(1), obj(2), obj(3))
	tab.have(driver, obj(4))
	tab.ok(tab.Add(obj(2), driver, 1)) // lives on: the driver has it
	tab.ok(tab.Add(obj(4), alice, 5))
	tab.ok(tab.Contain(obj(3), []ids.ObjectID{obj(1)}))
	tab.freed(tab.Drop(obj(4), driver, 1))()
	tab.freed(tab.DropHolder(alice), nil)(obj(3), obj(4), obj(1))
	if owner, ok := tab.Owner(obj(2)); !ok || owner != alice {
		t.Fatal("who made it stays known")
	}
	tab.freed(tab.DropHolder(alice), nil)()
	tab.freed(tab.DropHolder(bob), nil)()
	tab.freed(tab.DropHolder(driver), nil)(obj(2))
}

func TestErrorsLeaveNothingNegative(t *testing.T) {
	tab := newTable(t)
	tab.have(driver, obj(1), obj(2))
	tab.ok(tab.Add(obj(2), alice, 1))
	if freed, err := tab.Drop(obj(1), driver, 2); !errors.Is(err, refs.ErrTooMany) || !slices.Equal(freed, []ids.ObjectID{obj(1)}) {
		t.Errorf("too many of the owner: %v, %v", freed, err)
	}
	if freed, err := tab.Drop(obj(2), alice, 7); !errors.Is(err, refs.ErrTooMany) || freed != nil {
		t.Errorf("too many of a borrower: %v, %v", freed, err)
	}
	if freed, err := tab.Drop(obj(2), bob, 1); !errors.Is(err, refs.ErrTooMany) || freed != nil {
		t.Errorf("of who never had any: %v, %v", freed, err)
	}
	if _, err := tab.Unuse(obj(2)); !errors.Is(err, refs.ErrTooMany) {
		t.Errorf("unuse: %v", err)
	}
	if err := tab.Own(obj(2), bob); !errors.Is(err, refs.ErrOwner) {
		t.Errorf("own: %v", err)
	}
	tab.ok(tab.Own(obj(2), driver))
	_, dropped := tab.Drop(obj(9), driver, 1)
	_, unused := tab.Unuse(obj(9))
	for op, err := range map[string]error{
		"add": tab.Add(obj(9), driver, 1), "drop": dropped, "use": tab.Use(obj(9)), "unuse": unused,
	} {
		if !errors.Is(err, refs.ErrUnknown) || !strings.HasPrefix(err.Error(), op+" "+obj(9).String()) {
			t.Errorf("%s of an unknown object: %v", op, err)
		}
	}
	if _, ok := tab.Owner(obj(9)); ok || tab.Holders(obj(9)) != 0 || tab.Count(obj(9), driver) != 0 || tab.Contained(obj(9)) != nil {
		t.Error("something is known of an unknown object")
	}
}
