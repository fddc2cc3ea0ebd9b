package embedded

import (
	"cmp"
	"slices"

	"github.com/mobula/mobula/coreworker/ids"
	"github.com/mobula/mobula/coreworker/sched"
)

// JobOver ends what a job has here, whose driver is gone: its placement groups, and its workers with what runs in them. Detached
// actors go on, with those that work for them; nothing is started for anybody else. It says which workers were killed. Actors are
// the directory's: those of the driver have ended before, and those of a worker end with it.
//
//	worker of the job: submits, on its way            core: the job is over, the worker is killed
//	core: its wish is read before its end: it is refused, or a worker would start that nobody ends
func (s *Scheduler) JobOver(job ids.JobID, why string) (killed []*Worker) {
	s.over[job] = why
	s.Each(func(w *Worker) {
		if w.Kind.Job == job && !s.outlives(w.ID) {
			killed = append(killed, w)
		}
	})
	s.failOver(job, why)
	for _, w := range killed {
		s.idle = slices.DeleteFunc(s.idle, func(o *Worker) bool { return o == w })
		w.retiring, w.doom = true, cmp.Or(w.doom, "it was killed because "+why)
		if l := w.lease; l != nil {
			delete(s.leases, l)
			w.lease = nil
			if l.Lost != nil {
				l.Lost()
			}
		}
		s.host.Kill(w)
	}
	s.schedule()
	return killed
}

// failOver fails what waits for a worker of a job that is over. What is called may wish and cancel, so the lists are looked at
// afresh each time.
func (s *Scheduler) failOver(job ids.JobID, why string) {
	ends := func(w *wish) bool { return w.kind.Job == job && !s.outlives(w.owner) }
	for {
		all := slices.Concat(s.wishes, s.placed, s.envs.waiting)
		i := slices.IndexFunc(all, ends)
		if i < 0 {
			return
		}
		s.drop(all[i])
		all[i].failed(died(why))
	}
}

// JobForgotten is called when nothing is left of a job that is over.
func (s *Scheduler) JobForgotten(job ids.JobID) { delete(s.over, job) }

// GroupsOfJob are the groups that end with the job.
func (s *Scheduler) GroupsOfJob(job ids.JobID) (out []ids.GroupID) {
	for _, g := range s.groups.order {
		if g.Spec.Job == job && !g.Spec.Detached && g.Spec.Owner == (ids.ActorID{}) && g.State() != sched.GroupRemoved {
			out = append(out, g.Spec.ID)
		}
	}
	return out
}

// Working is the number of worker processes of a job.
func (s *Scheduler) Working(job ids.JobID) (n int) {
	for _, w := range s.workers {
		if w.Kind.Job == job {
			n++
		}
	}
	return n
}

// outlives says whether the process goes on when its job is over: a detached actor's does, and those that work for it, or for
// these. Each step goes to who has the worker; they may go round where an owner that is idle works for its own task.
func (s *Scheduler) outlives(id ids.WorkerID) bool {
	for range len(s.workers) + 1 {
		w := s.workers[id]
		switch {
		case w == nil: // a driver, or gone
			return false
		case w.actor != nil && w.actor.spec.Creation.Detached:
			return true
		case w.actor != nil:
			id = w.actor.owner
		case w.lease != nil:
			id = w.lease.owner
		default:
			return false
		}
	}
	return false
}
