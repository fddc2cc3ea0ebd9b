package sched_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/mobula/mobula/coreworker/sched"
)

func group(t testing.TB, s sched.Strategy, bundles ...map[string]float64) *sched.Group {
	t.Helper()
	var list []*sched.Bundle
	for _, b := range bundles {
		list = append(list, &sched.Bundle{Want: must(t, b)})
	}
	g, err := sched.NewGroup(s, list)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func TestGroupsThatCannotBe(t *testing.T) {
	for name, bundles := range map[string][]*sched.Bundle{"no bundles": nil, "empty bundle": {{}}} {
		if _, err := sched.NewGroup(sched.Pack, bundles); !errors.Is(err, sched.ErrGroup) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := sched.NewGroup(9, []*sched.Bundle{{Want: sched.CPUs(1)}}); !errors.Is(err, sched.ErrGroup) {
		t.Errorf("strategy: %v", err)
	}
}

func TestInfeasibleGroupsSayWhy(t *testing.T) {
	machine := sched.NewPool(must(t, map[string]float64{"CPU": 4, "GPU": 1}))
	one := map[string]float64{"CPU": 1}
	nowhere := group(t, sched.Pack, one, one)
	nowhere.Bundles[1].Nowhere = true
	huge := map[string]float64{"CPU": 1, "x": 1e14}
	for _, c := range []struct {
		group *sched.Group
		why   string // part of it; "" = feasible
	}{
		{group(t, sched.Spread, one, one, one, one), ""},
		{group(t, sched.StrictSpread, one), ""},
		{group(t, sched.StrictPack, map[string]float64{"GPU": 0.5}, map[string]float64{"GPU": 0.5}), ""},
		{group(t, sched.StrictSpread, one, one), "STRICT_SPREAD"},
		{group(t, sched.Pack, one, map[string]float64{"CPU": 5}), "bundle 1 asks for {CPU: 5}"},
		{group(t, sched.Pack, map[string]float64{"CPU": 2}, map[string]float64{"CPU": 3}), "{CPU: 5} together"},
		{group(t, sched.Pack, map[string]float64{"GPU": 0.6}, map[string]float64{"GPU": 0.6}), "{GPU: 1.2} together"},
		{group(t, sched.Pack, huge, huge), "bundle 0"},
		{nowhere, "labels that bundle 1"},
	} {
		why := c.group.Infeasible(machine)
		if (why == "") != (c.why == "") || !strings.Contains(why, c.why) {
			t.Errorf("%q, want %q", why, c.why)
		}
		if c.group.Reserve(machine) != (c.why == "") {
			t.Errorf("Reserve of what is %q", why)
		}
		c.group.Remove()
		if _, err := c.group.Sweep(machine); err != nil || machine.Holders() != 0 {
			t.Errorf("after its removal: %v, %d holders", err, machine.Holders())
		}
	}
}

// A sum that cannot be counted is more than any machine has; it does not wrap.
func TestSumsDoNotWrap(t *testing.T) {
	machine := sched.NewPool(must(t, map[string]float64{"x": 1e14}))
	var bundles []map[string]float64
	for range 40 {
		bundles = append(bundles, map[string]float64{"x": 1e14})
	}
	if group(t, sched.Pack, bundles...).Infeasible(machine) == "" {
		t.Fatal("40 times what there is")
	}
}

func TestReserveIsAllOrNothing(t *testing.T) {
	machine := sched.NewPool(sched.CPUs(4))
	taken, ok := machine.Take(sched.CPUs(2))
	g := group(t, sched.Pack, map[string]float64{"CPU": 2}, map[string]float64{"CPU": 1})
	if !ok || g.Reserve(machine) || g.State() != sched.GroupPending {
		t.Fatal("3 of 2")
	}
	if got := machine.Node().Available().String(); got != "{CPU: 2}" {
		t.Fatalf("free: %s", got)
	}
	if err := machine.Give(sched.CPUs(2), taken); err != nil || !g.Reserve(machine) || g.Reserve(machine) {
		t.Fatal("there is room, once")
	}
}

// The GPUs of a bundle keep the machine's numbers, and a part of a GPU is never given out as more.
func TestBundlesHaveTheGPUsOfTheMachine(t *testing.T) {
	machine := sched.NewPool(must(t, map[string]float64{"GPU": 4}))
	_, _ = machine.Take(must(t, map[string]float64{"GPU": 1})) // number 0
	g := group(t, sched.Pack, map[string]float64{"GPU": 2}, map[string]float64{"GPU": 0.5})
	if !g.Reserve(machine) {
		t.Fatal("2.5 of 3")
	}
	gpu := func(n float64) sched.Resources { return must(t, map[string]float64{"GPU": n}) }
	for _, c := range []struct {
		bundle int
		want   float64
		got    []int
		ok     bool
	}{
		{1, 1, nil, false},
		{1, 0.5, []int{3}, true},
		{sched.AnyBundle, 0.5, []int{1}, true},
		{0, 2, nil, false},
		{0, 1, []int{2}, true},
		{sched.AnyBundle, 0.6, nil, false},
	} {
		if _, got, ok := g.Take(c.bundle, gpu(c.want)); ok != c.ok || !slices.Equal(got, c.got) {
			t.Fatalf("bundle %d, %v: %v, %t; want %v, %t", c.bundle, c.want, got, ok, c.got, c.ok)
		}
	}
}

func TestARemovedGroupGivesBackWhatNobodyHolds(t *testing.T) {
	machine := sched.NewPool(sched.CPUs(3))
	g := group(t, sched.Pack, map[string]float64{"CPU": 1}, map[string]float64{"CPU": 2})
	if back, err := g.Sweep(machine); back || err != nil {
		t.Fatal("it was not removed")
	}
	g.Reserve(machine)
	pool, _, ok := g.Take(1, sched.CPUs(1))
	if !ok || !g.Has(1, pool) || g.Has(0, pool) || !g.Has(sched.AnyBundle, pool) || g.Has(sched.AnyBundle, nil) {
		t.Fatal("bundle 1 has room")
	}
	g.Remove()
	if _, _, ok := g.Take(1, sched.CPUs(1)); ok {
		t.Fatal("it was removed")
	}
	if back, err := g.Sweep(machine); !back || err != nil || machine.Node().Available().Get("CPU") != 1 {
		t.Fatalf("bundle 0 is free: %t, %v", back, err)
	}
	if err := pool.Give(sched.CPUs(1), nil); err != nil {
		t.Fatal(err)
	}
	if back, err := g.Sweep(machine); !back || err != nil || !machine.Node().Idle() {
		t.Fatalf("all is free: %t, %v", back, err)
	}
	if err := pool.Give(sched.CPUs(1), nil); !errors.Is(err, sched.ErrNotHeld) {
		t.Fatalf("given back twice: %v", err)
	}
}

// TestGroupsComeBackWhole: whatever is made, held and removed in whatever order, nothing is lost or made up.
func TestGroupsComeBackWhole(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		total := mustRapid(t, map[string]float64{"CPU": 6, "GPU": 2, "x": 3})
		machine := sched.NewPool(total)
		type grant struct {
			pool *sched.Pool
			req  sched.Resources
			gpus []int
		}
		var groups []*sched.Group
		var grants []grant
		amounts := func(label string) sched.Resources {
			m := map[string]float64{}
			for _, name := range []string{"CPU", "GPU", "x"} {
				m[name] = float64(rapid.IntRange(0, 4).Draw(t, label+name)) / 2
			}
			return mustRapid(t, m)
		}
		validate := func(t *rapid.T) {
			if err := machine.Validate(); err != nil {
				t.Fatal(err)
			}
			for _, g := range groups {
				if err := g.Validate(); err != nil {
					t.Fatal(err)
				}
			}
		}
		t.Repeat(map[string]func(*rapid.T){
			"make": func(t *rapid.T) {
				var bundles []*sched.Bundle
				for range rapid.IntRange(1, 3).Draw(t, "bundles") {
					bundles = append(bundles, &sched.Bundle{Want: amounts("bundle ")})
				}
				g, err := sched.NewGroup(sched.Strategy(rapid.IntRange(0, 3).Draw(t, "strategy")), bundles)
				if err != nil {
					t.Skip("empty bundle")
				}
				g.Reserve(machine)
				groups = append(groups, g)
			},
			"take": func(t *rapid.T) {
				req := amounts("")
				if len(groups) == 0 || rapid.Bool().Draw(t, "outside") {
					if gpus, ok := machine.Take(req); ok {
						grants = append(grants, grant{machine, req, gpus})
					}
					return
				}
				g := rapid.SampledFrom(groups).Draw(t, "group")
				if pool, gpus, ok := g.Take(rapid.IntRange(-1, len(g.Bundles)-1).Draw(t, "index"), req); ok {
					grants = append(grants, grant{pool, req, gpus})
				}
			},
			"give": func(t *rapid.T) {
				if len(grants) == 0 {
					t.Skip("none")
				}
				i := rapid.IntRange(0, len(grants)-1).Draw(t, "grant")
				if err := grants[i].pool.Give(grants[i].req, grants[i].gpus); err != nil {
					t.Fatal(err)
				}
				grants = slices.Delete(grants, i, i+1)
			},
			"remove": func(t *rapid.T) {
				if len(groups) > 0 {
					rapid.SampledFrom(groups).Draw(t, "group").Remove()
				}
			},
			"sweep": func(t *rapid.T) {
				for _, g := range groups {
					if _, err := g.Sweep(machine); err != nil {
						t.Fatal(err)
					}
				}
			},
			"": validate,
		})
		for _, g := range grants {
			if err := g.pool.Give(g.req, g.gpus); err != nil {
				t.Fatal(err)
			}
		}
		for _, g := range groups {
			g.Remove()
			if _, err := g.Sweep(machine); err != nil {
				t.Fatal(err)
			}
		}
		if gpus, ok := machine.Take(total); !ok || len(gpus) != 2 {
			t.Fatalf("left over: %s", machine.Node().Available())
		}
	})
}

func mustRapid(t *rapid.T, amounts map[string]float64) sched.Resources {
	r, err := sched.From(amounts)
	if err != nil {
		t.Fatal(err)
	}
	return r
}
