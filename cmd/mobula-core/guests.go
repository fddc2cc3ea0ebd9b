package main

import (
	"context"
	"fmt"

	"github.com/mobula/mobula/coreworker"
	"github.com/mobula/mobula/coreworker/ids"
	"github.com/mobula/mobula/coreworker/workers"
	"github.com/mobula/mobula/pyshim"
	"github.com/mobula/mobula/pyshim/guests"
)

// host is the session as drivers that join it find it. It implements guests.Host.
type host struct {
	ctx  context.Context // of the session
	core *coreworker.Core
	shim *pyshim.Server
	pool *workers.Pool
}

// Join implements guests.Host.
func (h *host) Join(g guests.Guest) (job ids.JobID, err error) {
	h.core.Do(func() { job, err = h.core.Join() })
	if err != nil {
		return job, err
	}
	if err := h.pool.AddJob(job, workers.Job{Python: g.Python, Options: g.Options}); err != nil {
		h.core.Do(func() { h.core.Leave(job, "it was not let in", func() {}) })
		return job, err
	}
	if g.Shows {
		h.shim.Show(job)
	}
	return job, nil
}

// Leave implements guests.Host.
func (h *host) Leave(job ids.JobID, pid int, said bool) {
	if h.ctx.Err() != nil {
		return // everything ends
	}
	how := "has left the session"
	if !said {
		how = "has ended"
		h.shim.HearOut(ids.DriverWorker(job), lastWords)
	}
	gone := make(chan struct{})
	h.core.Do(func() {
		h.core.Leave(job, fmt.Sprintf("its driver (process %d) %s", pid, how), func() { close(gone) })
	})
	select {
	case <-gone:
	case <-h.ctx.Done():
	}
	h.shim.Dismiss(job)
}
