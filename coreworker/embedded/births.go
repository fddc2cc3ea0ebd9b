package embedded

import (
	"fmt"
	"slices"

	"github.com/mobula/mobula/coreworker/peer"
	"github.com/mobula/mobula/coreworker/task"
)

const (
	// stillborn is how many workers of one environment may end in a row before they are ready. It is the environment then that
	// does not work, and the next one would end the same way: who waits for one is told.
	stillborn = 4
	// slainYoung is the same for workers that were killed from outside. It says nothing of the environment, and the next one
	// mostly lives; so many in a row means that none will, on a machine without memory say.
	slainYoung = 20
)

// lost counts workers that were never ready, in a row.
type lost struct{ ended, slain int }

// lostBirth is told that a worker never became ready. One that had no process at all, or could not set its environment up,
// fails one wish, which it was started for.
func (s *Scheduler) lostBirth(w *Worker, end End) {
	s.arrived(w)
	if end.NeverStarted || end.Unset != "" {
		delete(s.envs.ready, w.Kind) // what was set up may be gone: the next one looks
		if i := slices.IndexFunc(s.placed, func(p *wish) bool { return p.kind == w.Kind }); i >= 0 {
			r := peer.Reply{End: task.Died, Text: "no worker process could be started: " + end.Text}
			if end.Unset != "" {
				r = unsetReply(end.Unset)
			}
			s.fail(s.placed[i], r)
		}
		return
	}
	row := s.stillborn[w.Kind]
	if end.Slain {
		row.slain++
	} else {
		row.ended++
	}
	s.stillborn[w.Kind] = row
	if row.ended < stillborn && row.slain < slainYoung {
		return // schedule starts the next one
	}
	waiting := slices.DeleteFunc(slices.Concat(s.placed, s.wishes), func(p *wish) bool { return p.kind != w.Kind })
	for _, p := range waiting {
		s.fail(p, peer.Reply{End: task.Died, Text: fmt.Sprintf("%d worker processes%s in a row ended before they were ready, so no more are started for what waits; "+
			"the last one: %s", row.ended+row.slain, inEnvironment(w.Kind.Env), end.Text)})
	}
}

func inEnvironment(env string) string {
	if env == "" {
		return ""
	}
	return " of the runtime_env " + env
}

// fail ends a wish that cannot come true. One that was taken back meanwhile, by what an earlier one's end has set off, is
// left alone.
func (s *Scheduler) fail(w *wish, r peer.Reply) {
	if i := slices.Index(s.placed, w); i >= 0 {
		s.placed = slices.Delete(s.placed, i, i+1)
		s.giveBack(w)
	} else if i := slices.Index(s.wishes, w); i >= 0 {
		s.wishes = slices.Delete(s.wishes, i, i+1)
	} else {
		return
	}
	w.failed(r)
}
