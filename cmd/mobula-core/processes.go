package main

import (
	"github.com/mobula/mobula/coreworker"
	"github.com/mobula/mobula/coreworker/embedded"
	"github.com/mobula/mobula/coreworker/ids"
	"github.com/mobula/mobula/coreworker/workers"
)

// processes is the worker pool as the core sees it.
type processes struct {
	pool *workers.Pool
	// hear returns when all that an ended worker had sent was read.
	hear func(ids.WorkerID)
}

// Spawn implements coreworker.Processes.
func (p processes) Spawn(id ids.WorkerID, kind embedded.Kind, started func(coreworker.Child), ended func(coreworker.Obituary)) {
	opts, err := workers.ParseRuntimeEnv(kind.Env)
	if err != nil {
		go ended(coreworker.Obituary{Text: err.Error(), NeverStarted: true}) // without the lock, which the caller holds
		return
	}
	opts.Job = jobOf(kind)
	p.pool.Spawn(id, opts,
		func(w *workers.Worker) { started(child{w}) },
		func(_ *workers.Worker, d workers.Death) {
			p.hear(id)
			ended(obituary(d))
		})
}

// Prepare implements coreworker.Processes.
func (p processes) Prepare(kind embedded.Kind, done func(failure string)) bool {
	return p.pool.Prepare(jobOf(kind), kind.Env, done)
}

// Forget implements coreworker.Processes.
func (p processes) Forget(job ids.JobID) { p.pool.ForgetJob(job) }

// jobOf is the job as the pool knows it.
func jobOf(kind embedded.Kind) (job ids.JobID) {
	if kind.Job != coreworker.FirstJob {
		job = kind.Job
	}
	return job
}

// child is a worker process as its executor sees it. A signal or ticket that finds no process changes nothing: the
// process's end is on its way to the core already.
type child struct{ *workers.Worker }

func (c child) Grant(n int)      { _ = c.Tickets().Grant(n) }
func (c child) TakeTickets() int { return c.Tickets().TakeAll() }
func (c child) Interrupt()       { _ = c.Worker.Interrupt() }

func obituary(d workers.Death) coreworker.Obituary {
	return coreworker.Obituary{PID: d.PID, Text: d.String(), Stderr: d.StderrTail, OOM: d.OOM, Slain: d.Slain(), NeverStarted: d.Err != nil,
		SetupFailed: d.Err == nil && d.ExitCode == workers.ExitSetupFailed}
}
