package coreworker

import (
	"cmp"
	"math/rand/v2"
	"slices"
	"testing"
)

func TestTheSmallestAreKept(t *testing.T) {
	for _, n := range []int{0, 1, 7, 100} {
		for _, most := range []int{0, 1, 5, 100, 200} {
			all := rand.Perm(n)
			kept := smallest[int](most, cmp.Compare[int])
			for _, one := range all {
				kept.offer(one)
			}
			slices.Sort(all)
			if got, want := kept.sorted(), all[:min(n, most)]; !slices.Equal(got, want) {
				t.Errorf("the %d smallest of %d: %v", most, n, got)
			}
			if kept.offered != n {
				t.Errorf("%d offered, %d counted", n, kept.offered)
			}
		}
	}
}
