package embedded

import (
	"slices"
	"time"

	"github.com/mobula/mobula/coreworker/ids"
	"github.com/mobula/mobula/coreworker/objects"
	"github.com/mobula/mobula/coreworker/peer"
	"github.com/mobula/mobula/coreworker/sched"
	"github.com/mobula/mobula/coreworker/submit"
	"github.com/mobula/mobula/coreworker/task"
)

// spareFor is how long a worker beyond the number of processors may stay idle.
const spareFor = time.Second

// Scheduler gives workers to whoever wishes for one, in the order of the wishes, as far as resources allow. A wish that
// does not fit now holds back nobody behind it that does.
type Scheduler struct {
	host      Host
	machine   *sched.Pool
	groups    groups
	warned    map[warning]struct{} // what was said already
	keep      int                  // idle workers that stay
	idle      []*Worker
	workers   map[ids.WorkerID]*Worker
	wishes    []*wish       // without resources yet
	placed    []*wish       // resources acquired, no worker yet
	starting  map[Kind]int  // workers on their way
	stillborn map[Kind]lost // workers that ended before they were ready since one was
	envs      *environments
	leases    map[*lease]struct{}
	spawned   uint64               // workers there ever were
	over      map[ids.JobID]string // jobs that are over, and why
	trimming  bool
	closed    bool
}

// wish is somebody's want of a worker: a submitter's lease or an actor's home.
type wish struct {
	res     sched.Resources
	place   sched.Place
	pool    *sched.Pool // that res is of, once it is placed
	gpus    []int       // of res, once it is placed
	kind    Kind
	owner   ids.WorkerID
	granted func(*Worker)
	failed  func(peer.Reply)
	req     *submit.Request
	dropped bool
}

type lease struct {
	*submit.Lease
	owner  ids.WorkerID
	worker *Worker
}

// NewScheduler makes the scheduler of a machine; keep is how many idle workers are never retired.
func NewScheduler(host Host, machine *sched.Pool, keep int) *Scheduler {
	return &Scheduler{host: host, machine: machine, groups: newGroups(), warned: map[warning]struct{}{}, keep: max(keep, 1),
		workers: map[ids.WorkerID]*Worker{}, leases: map[*lease]struct{}{}, starting: map[Kind]int{}, stillborn: map[Kind]lost{},
		envs: newEnvironments(), over: map[ids.JobID]string{}}
}

// Prestart starts n workers that nobody has asked for yet, as soon as their environment is set up.
func (s *Scheduler) Prestart(n int, kind Kind) {
	if !s.isSetUp(kind, nil) {
		s.envs.ahead[kind] = n
		return
	}
	for range n {
		s.spawn(kind)
	}
}

func (s *Scheduler) spawn(kind Kind) {
	s.spawned++
	w := &Worker{ID: ids.NewWorkerID(), Kind: kind, born: s.spawned}
	s.workers[w.ID] = w
	s.starting[kind]++
	s.host.Spawn(w)
}

// Request implements submit.Leaser.
func (s *Scheduler) Request(r *submit.Request) {
	w := &wish{res: r.Resources, place: r.Place, kind: Kind{s.host.JobOf(r.Owner), r.Env}, owner: r.Owner, failed: r.Failed, req: r}
	w.granted = func(worker *Worker) {
		if worker.calls == nil {
			worker.calls = map[ids.FunctionID]int{}
		}
		l := &lease{Lease: &submit.Lease{Executor: worker.Exec, Calls: worker.calls}, owner: r.Owner, worker: worker}
		l.Grant = l
		worker.lease = l
		s.leases[l] = struct{}{}
		r.Granted(l.Lease)
	}
	s.add(w)
}

func (s *Scheduler) add(w *wish) {
	if why := s.refusal(w); why != "" {
		w.fail(why)
		return
	}
	if why, over := s.over[w.kind.Job]; over && !s.outlives(w.owner) {
		w.failed(died(why))
		return
	}
	if !s.isSetUp(w.kind, w) {
		return // without resources: others may use them meanwhile
	}
	s.warnOf(w)
	s.wishes = append(s.wishes, w)
	s.schedule()
}

// Cancel implements submit.Leaser.
func (s *Scheduler) Cancel(r *submit.Request) {
	for _, w := range slices.Concat(s.wishes, s.placed, s.envs.waiting) {
		if w.req == r {
			s.drop(w)
			return
		}
	}
}

