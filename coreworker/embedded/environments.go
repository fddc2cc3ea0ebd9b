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
	ready    map[string]struct{}
	underWay map[string]struct{}
	waiting  []*wish        // in the order of the wishes
	ahead    map[string]int // workers to start as soon as it is set up
}

func newEnvironments() *environments {
	return &environments{ready: map[string]struct{}{}, underWay: map[string]struct{}{}, ahead: map[string]int{}}
}

// isSetUp says whether workers can be started with env. If not it is being set up, and w (nil: nobody) goes on when that is
// over.
func (s *Scheduler) isSetUp(env string, w *wish) bool {
	e := s.envs
	if _, ready := e.ready[env]; ready || env == "" {
		return true
	}
	if _, underWay := e.underWay[env]; !underWay {
		if s.host.Prepare(env, func(failure string) { s.setUp(env, failure) }) {
			e.ready[env] = struct{}{}
			return true
		}
		e.underWay[env] = struct{}{}
	}
	if w != nil {
		e.waiting = append(e.waiting, w)
	}
	return false
}

// setUp is called when an environment is set up, or could not be: that is told to those who wait for it, and not remembered.
func (s *Scheduler) setUp(env, failure string) {
	if s.closed {
		return
	}
	e := s.envs
	delete(e.underWay, env)
	ahead := e.ahead[env]
	delete(e.ahead, env)
	if failure == "" {
		e.ready[env] = struct{}{}
		for w := e.take(env); w != nil; w = e.take(env) {
			s.add(w)
		}
		for range ahead - s.starting[env] {
			s.spawn(env)
		}
		return
	}
	// One by one: who is told of a failure takes back what else it had asked for.
	e.underWay[env] = struct{}{}
	for w := e.take(env); w != nil; w = e.take(env) {
		w.failed(unsetReply(failure))
	}
	delete(e.underWay, env)
}

// unsetReply is what those get who asked for an environment that cannot be set up.
func unsetReply(why string) peer.Reply {
	return peer.Reply{End: task.Died, Text: why, Error: objects.RuntimeEnvSetupFailed(why)}
}

// take is the first that waits for env, if any.
func (e *environments) take(env string) *wish {
	i := slices.IndexFunc(e.waiting, func(w *wish) bool { return w.env == env })
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
