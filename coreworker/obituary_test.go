package coreworker

import (
	"testing"

	"github.com/mobula/mobula/coreworker/execute"
	"github.com/mobula/mobula/coreworker/peer"
	"github.com/mobula/mobula/coreworker/task"
)

func running(names ...string) []*execute.Run {
	var out []*execute.Run
	for _, name := range names {
		out = append(out, &execute.Run{Push: &peer.Push{Spec: &task.Spec{Name: name}}})
	}
	return out
}

func TestAnObituaryTellsWhatIsKnownAndNothingElse(t *testing.T) {
	fact := "worker 7 exited with code 3"
	for _, c := range []struct {
		stderr []string
		ran    []*execute.Run
		want   string
	}{
		{nil, nil, fact},
		{nil, running("f"), fact + "; it was running f()"},
		{[]string{"a", "b"}, nil, fact + "; its last words on stderr:\na\nb"},
		{[]string{"a"}, running("A.x", "A.y"), fact + "; it was running A.x(), A.y(); its last words on stderr:\na"},
		{nil, running("1", "2", "3", "4", "5"), fact + "; it was running 1(), 2(), 3(), 4(), 5()"},
		{nil, running("1", "2", "3", "4", "5", "6", "7"), fact + "; it was running 1(), 2(), 3(), 4(), 5() and 2 more"},
	} {
		if got := (Obituary{Text: fact, Stderr: c.stderr}).tell(c.ran); got != c.want {
			t.Errorf("got  %q\nwant %q", got, c.want)
		}
	}
}
