package coreworker

import (
	"bytes"
	"math"
	"slices"
	"time"

	"github.com/mobula/mobula/coreworker/ids"
	"github.com/mobula/mobula/coreworker/objects"
	"github.com/mobula/mobula/coreworker/task"
)

// aheadBytes bounds the values that one answer carries ahead of what was asked for.
const aheadBytes = 256 << 10

// stream is what the owner of a streaming generator task knows of its items: item k is return k+2 of the task, the
// generator itself is return 1. The object after the last item that came is always expected, so there is always
// something to wait for; when the task is over it becomes the mark of the end.
//
// The owner holds one reference to each item that was not taken, and to the expected object. Taking an item changes
// nothing here: the handle in Python takes the reference over.
type stream struct {
	task    ids.TaskID
	owner   *Process
	gate    *gate
	limit   int // how many items may be there and not taken; 0 = any number
	written int // items that came
	granted int // items that the producer was let go to make
	taken   int // as far as the consumer has told, which it does where there is a limit
	over    bool
	// told is set when an item was an error: a cluster's worker yields what its generator raises, and the end says it no more.
	told bool
}

func (s *stream) item(k int) ids.ObjectID { return s.task.Return(uint32(k + 2)) }

func (c *Core) openStream(spec *task.Spec, owner *Process) {
	s := &stream{task: spec.ID, owner: owner, limit: spec.Backpressure, gate: &gate{}}
	if spec.ActorBackpressure > 0 {
		if s.gate = c.gates[spec.Actor]; s.gate == nil {
			s.gate = &gate{limit: spec.ActorBackpressure}
			c.gates[spec.Actor] = s.gate
		}
		s.gate.streams = append(s.gate.streams, s)
	}
	c.streams[s.task] = s
	c.expectItem(s)
}

// closeStream forgets a stream: nobody will read what it has, and its producer is not held back any more.
func (c *Core) closeStream(s *stream) {
	delete(c.streams, s.task)
	if c.cluster != nil && s.limit > 0 && !s.over {
		c.cluster.Taken(s.task, math.MaxInt32) // whatever it makes
	}
	s.over = true
	if g := s.gate; g.limit > 0 {
		g.streams = slices.DeleteFunc(g.streams, func(one *stream) bool { return one == s })
		if actor := s.task.Actor(); len(g.streams) == 0 && c.gates[actor] == g {
			delete(c.gates, actor)
		}
	}
	s.gate.look()
}

// expectItem makes the object of the next item known; the owner holds one reference to it.
func (c *Core) expectItem(s *stream) {
	id := s.item(s.written)
	c.report(c.refs.Own(id, s.owner.ID))
	c.report(c.refs.Add(id, s.owner.ID, 1))
	c.expect(id)
}

// endStream says that no more items will come.
func (c *Core) endStream(id ids.TaskID) {
	if s := c.streams[id]; s != nil && !s.over {
		s.over, s.granted = true, s.written
		c.keep(s.item(s.written), objects.EndOfStream())
		s.gate.look()
	}
}

// dropStreams forgets the streams of a process that is gone. Their producers run on: nobody holds them back.
func (c *Core) dropStreams(p *Process) {
	var theirs []*stream // in order, so that the same history always ends the same way
	for _, s := range c.streams {
		if s.owner == p {
			theirs = append(theirs, s)
		}
	}
	slices.SortFunc(theirs, func(a, b *stream) int { return bytes.Compare(a.task[:], b.task[:]) })
	for _, s := range theirs {
		c.closeStream(s)
	}
}

