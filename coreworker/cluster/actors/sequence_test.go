package actors_test

import (
	"testing"

	"pgregory.net/rapid"

	"github.com/mobula/mobula/coreworker/cluster/actors"
)

// TestSequence holds a sequence to what an executor ends its process over, or waits for in vain: a number given twice, or an "all
// up to here" that is not so.
func TestSequence(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var s actors.Sequence
		open := map[string]map[uint64]bool{"": {}, "io": {}}
		next := map[string]uint64{}
		for range rapid.IntRange(1, 80).Draw(t, "steps") {
			group := rapid.SampledFrom([]string{"", "io"}).Draw(t, "group")
			if rapid.Bool().Draw(t, "call") {
				n, upTo := s.Next(group)
				if n != next[group] {
					t.Fatalf("number %d, want %d", n, next[group])
				}
				next[group]++
				low := int64(n)
				for o := range open[group] {
					low = min(low, int64(o))
				}
				if upTo != low-1 {
					t.Fatalf("all up to %d have answers; %d has none", upTo, low)
				}
				open[group][n] = true
				continue
			}
			n := rapid.Uint64Range(0, 30).Draw(t, "answered") // also one that has its answer, or was never given
			s.Answered(group, n)
			delete(open[group], n)
		}
	})
}
