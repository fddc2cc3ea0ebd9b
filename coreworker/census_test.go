package coreworker

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"
	"testing/synctest"
)

// TestTablesDoNotGrow: after work of every kind, with deaths and cancels, each table of the core has again what it had after the first
// of it, whatever it is: what is counted is every map, slice and list that the core leads to.
func TestTablesDoNotGrow(t *testing.T) {
	const episodes = 30
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		n := 0
		most := map[string]int{} // in the first half
		for episode := range episodes {
			s := &sim{t: t, w: w, n: n, seed: uint64(episode), rng: rand.New(rand.NewPCG(uint64(episode), 2)), leafs: map[string]bool{}}
			if episode == 0 {
				s.do("init cpus=3")
			}
			for range 60 {
				s.step()
			}
			s.finish()
			n = s.n
			clear(w.tasks) // of the test's own, that are looked through after every line
			clear(w.outcomes)
			clear(w.began)
			var now map[string]int
			w.core.Do(func() { now = census(w.core) })
			for _, table := range slices.Sorted(maps.Keys(now)) {
				if episode < episodes/2 {
					most[table] = max(most[table], now[table])
				} else if now[table] > most[table]+bounded[table] {
					t.Errorf("after %d times: %s has %d entries, in the first half it had %d at most", episode+1, table, now[table], most[table])
				}
			}
		}
		t.Logf("%d tasks", n)
	})
}

// TestClassesOfTasksAreForgotten: one is made for each placement group, environment, limit of calls … that tasks name.
func TestClassesOfTasksAreForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		lines := []string{"init cpus=1", "submit stays env=first"}
		for n := range 300 {
			lines = append(lines, fmt.Sprintf("submit t%d env=e%d", n, n), fmt.Sprintf("cancel t%d", n))
		}
		for _, line := range append(lines, "attach w1", "begin w1", "end stays", "submit again env=first", "begin w1", "end again") {
			if _, err := script.Do(w, line); err != nil {
				t.Fatalf("%s: %v", line, err)
			}
		}
		if n := census(w.core)["submit.Normal.classes"]; n > 128 {
			t.Errorf("%d classes are left", n)
		}
		if got := w.outcome("stays") + ", " + w.outcome("again"); got != "value of stays, value of again" {
			t.Error(got)
		}
	})
}

// bounded are tables that are kept on purpose, and by how much they may grow; for free places that is what once was in use.
var bounded = map[string]int{
	"embedded.groups.all": 1000, "embedded.groups.order": 1000, "embedded.groups.removed": 1000, // removed groups
	"embedded.GroupSpec.Bundles": 2000, "sched.Group.Bundles": 2000, // of those
	"embedded.Scheduler.warned": 1000,
	"events.Log[github.com/mobula/mobula/coreworker/events.Attempt].chunks": keptAttempts + 2048,
	"events.Log[github.com/mobula/mobula/coreworker/events.Taken].chunks":   keptAttempts + 2048,
	"submit.Normal.classes": 64, "task.Spec.Args": 64, // classes of tasks, and the first task of each
	"refs.procs.list": 16, "refs.procs.vacant": 16, "refs.slab.vacant": 64,
}

// census counts the entries of the tables that can be reached from a value, by the field that holds them.
func census(of any) map[string]int {
	c := counter{seen: map[any]bool{}, counts: map[string]int{}}
	c.look(reflect.ValueOf(of), "")
	return c.counts
}

type counter struct {
	seen   map[any]bool
	counts map[string]int
}

func (c *counter) look(v reflect.Value, where string) {
	switch v.Type() {
	case reflect.TypeFor[world](), reflect.TypeFor[fakeLane](), reflect.TypeFor[fakeWorker]():
		return // what the test itself remembers
	}
	switch v.Kind() {
	case reflect.Pointer:
		key := [2]any{v.Type(), v.Pointer()}
		if !v.IsNil() && !c.seen[key] {
			c.seen[key] = true
			c.look(v.Elem(), where)
		}
	case reflect.Interface:
		if !v.IsNil() {
			c.look(v.Elem(), where)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			c.look(v.Field(i), fmt.Sprintf("%s.%s", v.Type(), v.Type().Field(i).Name))
		}
	case reflect.Map:
		c.counts[where] += v.Len()
		for entries := v.MapRange(); entries.Next(); {
			c.look(entries.Key(), where)
			c.look(entries.Value(), where)
		}
	case reflect.Slice:
		c.counts[where] += v.Len()
		fallthrough
	case reflect.Array:
		if k := v.Type().Elem().Kind(); k < reflect.Bool || k > reflect.Complex128 { // of numbers nothing leads on
			for i := range v.Len() {
				c.look(v.Index(i), where)
			}
		}
	}
}
