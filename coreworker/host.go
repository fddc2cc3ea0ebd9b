package coreworker

import (
	"time"

	"github.com/mobula/mobula/coreworker/embedded"
	"github.com/mobula/mobula/coreworker/execute"
	"github.com/mobula/mobula/coreworker/ids"
	"github.com/mobula/mobula/coreworker/objects"
	"github.com/mobula/mobula/coreworker/peer"
	"github.com/mobula/mobula/coreworker/task"
)

// Processes starts worker processes. Its methods are called under the lock and must not block.
type Processes interface {
	// Spawn starts a worker of a kind. started and ended are called once each at most, in this order, without the lock; ended
	// also when it never started.
	Spawn(id ids.WorkerID, kind embedded.Kind, started func(Child), ended func(Obituary))
	// Prepare sets up what a worker of this kind needs before it can be started: other interpreters, installed
	// packages. True: there is nothing to be done. False: done will be called once, without the lock, with the reason when
	// it failed.
	Prepare(kind embedded.Kind, done func(failure string)) bool
	// Forget is told that no worker is started any more for a job.
	Forget(job ids.JobID)
}

// Child is a worker process.
type Child interface {
	execute.Worker
	PID() int
}

// spareThread is how long a thread of an actor may stay idle when others are idle too.
const spareThread = time.Second

// host is the core as the embedded back end sees it.
type host Core

func (h *host) core() *Core { return (*Core)(h) }

func (h *host) Now() time.Duration                             { return h.core().Now() }
func (h *host) After(d time.Duration, fn func()) (stop func()) { return h.core().After(d, fn) }
func (h *host) Report(err error)                               { h.core().report(err) }
func (h *host) Kill(w *embedded.Worker)                        { childOf(w).Kill() }

// Warn implements embedded.Host.
func (h *host) Warn(job ids.JobID, text string) {
	if h.cfg.Warn != nil {
		h.cfg.Warn(job, text)
	}
}

// JobOf implements embedded.Host.
func (h *host) JobOf(id ids.WorkerID) ids.JobID {
	if p := h.procs[id]; p != nil {
		return p.Job
	}
	return h.Job
}

// Owes implements embedded.Host.
func (h *host) Owes(w *embedded.Worker) bool {
	p := h.procs[w.ID]
	return p != nil && (p.pending > 0 || len(h.actors.OwnedBy(w.ID)) > 0)
}

// Prepare implements embedded.Host.
func (h *host) Prepare(kind embedded.Kind, done func(failure string)) bool {
	c := h.core()
	return c.cfg.Processes.Prepare(kind, func(failure string) { c.Do(func() { done(failure) }) })
}

// Spawn implements embedded.Host.
func (h *host) Spawn(w *embedded.Worker) {
	c := h.core()
	link := &child{}
	w.Exec = execute.New(link)
	p := c.addProcess(w.ID, Worker, w.Kind.Job)
	p.worker = w
	w.Exec.CancelChildren = c.cancelChildren
	w.Exec.Witness = &witness{c, w}
	w.Exec.Later = func(trim func()) { c.After(spareThread, trim) }
	c.cfg.Processes.Spawn(w.ID, w.Kind,
		func(real Child) {
			c.Do(func() {
				link.real = real
				w.PID = real.PID()
				p.PID = w.PID
				if link.killed {
					real.Kill()
				}
			})
		},
		func(o Obituary) { c.Do(func() { c.workerGone(p, o) }) })
}

// child stands for a process that may not have started yet.
type child struct {
	real   Child
	killed bool
}

func childOf(w *embedded.Worker) *child { return w.Exec.Process().(*child) }

func (l *child) Grant(n int) {
	if l.real != nil {
		l.real.Grant(n)
	}
}

func (l *child) TakeTickets() int {
	if l.real == nil {
		return 0
	}
	return l.real.TakeTickets()
}

func (l *child) Interrupt() {
	if l.real != nil {
		l.real.Interrupt()
	}
}

func (l *child) Kill() {
	l.killed = true
	if l.real != nil {
		l.real.Kill()
	}
}

// workerGone is told when a worker's process ended.
func (c *Core) workerGone(p *Process, o Obituary) {
	w := p.worker
	if p.gone {
		return
	}
	w.Exec.Recall() // what it had not begun is known as such from here on
	if doom := w.Doom(); doom != "" {
		o.Text = doom + ": " + o.Text
	}
	text := o.tell(w.Exec.Begun())
	c.sched.Gone(w, embedded.End{Text: text, NeverStarted: o.NeverStarted, Slain: o.Slain, Unset: o.unset()})
	reply := peer.Reply{End: task.Died, Text: text}
	if o.OOM {
		reply.Error = objects.OutOfMemory(text)
	}
	c.actors.Lost(w, text)
	w.Exec.Die(reply)
	why := "its owner process ended: " + o.Text
	c.removeProcess(p, why)
	if w.Condemned() {
		c.disown(p.ID, why)
	}
	c.buried(p)
}
