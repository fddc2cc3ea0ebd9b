package coreworker

import (
	"fmt"
	"testing"
	"testing/synctest"
)

// TestSlainWorkersAreReplaced: what kills workers from outside before they are ready says nothing of what waits for them, so that
// waits on for many more than it would where they end by themselves; but not for ever.
func TestSlainWorkersAreReplaced(t *testing.T) {
	for _, c := range []struct {
		slain, ended int
		want         string
	}{
		{slain: 19, ended: 3, want: "pending"}, {slain: 20, want: "WorkerCrashedError"}, {slain: 2, ended: 4, want: "WorkerCrashedError"},
	} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t)
			do := func(line string) {
				t.Helper()
				if _, err := script.Do(w, line); err != nil {
					t.Fatalf("%s: %v", line, err)
				}
			}
			do("init cpus=1")
			do("submit a")
			for n := range c.slain + c.ended {
				how := ""
				if n < c.slain {
					how = " slain"
				}
				do(fmt.Sprintf("die w%d%s", n+1, how))
			}
			if got := w.outcome("a"); got != c.want {
				t.Errorf("after %d that were killed and %d that ended: %s", c.slain, c.ended, got)
			}
		})
	}
}
