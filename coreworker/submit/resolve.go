package submit

import (
	"github.com/mobula/mobula/coreworker/objects"
	"github.com/mobula/mobula/coreworker/peer"
	"github.com/mobula/mobula/coreworker/task"
)

// Resolve waits until every reference argument is there, then calls done. When one of them is an error, failed gets that
// error at once: the task does not run and its returns hold the same error, as Ray's do.
// stop ends the wait; neither function is called after it.
func Resolve(env Env, s *task.Spec, done func([]objects.Value), failed func(objects.Value)) (stop func()) {
	missing, over := 0, false
	var stops []func()
	end := func() {
		over = true
		for _, s := range stops {
			s()
		}
	}
	for i := range s.Args {
		if !s.Args[i].IsRef {
			continue
		}
		id := s.Args[i].Ref
		if v, ok := env.Value(id); ok {
			if v.IsError {
				end()
				failed(v)
				return func() {}
			}
			continue
		}
		missing++
		stops = append(stops, env.OnReady(id, func() {
			if over {
				return
			}
			missing--
			if v, ok := env.Value(id); ok && v.IsError {
				end()
				failed(v)
			} else if missing == 0 {
				over = true
				done(argValues(env, s))
			}
		}))
	}
	if missing == 0 {
		over = true
		done(argValues(env, s))
		return func() {}
	}
	return end
}

func argValues(env Env, s *task.Spec) []objects.Value {
	var out []objects.Value
	for i := range s.Args {
		if s.Args[i].IsRef {
			if out == nil {
				out = make([]objects.Value, len(s.Args))
			}
			out[i], _ = env.Value(s.Args[i].Ref)
		}
	}
	return out
}

// ready tells who wants to know that a task's arguments are there.
func ready(env Env, e *task.Entry) {
	if w := env.Witness(); w != nil {
		w.Ready(e)
	}
}

// again begins the next attempt of a task.
func again(env Env, e *task.Entry, r peer.Reply) {
	if w := env.Witness(); w != nil {
		w.Again(e, r)
	}
	e.UseAttempt()
}
