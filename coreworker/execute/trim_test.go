package execute

import (
	"testing"

	"github.com/mobula/mobula/coreworker/ids"
	"github.com/mobula/mobula/coreworker/peer"
	"github.com/mobula/mobula/coreworker/task"
)

// crew is a threaded actor's process: its threads attach when the test says so.
type crew struct {
	far
	x       *Executor
	asked   int // lanes it was asked to open and has not
	threads []*thread
	trim    func() // what Later was given
	n       byte
}

type thread struct {
	far
	lane   *Lane
	run    *Run
	closed bool
}

func (c *crew) OpenLane(string) { c.asked++ }
func (t *thread) Run(r *Run)    { t.run = r }
func (t *thread) Close()        { t.closed = true }

func newCrew(limit int) *crew {
	c := &crew{}
	c.x = New(c)
	c.x.Later = func(fn func()) { c.trim = fn }
	c.x.Attach(c, "", false, 0)
	c.x.Become(&task.Creation{MaxConcurrency: limit})
	return c
}

func (c *crew) call(n int) {
	for range n {
		c.n++
		c.x.PushTask(&peer.Push{Spec: &task.Spec{Type: task.ActorMethod, ID: ids.TaskID{c.n}}, Done: func(peer.Reply) {}})
	}
}

// open attaches the lanes that were asked for, and those that are asked for because of it.
func (c *crew) open() {
	for c.asked > 0 {
		c.attach()
	}
}

func (c *crew) attach() {
	c.asked--
	t := &thread{}
	c.threads = append(c.threads, t)
	t.lane = c.x.Attach(t, "", false, 0)
}

func (c *crew) running() (n int) {
	for _, t := range c.threads {
		if t.run != nil {
			n++
		}
	}
	return n
}

func (c *crew) end(t *thread) {
	id := t.run.Spec.ID
	t.run = nil
	c.x.Finished(id, 0, peer.Reply{End: task.OK})
}

func (c *crew) endAll() {
	for _, t := range c.threads {
		for t.run != nil {
			c.end(t)
		}
	}
}

func (c *crew) alive() (n int) {
	for _, t := range c.threads {
		if !t.closed {
			n++
		}
	}
	return n
}

func TestABurstOfShortCallsOpensFewThreads(t *testing.T) {
	c := newCrew(1000)
	c.call(200)
	if c.asked != spareLanes {
		t.Errorf("%d threads were asked for at once", c.asked)
	}
	for c.asked > 0 {
		for range c.asked { // a wave: what they ask for comes after their calls are over
			c.attach()
		}
		c.endAll()
	}
	if len(c.threads) > 2*spareLanes || c.x.Load() > 0 {
		t.Errorf("%d threads, %d calls are left", len(c.threads), c.x.Load())
	}
}

func TestEveryCallOfABlockedBurstGetsAThread(t *testing.T) {
	c := newCrew(1000)
	c.call(100)
	c.open()
	if c.running() != 100 || c.alive() != 100 {
		t.Errorf("%d run on %d threads", c.running(), c.alive())
	}
}

func TestIdleThreadsEnd(t *testing.T) {
	c := newCrew(1000)
	c.call(100)
	c.open()
	c.endAll()
	if c.trim == nil || c.alive() != 100 {
		t.Fatalf("%d are left before anybody looked", c.alive())
	}
	c.call(3)
	c.trim()
	if c.alive() != 3+spareLanes || c.running() != 3 {
		t.Errorf("%d are left, %d run", c.alive(), c.running())
	}
	for _, one := range c.threads {
		if one.closed && one.run != nil {
			t.Error("a thread that runs was ended")
		}
		if one.closed {
			c.x.Detach(one.lane)
		}
	}
	c.call(50)
	c.open()
	if c.running() != 53 {
		t.Errorf("%d run after the others ended", c.running())
	}
	for _, one := range c.threads {
		if one.closed && one.run != nil {
			t.Error("a thread that was ended got a call")
		}
	}
}

func TestFewIdleThreadsStay(t *testing.T) {
	c := newCrew(1000)
	c.call(spareLanes)
	c.open()
	c.endAll()
	if c.trim != nil {
		t.Error("nothing is to be trimmed")
	}
}
