package coreworker

import (
	"time"

	"github.com/mobula/mobula/coreworker/embedded"
	"github.com/mobula/mobula/coreworker/events"
	"github.com/mobula/mobula/coreworker/execute"
	"github.com/mobula/mobula/coreworker/peer"
	"github.com/mobula/mobula/coreworker/task"
)

// keptAttempts is how many ended attempts are remembered: as many as Ray keeps.
const keptAttempts = 100_000

// witness writes what an executor's runs come to into the core's events. It implements execute.Witness.
type witness struct {
	core   *Core
	worker *embedded.Worker
}

func (o *witness) Begins(r *execute.Run) {
	if !r.Spec.NoEvents {
		r.Begun = o.core.Now()
	}
}

func (o *witness) Ended(r *execute.Run, reply peer.Reply) {
	s := r.Spec
	if s.NoEvents || r.Begun == 0 { // a call that waited in an actor which died
		return
	}
	a := events.Attempt{Task: s.ID, Worker: o.worker.ID, Function: s.Function, Type: s.Type, End: reply.End,
		Number: r.Attempt, PID: o.worker.PID, Name: s.Name, Method: s.Method, Started: r.Begun, Ended: o.core.Now()}
	if s.Creation != nil {
		a.ActorName = s.Creation.Name
	}
	if reply.End != task.OK {
		a.Text = reply.Text
	}
	o.core.events.Add(a)
}

// Happened is a page of the core's events.
type Happened struct {
	Attempts    []events.Attempt
	First, Next uint64    // numbers of the first one here, and of the one that comes after
	Began       time.Time // what the attempts' times count from
}

// Happened reads at most `most` attempts that have ended, from number `from` on.
func (c *Core) Happened(from uint64, most int) Happened {
	h := Happened{Began: c.began}
	h.Attempts, h.First, h.Next = c.events.Read(from, most)
	return h
}
