package coreworker

import (
	"bytes"
	"cmp"
	"maps"
	"slices"

	"github.com/mobula/mobula/coreworker/embedded"
	"github.com/mobula/mobula/coreworker/execute"
	"github.com/mobula/mobula/coreworker/ids"
	"github.com/mobula/mobula/coreworker/submit"
)

// Role is what an attached process is.
type Role uint8

// The roles.
const (
	Driver Role = iota + 1
	Worker
)

// Process is a core worker: one attached Python process, with what it submits and, for a worker, what it executes.
type Process struct {
	ID   ids.WorkerID
	Role Role
	Job  ids.JobID // that it drives or works for
	PID  int

	core    *Core
	number  uint64 // in the order they came
	normal  *submit.Normal
	actors  map[ids.ActorID]*submit.Actor
	worker  *embedded.Worker // nil for a driver
	known   map[ids.FunctionID]struct{}
	parked  map[*parked]struct{}
	pending int // tasks it submitted that have no outcome
	order   order
	gone    bool
	label   string
}

func (c *Core) addProcess(id ids.WorkerID, role Role, job ids.JobID) *Process {
	c.made++
	p := &Process{number: c.made, ID: id, Role: role, Job: job, core: c, actors: map[ids.ActorID]*submit.Actor{},
		known: map[ids.FunctionID]struct{}{}, parked: map[*parked]struct{}{}}
	p.normal = submit.NewNormal(c, c.leaser, id)
	c.procs[id] = p
	return p
}

// Attach returns the process with this id. A driver comes into being by attaching, the
// first one or one that has a job by Join; a worker must have been started by
// this core, and gets nil otherwise.
func (c *Core) Attach(id ids.WorkerID, role Role, pid int) *Process {
	if p := c.procs[id]; p != nil {
		if p.Role == role {
			return p
		}
		return nil
	}
	job, drives := c.drivenBy(id)
	if role != Driver || !drives {
		return nil
	}
	p := c.addProcess(id, Driver, job)
	p.PID = pid
	return p
}

// AttachExecutor adds an executor lane. epoch is what its first run comes after.
func (p *Process) AttachExecutor(port execute.Port, group string, loop bool, epoch uint64) *execute.Lane {
	l := p.worker.Exec.Attach(port, group, loop, epoch)
	p.core.sched.Attached(p.worker)
	return l
}

// Began says whether the process is the driver that the session began with.
func (p *Process) Began() bool { return p.ID == ids.DriverWorker(p.core.Job) }

// Executor is the executor's side of a worker; nil for a driver.
func (p *Process) Executor() *execute.Executor {
	if p.worker == nil {
		return nil
	}
	return p.worker.Exec
}

// Gone says whether the process has ended.
func (p *Process) Gone() bool { return p.gone }

// removeProcess takes back everything a process had.
func (c *Core) removeProcess(p *Process, why string) {
	if p.gone {
		return
	}
	p.gone, p.order.late = true, nil
	delete(c.procs, p.ID)
	for _, q := range p.requests(func(*parked) bool { return true }) {
		q.drop()
	}
	p.normal.Close()
	for _, id := range slices.SortedFunc(maps.Keys(p.actors), func(a, b ids.ActorID) int { return bytes.Compare(a[:], b[:]) }) {
		a := p.actors[id]
		a.Close()
		if a.Load() == 0 {
			delete(c.callers[id], a)
		}
		c.callSettled(id)
	}
	for _, id := range c.actors.OwnedBy(p.ID) {
		c.actors.OwnerGone(id, why)
	}
	c.abandonTasks(p, why)
	c.dropStreams(p)
	c.arena.DropProcess(p.ID)
	c.lineage.DropOwner(p.ID)
	c.free(c.refs.DropHolder(p.ID))
}

// actorQueue is the process's queue of calls to an actor.
func (p *Process) actorQueue(id ids.ActorID) *submit.Actor {
	a := p.actors[id]
	if a == nil {
		c := p.core
		a = submit.NewActor(c, c.directory, id)
		a.Settled = func() {
			if p.gone && a.Load() == 0 {
				delete(c.callers[id], a)
			}
			c.callSettled(id)
		}
		p.actors[id] = a
		if c.callers[id] == nil {
			c.callers[id] = map[*submit.Actor]*Process{}
		}
		c.callers[id][a] = p
	}
	return a
}

func (c *Core) actorChanged(id ids.ActorID) {
	// In order, so that the same history always goes on the same way.
	callers := slices.Collect(maps.Keys(c.callers[id]))
	slices.SortFunc(callers, func(a, b *submit.Actor) int { return cmp.Compare(c.callers[id][a].number, c.callers[id][b].number) })
	for _, a := range callers {
		if _, still := c.callers[id][a]; still {
			a.Changed()
		}
	}
}

// forgetCallers drops the queues to an actor of which nothing is left.
func (c *Core) forgetCallers(id ids.ActorID) {
	for _, p := range c.callers[id] {
		delete(p.actors, id)
	}
	delete(c.callers, id)
}

func (c *Core) actorBusy(id ids.ActorID) bool {
	for a := range c.callers[id] {
		if a.Load() > 0 {
			return true
		}
	}
	return false
}
