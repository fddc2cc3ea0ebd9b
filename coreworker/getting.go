package coreworker

import (
	"time"

	"github.com/mobula/mobula/coreworker/ids"
	"github.com/mobula/mobula/coreworker/objects"
)

// getting is a Get that was not answered at once. It waits for the objects to be made, then for those that were spilled to be
// read back, and then for what got lost in that to be made again.
type getting struct {
	c        *Core
	q        *parked
	objs     []ids.ObjectID
	missing  int
	asked    time.Duration
	failed   int // index of an error, or -1
	bringing *bringing
	stops    []func()
}

// Get answers when every object is there, as soon as one of them is an error, when the time is over (limited; 0 only
// looks) or when the asking task is canceled. It returns a way to give up without an answer.
func (c *Core) Get(a Asker, objs []ids.ObjectID, timeout time.Duration, limited bool, answer func(Fetched)) (abandon func()) {
	g := getting{c: c, objs: objs}
	g.look()
	if g.settled() {
		if c.readable(g.wanted()) {
			c.took(a, g.wanted(), 0)
			answer(c.fetch(a.Process, objs, g.failed))
			return func() {}
		}
		limited = limited && timeout > 0 // they are there; reading them back takes a moment, and no more
	} else if limited && timeout <= 0 {
		answer(Fetched{TimedOut: true})
		return func() {}
	}
	if a.unaware() {
		answer(Fetched{Canceled: true})
		return func() {}
	}
	return g.wait(a, timeout, limited, answer)
}

// look counts what is not there, and finds the first error.
func (g *getting) look() {
	g.missing, g.failed = 0, -1
	for i, id := range g.objs {
		if v, ok := g.c.Value(id); !ok {
			g.missing++
		} else if v.IsError {
			g.failed = i
			return
		}
	}
}

func (g *getting) settled() bool { return g.failed >= 0 || g.missing == 0 }

// wanted is what the answer will hold.
func (g *getting) wanted() []ids.ObjectID {
	if g.failed >= 0 {
		return g.objs[g.failed : g.failed+1]
	}
	return g.objs
}

// wait is by value until here: most gets are answered at once, and need nothing of the heap.
func (g getting) wait(a Asker, timeout time.Duration, limited bool, answer func(Fetched)) (abandon func()) {
	w := &g
	w.asked = g.c.Now()
	w.q = &parked{asker: a, objs: g.objs}
	w.q.tell = func(how end) {
		switch how {
		case byTime:
			answer(Fetched{TimedOut: true})
		case byCancel:
			answer(Fetched{Canceled: true})
		default:
			w.c.took(a, w.wanted(), w.asked)
			answer(Fetched{Values: w.bringing.values, Failed: w.failed >= 0, Index: max(w.failed, 0)})
		}
	}
	w.q.stops = append(w.q.stops, w.stop)
	w.c.register(w.q, timeout, limited)
	w.proceed()
	return w.q.drop
}

// stop ends all waiting; what was pinned for an answer that will not come is let go.
func (g *getting) stop() {
	for _, stop := range g.stops {
		stop()
	}
	g.stops = nil
	if b := g.bringing; b != nil && b.missing > 0 {
		b.drop()
	}
}

// proceed waits for what is missing, or where nothing is, brings what is away.
func (g *getting) proceed() {
	if g.settled() {
		g.bring()
		return
	}
	g.c.lend(g.q)
	for i, id := range g.objs {
		if g.q.over || g.settled() {
			return // the answer came while this was being parked
		}
		if _, ok := g.c.store.Get(id); ok {
			continue
		}
		g.stops = append(g.stops, g.c.OnReady(id, func() {
			g.missing--
			if v, ok := g.c.Value(id); ok && v.IsError && g.failed < 0 {
				g.failed = i
			}
			if g.settled() {
				g.bring()
			}
		}))
	}
}

func (g *getting) bring() {
	g.stop()
	b := &bringing{p: g.q.asker.Process}
	g.bringing = b
	b.start(g.wanted(), func(here bool) {
		if here {
			g.q.finish(byObjects)
			return
		}
		g.bringing = nil
		g.look()
		g.proceed()
	})
}

func (c *Core) fetch(p *Process, objs []ids.ObjectID, failed int) Fetched {
	if failed >= 0 {
		v, _ := c.Value(objs[failed])
		v, _ = p.Pinned(v)
		return Fetched{Values: []objects.Value{v}, Failed: true, Index: failed}
	}
	values := make([]objects.Value, len(objs))
	for i, id := range objs {
		v, _ := c.Value(id)
		values[i], _ = p.Pinned(v)
	}
	return Fetched{Values: values}
}
