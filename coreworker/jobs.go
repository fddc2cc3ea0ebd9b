package coreworker

import (
	"cmp"
	"errors"
	"math"
	"slices"

	"github.com/mobula/mobula/coreworker/ids"
)

// Drivers that join the session have a job each, as in Ray. What a job had ends with its driver: the workers that worked for it with
// what they ran, its placement groups, its actors that are not detached. Objects live on while somebody refers to them.

// Errors of Join.
var (
	errClosed = errors.New("the session is ending")
	errFar    = errors.New("it is a driver's place in a Ray cluster: give the address of that cluster")
	errJobs   = errors.New("it has had as many drivers as there are numbers of jobs")
)

// jobs are those of drivers that have joined. The job of the driver that the session began with is Core.Job, and ends with all.
type jobs struct {
	last uint32 // number of the one that began last
	all  map[ids.JobID]*job
}

type job struct {
	left    bool                      // its driver has, and may not attach any more
	over    bool                      // what ends with it was told so
	dying   map[ids.WorkerID]struct{} // its workers that were killed for it and are not gone yet
	emptied func()
}

func newJobs() jobs { return jobs{last: 1, all: map[ids.JobID]*job{}} }

// Join begins the job of a driver that may attach from now on. Leave must follow.
func (c *Core) Join() (ids.JobID, error) {
	switch {
	case c.closed:
		return ids.JobID{}, errClosed
	case c.cluster != nil:
		return ids.JobID{}, errFar
	case c.jobs.last == math.MaxUint32-1: // the last one of all stands for none
		return ids.JobID{}, errJobs
	}
	c.jobs.last++
	id := ids.JobFromInt(c.jobs.last)
	c.jobs.all[id] = &job{dying: map[ids.WorkerID]struct{}{}}
	return id, nil
}

// Leave ends the job of a driver that has joined and is gone. emptied is called once, under the lock and perhaps before this
// returns, when the processes that end with the job are gone.
func (c *Core) Leave(id ids.JobID, why string, emptied func()) {
	j := c.jobs.all[id]
	if j == nil || j.left {
		emptied()
		return
	}
	j.left = true
	if p := c.procs[ids.DriverWorker(id)]; p != nil {
		c.removeProcess(p, why)
	}
	for _, group := range c.sched.GroupsOfJob(id) {
		c.RemoveGroup(group)
	}
	for _, w := range c.sched.JobOver(id, why) {
		j.dying[w.ID] = struct{}{}
	}
	j.over, j.emptied = true, emptied
	c.shrunk(id)
}

// JobsNow are the jobs whose drivers have not left, in the order in which they began.
func (c *Core) JobsNow() []ids.JobID {
	now := []ids.JobID{c.Job}
	for id, j := range c.jobs.all {
		if !j.left {
			now = append(now, id)
		}
	}
	slices.SortFunc(now[1:], func(a, b ids.JobID) int { return cmp.Compare(a.Int(), b.Int()) })
	return now
}

// drivenBy is the job that a process of this id drives, if it may.
func (c *Core) drivenBy(id ids.WorkerID) (driven ids.JobID, ok bool) {
	if id == ids.DriverWorker(c.Job) {
		return c.Job, true
	}
	copy(driven[:], id[:])
	j := c.jobs.all[driven]
	return driven, j != nil && !j.left && id == ids.DriverWorker(driven)
}

// buried is called when a worker's process has ended and nothing is left of it.
func (c *Core) buried(p *Process) {
	if j := c.jobs.all[p.Job]; j != nil {
		delete(j.dying, p.ID)
		c.shrunk(p.Job)
	}
}

// shrunk tells of a job that is over when it is empty, and forgets it when there is nothing left that could want a worker of it.
func (c *Core) shrunk(id ids.JobID) {
	j := c.jobs.all[id]
	if j == nil || !j.over {
		return
	}
	if len(j.dying) == 0 && j.emptied != nil {
		emptied := j.emptied
		j.emptied = nil
		emptied()
	}
	if c.sched.Working(id) == 0 && c.actors.Living(id) == 0 {
		delete(c.jobs.all, id)
		c.sched.JobForgotten(id)
		c.kv.Forget(id)
		c.cfg.Processes.Forget(id)
	}
}
