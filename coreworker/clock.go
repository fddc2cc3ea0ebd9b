package coreworker

import "time"

type timer struct{ t *time.Timer }

// Now is the time since the core was made, on the monotonic clock.
func (c *Core) Now() time.Duration { return time.Since(c.began) }

// After calls fn under the lock after d, unless stopped or the core is closed before.
func (c *Core) After(d time.Duration, fn func()) (stop func()) {
	if c.closed {
		return func() {}
	}
	t := &timer{}
	c.timers[t] = struct{}{}
	t.t = time.AfterFunc(d, func() {
		c.Do(func() {
			// Stopped after it had fired and before it got the lock: it counts as stopped.
			if _, armed := c.timers[t]; !armed {
				return
			}
			delete(c.timers, t)
			fn()
		})
	})
	return func() {
		t.t.Stop()
		delete(c.timers, t)
	}
}
