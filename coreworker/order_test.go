package coreworker

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/mobula/mobula/coreworker/ids"
	"github.com/mobula/mobula/coreworker/sched"
)

// Whatever comes when, and how often: mutations run once each in the order of their numbers, and what waits for one runs
// after it and before the process is at rest.
func TestOrderOfAProcess(t *testing.T) {
	for seed := range uint64(200) {
		rng := rand.New(rand.NewPCG(seed, 2))
		c := New(Config{Resources: sched.CPUs(1)})
		p := c.Attach(ids.DriverWorker(c.Job), Driver, 1)
		const n = 40
		var applied, asked []int
		var todo []func()
		for i := 1; i <= n; i++ {
			for range 1 + rng.IntN(2) {
				todo = append(todo, func() { p.Mutate(uint64(i), Parcel{Bytes: 10}, func() { applied = append(applied, i) }) })
			}
			todo = append(todo, func() {
				p.After(uint64(i), Parcel{Bytes: 1}, func() {
					if asked = append(asked, i); len(applied) < i {
						t.Errorf("seed %d: asked after %d, at %d", seed, i, len(applied))
					}
				})
			})
		}
		rng.Shuffle(len(todo), func(a, b int) { todo[a], todo[b] = todo[b], todo[a] })
		for _, do := range todo {
			do()
		}
		if len(applied) != n || !slices.IsSorted(applied) || len(asked) != n || p.Held() != 0 || p.order.bytes != 0 || len(p.order.late) != 0 {
			t.Fatalf("seed %d: applied %v, asked %v, %+v", seed, applied, asked, p.order)
		}
		c.Close()
	}
}

// A process that ends while what it sent is being applied: the rest of it is not carried out.
func TestOrderEndsWithItsProcess(t *testing.T) {
	c := New(Config{Resources: sched.CPUs(1)})
	p := c.Attach(ids.DriverWorker(c.Job), Driver, 1)
	ran := 0
	p.Mutate(2, Parcel{}, func() { ran++ })
	p.Mutate(3, Parcel{}, func() { ran++; p.gone = true; p.order.late = nil })
	p.Mutate(4, Parcel{}, func() { ran++ })
	p.After(3, Parcel{}, func() { ran++ })
	p.Mutate(1, Parcel{}, func() { ran++ })
	if ran != 3 {
		t.Errorf("%d ran", ran)
	}
}

// A lane that is cut off takes back what it has brought too early, and nobody else's.
func TestOrderUnsend(t *testing.T) {
	c := New(Config{Resources: sched.CPUs(1)})
	p := c.Attach(ids.DriverWorker(c.Job), Driver, 1)
	var ran []string
	note := func(what string) func() { return func() { ran = append(ran, what) } }
	p.Mutate(2, Parcel{"a", 5}, note("2 of a"))
	p.Mutate(2, Parcel{"b", 5}, note("2 of b"))
	p.Mutate(3, Parcel{"a", 5}, note("3 of a"))
	p.After(2, Parcel{"a", 5}, note("after 2, of a"))
	p.After(2, Parcel{"b", 5}, note("after 2, of b"))
	p.Unsend("a")
	p.Mutate(1, Parcel{}, note("1"))
	if !slices.Equal(ran, []string{"1", "2 of b", "after 2, of b"}) || p.Held() != 0 || p.order.bytes != 0 {
		t.Errorf("%v, %+v", ran, p.order)
	}
}

// Requests that wait for a mutation count as mutations do.
func TestOrderIsBounded(t *testing.T) {
	c := New(Config{Resources: sched.CPUs(1)})
	p := c.Attach(ids.DriverWorker(c.Job), Driver, 1)
	for range maxLate {
		p.After(9, Parcel{"a", 1}, func() {})
	}
	if err := p.Excess(); err != nil {
		t.Fatal(err)
	}
	p.After(9, Parcel{"b", 1}, func() {})
	if p.Excess() == nil {
		t.Error("one more than may wait is no excess")
	}
	p.Unsend("b")
	if err := p.Excess(); err != nil {
		t.Error(err)
	}
	p.Mutate(2, Parcel{"c", maxLateBytes}, func() {})
	if p.Excess() == nil {
		t.Error("more bytes than may wait are no excess")
	}
}
