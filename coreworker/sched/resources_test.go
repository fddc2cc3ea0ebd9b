package sched_test

import (
	"errors"
	"maps"
	"math"
	"testing"

	"pgregory.net/rapid"

	"github.com/mobula/mobula/coreworker/sched"
)

func must(t testing.TB, amounts map[string]float64) sched.Resources {
	t.Helper()
	r, err := sched.From(amounts)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestFrom(t *testing.T) {
	for _, c := range []struct {
		amounts map[string]float64
		want    string // "" = refused
	}{
		{nil, "{}"},
		{map[string]float64{"CPU": 0, "GPU": 0}, "{}"},
		{map[string]float64{"CPU": 1}, "{CPU: 1}"},
		{map[string]float64{"zebra": 3, "CPU": 0.5, "GPU": 2}, "{CPU: 0.5, GPU: 2, zebra: 3}"},
		{map[string]float64{"CPU": 0.57}, "{CPU: 0.57}"},
		{map[string]float64{"CPU": 0.0001}, "{CPU: 0.0001}"},
		{map[string]float64{"memory": 1 << 40}, "{memory: 1099511627776}"},
		{map[string]float64{"CPU": 0.00001}, ""},
		{map[string]float64{"CPU": -1}, ""},
		{map[string]float64{"x": math.NaN()}, ""},
		{map[string]float64{"x": math.Inf(1)}, ""},
		{map[string]float64{"": 1}, ""},
	} {
		r, err := sched.From(c.amounts)
		if (err == nil) != (c.want != "") || err == nil && r.String() != c.want {
			t.Errorf("From(%v) = %s, %v; want %q", c.amounts, r, err, c.want)
		}
		if err != nil && !errors.Is(err, sched.ErrResources) {
			t.Errorf("From(%v): %v is not ErrResources", c.amounts, err)
		}
	}
}

func TestCollectRefusesTwice(t *testing.T) {
	for _, name := range []string{"CPU", "x"} {
		_, err := sched.Collect(func(yield func(string, float64) bool) {
			_ = yield(name, 1) && yield("y", 1) && yield(name, 0)
		})
		if !errors.Is(err, sched.ErrResources) {
			t.Errorf("%s named twice: %v", name, err)
		}
	}
}

func TestTenthsFillOne(t *testing.T) {
	node, tenth := sched.New(sched.CPUs(1)), must(t, map[string]float64{"CPU": 0.1})
	for i := range 10 {
		if !node.Acquire(tenth) {
			t.Fatalf("tenth number %d does not fit", i+1)
		}
	}
	if node.Acquire(tenth) {
		t.Fatal("eleven tenths fit")
	}
}

func TestKey(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		gen := rapid.MapOf(rapid.StringN(1, 3, -1), rapid.Float64Range(0, 3).Filter(func(f float64) bool { return f == 0 || f > 1e-3 }))
		a, errA := sched.From(gen.Draw(t, "a"))
		b, errB := sched.From(gen.Draw(t, "b"))
		if errA != nil || errB != nil {
			t.Skip("not resources")
		}
		if (a.Key() == b.Key()) != a.Equal(b) {
			t.Fatalf("keys of %s and %s", a, b)
		}
		again, err := sched.From(maps.Collect(a.All()))
		if err != nil || !again.Equal(a) {
			t.Fatalf("%s came back as %s, %v", a, again, err)
		}
	})
}

func TestCommonKeyCostsNothing(t *testing.T) {
	one := sched.CPUs(1)
	if n := testing.AllocsPerRun(100, func() { _ = one.Key() }); n != 0 {
		t.Fatalf("%v allocations", n)
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(`{"CPU": 2, "GPU": 0.5}`))
	f.Add([]byte(`{"CPU": -1}`))
	f.Add([]byte(`{"a": 1e300}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		r, err := sched.Parse(text)
		if err != nil {
			return
		}
		if node := sched.New(r); !node.Feasible(r) || !node.Acquire(r) || node.Release(r) != nil || node.Validate() != nil {
			t.Fatalf("%s does not fit itself", r)
		}
	})
}