func (s *Scheduler) drop(w *wish) {
	w.dropped = true
	s.envs.drop(w)
	if i := slices.Index(s.wishes, w); i >= 0 {
		s.wishes = slices.Delete(s.wishes, i, i+1)
	}
	if i := slices.Index(s.placed, w); i >= 0 {
		s.placed = slices.Delete(s.placed, i, i+1)
		s.giveBack(w)
		s.schedule()
	}
}

// Return implements submit.Leaser.
func (s *Scheduler) Return(l *submit.Lease) {
	own := l.Grant.(*lease)
	if _, live := s.leases[own]; !live {
		return
	}
	delete(s.leases, own)
	own.worker.lease = nil
	s.letGo(own.worker)
	if why, over := s.over[own.worker.Kind.Job]; over {
		s.retire(own.worker, why)
	} else if l.Spent {
		s.retire(own.worker, "max_calls")
	}
	s.rest(own.worker)
	s.schedule()
}

// letGo gives back what the worker holds.
func (s *Scheduler) letGo(w *Worker) {
	if !w.holding {
		return
	}
	if w.blocked {
		s.check(w.pool.Node().Unblock(w.held))
		w.blocked = false
	}
	s.check(w.pool.Give(w.held, w.gpus))
	w.pool, w.held, w.gpus, w.holding = nil, sched.Resources{}, nil, false
}

// take gives the wish what it asks for, from wherever it may run.
func (s *Scheduler) take(w *wish) (ok bool) {
	switch {
	case w.place.Nowhere:
		return false
	case w.place.InGroup():
		w.pool, w.gpus, ok = s.groups.all[w.place.Group].Take(w.place.Bundle, w.res)
	default:
		w.pool = s.machine
		w.gpus, ok = s.machine.Take(w.res)
	}
	return ok
}

// giveBack undoes take.
func (s *Scheduler) giveBack(w *wish) { s.check(w.pool.Give(w.res, w.gpus)) }

// fail ends a wish that is in no list any more.
func (w *wish) fail(why string) { w.failed(peer.Reply{End: task.Died, Text: why, Error: w.gone(why)}) }

func died(why string) peer.Reply { return peer.Reply{End: task.Died, Text: why} }

// gone is the error of work whose placement group is gone.
func (w *wish) gone(why string) objects.Value {
	if w.req == nil {
		return objects.ActorGroupRemoved(why)
	}
	return objects.TaskGroupRemoved(why)
}

// rest makes a worker idle.
func (s *Scheduler) rest(w *Worker) {
	if w.gone || w.retiring {
		return
	}
	s.idle = append(s.idle, w)
	if len(s.idle) > s.keep && !s.trimming {
		s.trimming = true
		s.host.After(spareFor, s.trim)
	}
}

// trim retires idle workers beyond those kept, the longest idle first.
func (s *Scheduler) trim() {
	s.trimming = false
	for len(s.idle) > s.keep {
		w := s.idle[0]
		s.idle = s.idle[1:]
		s.retire(w, "idle")
	}
}

// retire gives a worker nothing more, and sends it away when it owes nobody anything, as Ray does.
func (s *Scheduler) retire(w *Worker, why string) {
	w.retiring, w.leaving = true, why
	s.leave(w)
}

func (s *Scheduler) leave(w *Worker) {
	if w.leaving != "" && !w.gone && !s.host.Owes(w) {
		why := w.leaving
		w.leaving = ""
		w.Exec.Exit(false, why)
	}
}

// Settled is called when a task that a process submitted has its outcome, or an actor of it is dead.
func (s *Scheduler) Settled(owner ids.WorkerID) {
	if w := s.workers[owner]; w != nil {
		s.leave(w)
	}
}

// schedule grants what can be granted. Granting calls out, and what is called may wish or return: the lists are looked
// at afresh after every grant.
func (s *Scheduler) schedule() {
	if s.closed {
		return
	}
	s.sweep()
	for again := true; again; {
		again = s.reserve()
		for i := 0; i < len(s.wishes); i++ {
			w := s.wishes[i]
			if !s.take(w) {
				continue
			}
			s.wishes = slices.Delete(s.wishes, i, i+1)
			s.placed = append(s.placed, w)
			i--
		}
		if w, worker := s.match(); w != nil {
			worker.pool, worker.held, worker.gpus, worker.holding = w.pool, w.res, w.gpus, true
			w.granted(worker)
			again = true
		}
	}
	missing := map[Kind]int{}
	for _, w := range s.placed {
		if missing[w.kind]++; missing[w.kind] > s.starting[w.kind] {
			s.spawn(w.kind)
		}
	}
	s.markWanted()
}

