package coreworker

import (
	"fmt"
	"strings"

	"github.com/mobula/mobula/coreworker/execute"
)

// namedRuns is how many of the tasks that ran in a process its obituary names; an async actor may have run thousands.
const namedRuns = 5

// Obituary is what is known of a worker process that ended.
type Obituary struct {
	PID int
	// Text is the fact in one sentence: signal or exit code, and how much memory it had used.
	Text string
	// Stderr is what it wrote there last, in lines.
	Stderr []string
	// OOM says that the kernel killed it for memory.
	OOM bool
	// Slain says that SIGKILL ended it, which was not the core's: somebody else's, or the kernel's where it had no memory.
	Slain bool
	// NeverStarted says that there was no process.
	NeverStarted bool
	// SetupFailed says that it ended because its environment could not be set up, if it had not attached by then.
	SetupFailed bool
}

// unset is why the process could not set its environment up, "" where it did not say so.
func (o Obituary) unset() string {
	switch {
	case !o.SetupFailed:
		return ""
	case len(o.Stderr) == 0:
		return o.Text
	}
	return strings.Join(o.Stderr, "\n")
}

// tell is the whole story for those whose tasks the process took with it: the fact, what ran, its last words.
func (o Obituary) tell(ran []*execute.Run) string {
	var b strings.Builder
	b.WriteString(o.Text)
	if len(ran) > 0 {
		b.WriteString("; it was running ")
		for i, r := range ran[:min(len(ran), namedRuns)] {
			if i > 0 {
				b.WriteString(", ")
			}
			b.WriteString(runName(r))
		}
		if more := len(ran) - namedRuns; more > 0 {
			fmt.Fprintf(&b, " and %d more", more)
		}
	}
	if len(o.Stderr) > 0 {
		b.WriteString("; its last words on stderr:\n")
		b.WriteString(strings.Join(o.Stderr, "\n"))
	}
	return b.String()
}

func runName(r *execute.Run) string {
	if r.Spec.Name == "" {
		return "task " + r.Spec.ID.String()
	}
	return r.Spec.Name + "()"
}