// Item is told by the process that runs a generator what it has yielded. One that the stream has from an earlier attempt,
// or that nobody will read, is given back.
func (p *Process) Item(id ids.TaskID, index int, v objects.Value) {
	c := p.core
	v = p.Accept(v)
	e := c.tasks.Get(id)
	if e != nil {
		e.Items = max(e.Items, index+1)
	}
	if s := c.streams[id]; s != nil && !s.over && index == s.written {
		s.written++
		s.told = s.told || v.IsError
		c.expectItem(s) // before anybody is told of this one, who may ask for the next
		c.keep(s.item(index), v)
		return
	}
	obj := id.Return(uint32(index + 2))
	if e == nil || !e.Spec.Dynamic {
		if !c.madeAgain(obj, v) {
			c.discard(v)
		}
		return
	}
	// The process holds it until the list that it returns contains it.
	c.report(c.refs.Own(obj, e.Owner))
	c.report(c.refs.Add(obj, p.ID, 1))
	switch {
	case c.madeAgain(obj, v):
	case c.store.State(obj) == objects.Ready:
		c.discard(v) // of an earlier attempt
	default:
		c.keep(obj, v)
	}
}

// Taken notes how many items the consumer of a stream with a limit has taken.
func (p *Process) Taken(id ids.ObjectID, n int) {
	s := p.core.streams[id.Task()]
	if s == nil || s.owner != p || n <= s.taken {
		return
	}
	s.taken = min(n, s.written)
	if c := p.core; c.cluster != nil && s.limit > 0 {
		c.cluster.Taken(s.task, s.taken)
	}
	s.gate.look()
}

// DropStream lets go of a stream of which n items were taken: of those that are there and those that come. The task
// runs on.
func (p *Process) DropStream(id ids.ObjectID, n int) {
	c := p.core
	s := c.streams[id.Task()]
	if s == nil || s.owner != p {
		return
	}
	c.closeStream(s)
	for k := n; k <= s.written; k++ {
		freed, err := c.refs.Drop(s.item(k), p.ID, 1)
		c.report(err)
		c.free(freed)
	}
}

// Items is the answer to NextItems.
type Items struct {
	Values   []objects.Value // of consecutive items; those in the arena are not pinned, and told without their bytes
	TimedOut bool
	Ended    bool
	Failed   bool // ended, and the generator's own object is an error
	Canceled bool
}

// NextItems answers when the item is there or will never be; items behind it are told ahead. It returns a way to give up
// without an answer.
func (c *Core) NextItems(a Asker, obj ids.ObjectID, most int, timeout time.Duration, limited bool, answer func(Items)) (abandon func()) {
	return c.Wait(a, []ids.ObjectID{obj}, 1, timeout, limited, func(w Waited) {
		switch {
		case w.Canceled:
			answer(Items{Canceled: true})
		case w.Ready[0] == NotReady:
			answer(Items{TimedOut: true})
		default:
			answer(c.itemsFrom(obj, most))
		}
	})
}

func (c *Core) itemsFrom(obj ids.ObjectID, most int) Items {
	var out Items
	s := c.streams[obj.Task()]
	size := 0
	for k := int(obj.Index()) - 2; s != nil && k < s.written && len(out.Values) < max(most, 1) && size < aheadBytes; k++ {
		v, _ := c.Value(s.item(k))
		size += len(v.Data)
		out.Values = append(out.Values, v)
	}
	if len(out.Values) == 0 {
		out.Ended = true
		v, there := c.Value(obj.Task().Return(1))
		out.Failed = there && v.IsError && (s == nil || !s.told)
	}
	return out
}

// Demand answers a producer when it may go on: fewer items than the limits allow are not taken, or the stream is gone.
func (c *Core) Demand(a Asker, id ids.ObjectID, produced int, answer func(canceled bool)) (abandon func()) {
	s := c.streams[id.Task()]
	if s == nil || s.gate.grant(s, produced) {
		answer(false)
		return func() {}
	}
	if a.unaware() {
		answer(true)
		return func() {}
	}
	q := &parked{asker: a}
	q.tell = func(how end) { answer(how == byCancel) }
	c.park(q, 0, false)
	if !q.over {
		s.gate.hold(q, s, produced)
	}
	return q.drop
}
