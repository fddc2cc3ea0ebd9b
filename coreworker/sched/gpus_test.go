package sched_test

import (
	"errors"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/mobula/mobula/coreworker/sched"
)

func TestGPUs(t *testing.T) {
	gpus := sched.NewGPUs(3)
	of := func(n float64) sched.Resources { return must(t, map[string]float64{"GPU": n}) }
	for _, c := range []struct {
		want float64
		got  []int
		ok   bool
	}{
		{0, nil, true},
		{0.6, []int{0}, true},
		{0.6, []int{1}, true},
		{0.3, []int{0}, true}, // beside the first, so that GPU 2 stays whole
		{1.5, nil, false},
		{2, nil, false},
		{1, []int{2}, true},
		{0.5, nil, false}, // 0.4 + 0.1 are free, but on two GPUs
	} {
		if got, ok := gpus.Assign(of(c.want)); ok != c.ok || !slices.Equal(got, c.got) {
			t.Fatalf("Assign(%v) = %v, %t; want %v, %t", c.want, got, ok, c.got, c.ok)
		}
	}
	if err := gpus.Free(of(0.6), []int{1}); err != nil {
		t.Fatal(err)
	}
	for _, bad := range [][]int{{1}, {3}, {-1}} {
		if err := gpus.Free(of(0.6), bad); !errors.Is(err, sched.ErrGPUs) {
			t.Errorf("Free(%v): %v", bad, err)
		}
	}
}

func TestGPUsComeBackWhole(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		gpus := sched.NewGPUs(4)
		type grant struct {
			req sched.Resources
			ids []int
		}
		var grants []grant
		for _, tenths := range rapid.SliceOf(rapid.IntRange(0, 30)).Draw(t, "tenths") {
			req, err := sched.From(map[string]float64{"GPU": float64(tenths) / 10})
			if err != nil {
				t.Fatal(err)
			}
			if ids, ok := gpus.Assign(req); ok {
				grants = append(grants, grant{req, ids})
			}
		}
		for _, g := range grants {
			if err := gpus.Free(g.req, g.ids); err != nil {
				t.Fatal(err)
			}
		}
		all, err := sched.From(map[string]float64{"GPU": 4})
		if err != nil {
			t.Fatal(err)
		}
		if _, ok := gpus.Assign(all); !ok {
			t.Fatal("not all came back")
		}
	})
}
