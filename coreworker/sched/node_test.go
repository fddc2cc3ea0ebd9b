package sched_test

import (
	"errors"
	"testing"

	"pgregory.net/rapid"

	"github.com/mobula/mobula/coreworker/sched"
)

func TestBlockLendsOnlyCPU(t *testing.T) {
	node := sched.New(must(t, map[string]float64{"CPU": 1, "GPU": 1}))
	both := must(t, map[string]float64{"CPU": 1, "GPU": 1})
	if !node.Acquire(both) || node.Fits(sched.CPUs(1)) {
		t.Fatal("the node is full")
	}
	if err := node.Block(both); err != nil {
		t.Fatal(err)
	}
	if got := node.Available().String(); got != "{CPU: 1}" {
		t.Fatalf("lent out: %s", got)
	}
}

func TestUnblockOversubscribes(t *testing.T) {
	node, one := sched.New(sched.CPUs(1)), sched.CPUs(1)
	node.Acquire(one)
	_ = node.Block(one)
	if !node.Acquire(one) {
		t.Fatal("the CPU of a blocked holder is free")
	}
	if err := node.Unblock(one); err != nil {
		t.Fatal(err)
	}
	if !node.Available().IsZero() {
		t.Fatalf("people see %s", node.Available())
	}
	_ = node.Release(one)
	if node.Fits(one) {
		t.Fatal("one is held, of one")
	}
	if !node.Fits(sched.Resources{}) {
		t.Fatal("what needs no CPU runs on a full node")
	}
	_ = node.Release(one)
	if !node.Idle() || !node.Fits(one) {
		t.Fatal("all was given back")
	}
}

func TestZeroCPUFitsOversubscribed(t *testing.T) {
	node := sched.New(must(t, map[string]float64{"CPU": 1, "slot": 1}))
	one := sched.CPUs(1)
	node.Acquire(one)
	_ = node.Block(one)
	node.Acquire(one)
	_ = node.Unblock(one)
	if !node.Acquire(must(t, map[string]float64{"slot": 1})) {
		t.Fatal("a task without CPU waits for CPU")
	}
}

func TestGivingBackTooMuch(t *testing.T) {
	node, one := sched.New(must(t, map[string]float64{"CPU": 2, "x": 1})), sched.CPUs(1)
	node.Acquire(one)
	for name, err := range map[string]error{
		"release two":     node.Release(sched.CPUs(2)),
		"release x":       node.Release(must(t, map[string]float64{"x": 1})),
		"release unknown": node.Release(must(t, map[string]float64{"y": 1})),
		"block two":       node.Block(sched.CPUs(2)),
		"unblock":         node.Unblock(one),
	} {
		if !errors.Is(err, sched.ErrNotHeld) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if got := node.Available().String(); got != "{CPU: 1, x: 1}" {
		t.Fatalf("errors changed the node: %s", got)
	}
}

// TestNodeModel compares a node with plain lists of who holds what.
func TestNodeModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		type holder struct {
			req     sched.Resources
			blocked bool
		}
		amounts := func(label string) sched.Resources {
			m := map[string]float64{}
			for _, name := range []string{"CPU", "GPU", "x"} {
				m[name] = float64(rapid.IntRange(0, 4).Draw(t, label+name)) / 2
			}
			r, err := sched.From(m)
			if err != nil {
				t.Fatal(err)
			}
			return r
		}
		total := amounts("total ")
		node := sched.New(total)
		var holders []*holder
		free := func(name string) float64 {
			left := total.Get(name)
			for _, h := range holders {
				if name != sched.CPU || !h.blocked {
					left -= h.req.Get(name)
				}
			}
			return left
		}
		pick := func(t *rapid.T, blocked bool) *holder {
			var fit []*holder
			for _, h := range holders {
				if h.blocked == blocked {
					fit = append(fit, h)
				}
			}
			if len(fit) == 0 {
				t.Skip("none")
			}
			return rapid.SampledFrom(fit).Draw(t, "holder")
		}
		t.Repeat(map[string]func(*rapid.T){
			"acquire": func(t *rapid.T) {
				req := amounts("")
				fits, feasible := true, true
				for name, want := range req.All() {
					fits = fits && want <= free(name)
					feasible = feasible && want <= total.Get(name)
				}
				if node.Feasible(req) != feasible || node.Fits(req) != fits || node.Acquire(req) != fits {
					t.Fatalf("%s of %s: fits %t, feasible %t", req, node.Available(), fits, feasible)
				}
				if fits {
					holders = append(holders, &holder{req: req})
				}
			},
			"block": func(t *rapid.T) {
				h := pick(t, false)
				if err := node.Block(h.req); err != nil {
					t.Fatal(err)
				}
				h.blocked = true
			},
			"unblock": func(t *rapid.T) {
				h := pick(t, true)
				if err := node.Unblock(h.req); err != nil {
					t.Fatal(err)
				}
				h.blocked = false
			},
			"release": func(t *rapid.T) {
				h := pick(t, false)
				if err := node.Release(h.req); err != nil {
					t.Fatal(err)
				}
				for i := range holders {
					if holders[i] == h {
						holders = append(holders[:i], holders[i+1:]...)
						break
					}
				}
			},
			"": func(t *rapid.T) {
				if err := node.Validate(); err != nil {
					t.Fatal(err)
				}
				for _, name := range []string{"CPU", "GPU", "x"} {
					if got, want := node.Available().Get(name), max(free(name), 0); got != want {
						t.Fatalf("%s: %v available, want %v", name, got, want)
					}
				}
			},
		})
	})
}

func BenchmarkAcquireRelease(b *testing.B) {
	node, one := sched.New(sched.CPUs(2)), sched.CPUs(1)
	b.ReportAllocs()
	for b.Loop() {
		node.Acquire(one)
		_ = node.Release(one)
	}
}
