package coreworker

import (
	"errors"
	"fmt"

	"github.com/mobula/mobula/coreworker/sched"
)

// Counts is how much of everything there is.
type Counts struct {
	Processes, Workers, IdleWorkers         int
	TasksPending, TasksQueued, TasksRunning int
	Canceled, Objects, Parked               int
	Blocks, BlocksWithoutRef                int
	Pins                                    uint64
	ArenaUsed                               uint64
	Actors, Leases                          int
	// Ever: a task has one outcome, so these differ by TasksPending.
	TasksSubmitted, TaskOutcomes uint64
}

// Counts looks at everything.
func (c *Core) Counts() Counts {
	arena := c.arena.Stats()
	out := Counts{Processes: len(c.procs), TasksPending: c.tasks.Len(), Objects: c.store.Len(),
		Blocks: arena.Blocks, BlocksWithoutRef: arena.Unreferenced, Pins: arena.Pins, ArenaUsed: arena.Used, Actors: c.actors.Alive()}
	out.TasksSubmitted, out.TaskOutcomes = c.tasks.Totals()
	out.Workers, out.IdleWorkers, out.Leases = c.sched.Counts()
	for _, p := range c.procs {
		out.Parked += len(p.parked)
		out.TasksQueued += p.normal.Queued()
		for _, a := range p.actors {
			out.TasksQueued += a.Queued()
		}
		if x := p.Executor(); x != nil {
			out.TasksQueued += x.Queued()
			out.TasksRunning += len(x.Running())
			out.Canceled += x.Canceled.Len()
		}
	}
	return out
}

// Info is what cluster_resources() and its like tell. What placement groups have stands beside what the machine has,
// under names of its own.
type Info struct {
	Total, Available             sched.Resources
	GroupsTotal, GroupsAvailable sched.Resources
	Labels                       sched.Labels
	NodeName                     string
	StoreBytes, StoreUsed        uint64
}

// Info reads it.
func (c *Core) Info() Info {
	arena := c.arena.Stats()
	n := c.sched.Machine().Node()
	total, available := c.sched.GroupResources()
	return Info{Total: n.Total(), Available: n.Available(), GroupsTotal: total, GroupsAvailable: available, Labels: c.labels,
		NodeName:   c.cfg.NodeName,
		StoreBytes: arena.Total, StoreUsed: arena.Used}
}

// Validate checks the invariants of every room. It looks at everything, so only who asks for it pays for it.
func (c *Core) Validate() error {
	var errs []error
	for name, err := range map[string]error{"tasks": c.tasks.Validate(), "refs": c.refs.Validate(), "lineage": c.lineage.Validate(),
		"arena": c.arena.Validate(), "resources": c.sched.ValidateResources(), "streams": c.validateGates()} {
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", name, err))
		}
	}
	return errors.Join(errs...)
}
