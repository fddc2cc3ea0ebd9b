package lease_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func simulate(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld(nil)
		out := map[string]bool{}    // questions without an answer
		wanted := map[string]bool{} // wishes without an outcome
		used := map[string]bool{}   // workers in use
		granted, back, n := 0, 0, 0
		do := func(line string) {
			answer, err := script.Do(w, line)
			if err != nil {
				t.Fatalf("%s: %v", line, err)
			}
			for _, said := range strings.Split(answer, "\n") {
				switch f := strings.Fields(said); {
				case len(f) == 0:
				case f[0] == "ask":
					out[f[1]] = true
				case f[0] == "give-back":
					back++
					if f[1] == "" {
						t.Fatal("a worker without a name")
					}
				case f[0] == "granted":
					delete(wanted, f[1])
					used[newest(w)] = true
				case f[0] == "failed":
					delete(wanted, f[1])
				}
			}
		}
		pick := func(of map[string]bool) string {
			return rapid.SampledFrom(slices.Sorted(maps.Keys(of))).Draw(t, "which")
		}
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			switch verb := rapid.IntRange(0, 9).Draw(t, "verb"); {
			case verb <= 1:
				n++
				name := fmt.Sprint("w", n)
				wanted[name] = true
				do(fmt.Sprintf("wish %s env=%d", name, rapid.IntRange(0, 1).Draw(t, "env")))
			case verb == 2 && len(wanted) > 0:
				name := pick(wanted)
				delete(wanted, name)
				do("unwish " + name)
			case verb <= 6 && len(out) > 0:
				id := pick(out)
				delete(out, id)
				switch rapid.IntRange(0, 4).Draw(t, "answer") {
				case 0, 1:
					granted++
					do(fmt.Sprintf("grant %s worker%d", id, granted))
				case 2:
					do("elsewhere " + id + " there")
				case 3:
					do("reject " + id)
				default:
					do("cancel " + id)
				}
			case verb == 7 && len(used) > 0:
				worker := pick(used)
				delete(used, worker)
				do(rapid.SampledFrom([]string{"return " + worker, "lost " + worker + " broken"}).Draw(t, "end"))
			case verb == 8:
				do(fmt.Sprintf("sleep ms=%d", rapid.IntRange(1, 600).Draw(t, "ms")))
			}
		}
		for len(wanted)+len(out)+len(used) > 0 {
			for name := range maps.Clone(wanted) {
				delete(wanted, name)
				do("unwish " + name)
			}
			for id := range maps.Clone(out) {
				delete(out, id)
				granted++
				do(fmt.Sprintf("grant %s worker%d", id, granted))
			}
			for worker := range maps.Clone(used) {
				delete(used, worker)
				do("return " + worker)
			}
		}
		do("sleep ms=1000")
		if wishes, asked, inUse, idle := w.l.Counts(); wishes+asked+inUse+idle > 0 || granted != back || len(w.timers) > 0 {
			t.Fatalf("%d wishes, %d asked, %d in use, %d idle; %d granted and %d given back; %d timers", wishes, asked, inUse, idle, granted, back, len(w.timers))
		}
	})
}

// newest is the worker that was leased last.
func newest(w *world) string { return w.last }