// match takes the first placed wish that an idle worker fits, and the worker of those that was used last: its memory is
// warm.
func (s *Scheduler) match() (*wish, *Worker) {
	for i, w := range s.placed {
		for j := len(s.idle) - 1; j >= 0; j-- {
			if worker := s.idle[j]; worker.Kind == w.kind {
				s.placed = slices.Delete(s.placed, i, i+1)
				s.idle = slices.Delete(s.idle, j, j+1)
				return w, worker
			}
		}
	}
	return nil, nil
}

// arrived ends the count of a worker as one on its way.
func (s *Scheduler) arrived(w *Worker) {
	if s.starting[w.Kind]--; s.starting[w.Kind] == 0 {
		delete(s.starting, w.Kind)
	}
}

// markWanted tells leases that somebody else waits for resources.
func (s *Scheduler) markWanted() {
	for l := range s.leases {
		pool := l.worker.pool
		l.Wanted = pool == s.machine && s.groups.wait() || slices.ContainsFunc(s.wishes, func(w *wish) bool {
			// The wish of the same submitter for the same is one for more of what it has.
			same := w.req != nil && w.owner == l.owner && w.kind == l.worker.Kind && w.res.Equal(l.worker.held)
			return !same && s.couldUse(w, pool) && pool.Feasible(w.res)
		})
	}
}

// couldUse says whether the wish may have what is of the pool.
func (s *Scheduler) couldUse(w *wish, p *sched.Pool) bool {
	switch {
	case w.place.Nowhere:
		return false
	case w.place.InGroup():
		return s.groups.all[w.place.Group].Has(w.place.Bundle, p)
	}
	return p == s.machine
}

// Attached is called when the worker's first lane is there.
func (s *Scheduler) Attached(w *Worker) {
	if w.attached {
		return
	}
	w.attached = true
	delete(s.stillborn, w.Kind)
	s.arrived(w)
	s.rest(w)
	s.schedule()
}

// Blocked is called when user code of the worker begins to wait in the core, Unblocked when it no longer does. While it
// waits its processors are lent out; afterwards it has them again even if that is more than there are, as in Ray.
func (s *Scheduler) Blocked(w *Worker) {
	if w.lease != nil {
		w.lease.Blocked = true
	}
	if w.holding && !w.blocked {
		w.blocked = true
		s.check(w.pool.Node().Block(w.held))
		s.schedule()
	}
}

// Unblocked ends Blocked.
func (s *Scheduler) Unblocked(w *Worker) {
	if w.lease != nil {
		w.lease.Blocked = false
	}
	if w.holding && w.blocked {
		w.blocked = false
		s.check(w.pool.Node().Unblock(w.held))
	}
}

// End is how a worker's process ended.
type End struct {
	Text         string // says so in a sentence
	NeverStarted bool   // there was no process
	Slain        bool   // killed from outside
	Unset        string // why it could not set its environment up; "" where it did or did not come as far
}

// Gone is called when the worker's process ended or could not be started, before its executor answers for its tasks.
func (s *Scheduler) Gone(w *Worker, end End) {
	if w.gone {
		return
	}
	w.gone = true
	delete(s.workers, w.ID)
	s.idle = slices.DeleteFunc(s.idle, func(o *Worker) bool { return o == w })
	if l := w.lease; l != nil {
		delete(s.leases, l)
		w.lease = nil
		if l.Lost != nil {
			l.Lost()
		}
	}
	s.letGo(w)
	if !w.attached {
		s.lostBirth(w, end)
	}
	s.schedule()
}

func (s *Scheduler) check(err error) {
	if err != nil {
		s.host.Report(err)
	}
}

// Close stops granting and starting.
func (s *Scheduler) Close() {
	s.closed = true
	s.wishes, s.placed, s.groups.pending = nil, nil, nil
	s.envs = newEnvironments()
}

// Counts for the state API: alive workers, idle ones, leases.
func (s *Scheduler) Counts() (workers, idle, leases int) {
	return len(s.workers), len(s.idle), len(s.leases)
}

// Machine is the resources of the machine. What placement groups reserve is held of it.
func (s *Scheduler) Machine() *sched.Pool { return s.machine }
