package coreworker

import (
	"time"

	"github.com/mobula/mobula/coreworker/embedded"
	"github.com/mobula/mobula/coreworker/events"
	"github.com/mobula/mobula/coreworker/execute"
	"github.com/mobula/mobula/coreworker/ids"
	"github.com/mobula/mobula/coreworker/peer"
	"github.com/mobula/mobula/coreworker/task"
)

// keptAttempts is how many ended attempts are remembered, and how many gets: as many attempts as Ray keeps.
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
		Number: r.Attempt, PID: o.worker.PID, Name: s.Name, Code: s.Code, Method: s.Method,
		Caller: s.Caller, Parent: s.Parent, Called: s.Called, Started: r.Begun, Ended: o.core.Now()}
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

// Got is a page of the gets.
type Got struct {
	Taken       []events.Taken
	First, Next uint64
	Began       time.Time
}

// Got reads at most `most` gets that were answered, from number `from` on.
func (c *Core) Got(from uint64, most int) Got {
	g := Got{Began: c.began}
	g.Taken, g.First, g.Next = c.taken.Read(from, most)
	return g
}

// took notes that a get was answered with these objects.
func (c *Core) took(a Asker, objs []ids.ObjectID, asked time.Duration) {
	t := events.Taken{By: a.Process.ID, Asked: asked, Answered: c.Now()}
	if asked == 0 {
		t.Asked = t.Answered
	}
	if a.HasTask {
		t.In = a.Task
	}
	for _, id := range objs {
		if !id.IsPut() {
			t.Task = id.Task()
			c.taken.Add(t)
		}
	}
}
