package coreworker

import (
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"
)

// TestSimulationIsItsScript: a seed always does the same, and so do the lines of its script when they are played alone. Without
// that the script of a seed that failed may not show what failed.
func TestSimulationIsItsScript(t *testing.T) {
	start := rand.Uint64() >> 16
	for seed := start; seed < start+uint64(env(t, "MOBULA_SIM_REPLAYS", 5)) && !t.Failed(); seed++ {
		steps := 40 + int(seed%200)
		first := simulate(t, seed, steps)
		sameTrace(t, seed, "when it was run again", first, simulate(t, seed, steps).trace)
		sameTrace(t, seed, "when its script was played", first, play(t, first.lines))
	}
}

// play runs the lines of a script and gives their answers.
func play(t *testing.T, lines []string) (trace []string) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		for _, line := range lines {
			answer, err := script.Do(w, line)
			if err != nil {
				t.Fatalf("%s: %v", line, err)
			}
			trace = append(trace, answer)
		}
	})
	return trace
}

func sameTrace(t *testing.T, seed uint64, when string, first *sim, second []string) {
	t.Helper()
	if slices.Equal(first.trace, second) {
		return
	}
	at := 0
	for at < len(second) && at < len(first.trace) && first.trace[at] == second[at] {
		at++
	}
	if at == len(second) || at == len(first.trace) {
		t.Fatalf("seed %d: %d answers, and %d %s", seed, len(first.trace), len(second), when)
	}
	t.Fatalf("seed %d: another answer to line %d, %q, %s:\n%s\nwas at first:\n%s", seed, at+1, first.lines[at], when, second[at], first.trace[at])
}
