package embedded

import (
	"slices"

	"github.com/mobula/mobula/coreworker/objects"
	"github.com/mobula/mobula/coreworker/peer"
	"github.com/mobula/mobula/coreworker/task"
)

// environments is which environments are set up, and who waits for one that is not. A wish gets resources only when a worker
// could start for it: installing packages takes minutes, and nobody else is to wait for that.
type environments struct {
	ready    map[Kind]struct{}
	underWay map[Kind]struct{}
	waiting  []*wish      // in the order of the wishes
	ahead    map[Kind]int // workers to start as soon as it is set up
}

func newEnvironments() *environments {
	return &environments{ready: map[Kind]struct{}{}, underWay: map[Kind]struct{}{}, ahead: map[Kind]int{}}
}

// isSetUp says whether workers of a kind can be started. If not it is being set up, and w (nil: nobody) goes on when that is
// over.
func (s *Scheduler) isSetUp(kind Kind, w *wish) bool {
	e := s.envs
	if _, ready := e.ready[kind]; ready || kind.Env == "" {
		return true
	}
	if _, underWay := e.underWay[kind]; !underWay {
		if s.host.Prepare(kind, func(failure string) { s.setUp(kind, failure) }) {
			e.ready[kind] = struct{}{}
			return true
		}
		e.underWay[kind] = struct{}{}
	}
	if w != nil {
		e.waiting = append(e.waiting, w)
	}
	return false
}

// setUp is called when an environment is set up, or could not be: that is told to those who wait for it, and not remembered.
func (s *Scheduler) setUp(kind Kind, failure string) {
	if s.closed {
		return
	}
	e := s.envs
	delete(e.underWay, kind)
	ahead := e.ahead[kind]
	delete(e.ahead, kind)
	if failure == "" {
		e.ready[kind] = struct{}{}
		for w := e.take(kind); w != nil; w = e.take(kind) {
			s.add(w)
		}
		for range ahead - s.starting[kind] {
			s.spawn(kind)
		}
		return
	}
	// One by one: who is told of a failure takes back what else it had asked for.
	e.underWay[kind] = struct{}{}
	for w := e.take(kind); w != nil; w = e.take(kind) {
		w.failed(unsetReply(failure))
	}
	delete(e.underWay, kind)
}

// unsetReply is what those get who asked for an environment that cannot be set up.
func unsetReply(why string) peer.Reply {
	return peer.Reply{End: task.Died, Text: why, Error: objects.RuntimeEnvSetupFailed(why)}
}

// take is the first that waits for a worker of the kind, if any.
func (e *environments) take(kind Kind) *wish {
	i := slices.IndexFunc(e.waiting, func(w *wish) bool { return w.kind == kind })
	if i < 0 {
		return nil
	}
	w := e.waiting[i]
	e.waiting = slices.Delete(e.waiting, i, i+1)
	return w
}

func (e *environments) drop(w *wish) {
	if i := slices.Index(e.waiting, w); i >= 0 {
		e.waiting = slices.Delete(e.waiting, i, i+1)
	}
}
