package coreworker

import (
	"time"

	"github.com/mobula/mobula/coreworker/execute"
	"github.com/mobula/mobula/coreworker/ids"
	"github.com/mobula/mobula/coreworker/peer"
	"github.com/mobula/mobula/coreworker/task"
)

// lostLaneGrace is how long a worker may live on after an executor lane of it was lost while a task ran there, or without a
// main lane: neither can go on. Most often the process is just ending, and its own end tells better what happened.
const lostLaneGrace = time.Second

// Finished is told by the process how a run ended.
func (p *Process) Finished(id ids.TaskID, attempt int, r peer.Reply) {
	for i := range r.Returns {
		r.Returns[i] = p.Accept(r.Returns[i])
	}
	if r.Error.Block != nil {
		r.Error = p.Accept(r.Error)
	}
	if r.End == task.LeftActor {
		p.core.actors.Left(p.worker)
	}
	p.worker.Exec.Finished(id, attempt, r)
}

// DetachExecutor is told that an executor lane's stream ended.
func (p *Process) DetachExecutor(l *execute.Lane) {
	if p.gone {
		return
	}
	held := p.worker.Exec.Detach(l)
	if !held && p.worker.Exec.HasMain() {
		return
	}
	p.core.After(lostLaneGrace, func() {
		if !p.gone && (held || !p.worker.Exec.HasMain()) {
			childOf(p.worker).Kill()
		}
	})
}

// GPUs are the numbers of the GPUs that what a worker runs has.
func (p *Process) GPUs() []int { return p.worker.GPUs() }

// Running notes what the process runs, for the prefix of what it prints: the class of an actor, else the task.
func (p *Process) Running(s *task.Spec) {
	if s.Type == task.ActorCreation {
		p.label = s.Creation.ClassName
	} else if s.Type == task.Normal {
		p.label = s.Name
	}
}

// Label is the name that goes before what a worker prints.
func (c *Core) Label(id ids.WorkerID) string {
	if p := c.procs[id]; p != nil {
		return p.label
	}
	return ""
}

// IsCanceled says whether the task is in the canceled set of its executor.
func (c *Core) IsCanceled(worker ids.WorkerID, id ids.TaskID) bool {
	p := c.procs[worker]
	return p != nil && p.worker != nil && p.worker.Exec.Canceled.Has(id)
}
