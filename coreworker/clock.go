package coreworker

import (
	"container/heap"
	"time"
)

// timer is something that happens later.
type timer struct {
	at     time.Duration // on the core's clock
	number uint64
	fn     func()
	place  int // in the heap; -1: it is not there any more
}

// timers are what is to happen later, in the order of its time, and what has the same time in the order it was asked for: the
// same history always goes on the same way. One alarm of the system's rings for all of them.
type timers struct {
	heap  timerHeap
	made  uint64
	alarm *time.Timer
	// rings is when the alarm will ring, or has, and waits for the lock; none while it is not set.
	rings time.Duration
}

const none = time.Duration(-1)

// Now is the time since the core was made, on the monotonic clock.
func (c *Core) Now() time.Duration { return time.Since(c.began) }

// After calls fn under the lock after d, unless stopped or the core is closed before. It is called under the lock, and so is stop.
func (c *Core) After(d time.Duration, fn func()) (stop func()) {
	if c.closed {
		return func() {}
	}
	c.timers.made++
	t := &timer{at: c.Now() + max(d, 0), number: c.timers.made, fn: fn}
	heap.Push(&c.timers.heap, t)
	c.setAlarm()
	return func() {
		// One that is due and whose turn has not come counts as stopped. The alarm stays: where it rings for nobody, it is set anew.
		if t.place >= 0 {
			heap.Remove(&c.timers.heap, t.place)
		}
	}
}

// setAlarm has the alarm ring when the first timer is due, at the latest.
func (c *Core) setAlarm() {
	t := &c.timers
	if len(t.heap) == 0 || t.rings != none && t.rings <= t.heap[0].at {
		return
	}
	t.rings = t.heap[0].at
	wait := max(t.rings-c.Now(), 0)
	if t.alarm == nil {
		t.alarm = time.AfterFunc(wait, c.ring)
	} else {
		t.alarm.Reset(wait)
	}
}

// ring does what is due.
func (c *Core) ring() {
	c.Do(func() {
		c.timers.rings = none
		for now := c.Now(); len(c.timers.heap) > 0 && c.timers.heap[0].at <= now; {
			heap.Pop(&c.timers.heap).(*timer).fn()
		}
		c.setAlarm()
	})
}

// dropTimers stops all of them.
func (c *Core) dropTimers() {
	for _, t := range c.timers.heap {
		t.place = -1
	}
	c.timers.heap = nil
	if c.timers.alarm != nil {
		c.timers.alarm.Stop()
	}
}

// timerHeap implements heap.Interface.
type timerHeap []*timer

func (h timerHeap) Len() int { return len(h) }

func (h timerHeap) Less(i, j int) bool {
	if h[i].at != h[j].at {
		return h[i].at < h[j].at
	}
	return h[i].number < h[j].number
}

func (h timerHeap) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].place, h[j].place = i, j
}

func (h *timerHeap) Push(x any) {
	t := x.(*timer)
	t.place = len(*h)
	*h = append(*h, t)
}

func (h *timerHeap) Pop() any {
	last := len(*h) - 1
	t := (*h)[last]
	(*h)[last] = nil
	*h = (*h)[:last]
	t.place = -1
	return t
}
