package coreworker

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

// TestTimersKeepTheirOrder: by time, and what has the same time by who asked first; what is stopped never happens, also where it
// is stopped by what has the same time.
func TestTimersKeepTheirOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := New(Config{})
		defer c.Close()
		var happened []string
		note := func(name string) func() { return func() { happened = append(happened, name) } }
		c.Do(func() {
			c.After(30*time.Millisecond, note("late"))
			var stop func()
			c.After(20*time.Millisecond, func() {
				note("a")()
				stop()
				c.After(0, note("at once"))
			})
			c.After(20*time.Millisecond, note("b"))
			stop = c.After(20*time.Millisecond, note("stopped when due"))
			early := c.After(10*time.Millisecond, note("stopped early")) // the alarm was set for it
			c.After(-time.Second, note("now"))
			early()
			early() // twice is once
		})
		time.Sleep(time.Second)
		c.Do(func() {
			if want := []string{"now", "a", "b", "at once", "late"}; !slices.Equal(happened, want) {
				t.Errorf("%q, want %q", happened, want)
			}
			c.After(time.Millisecond, note("after a while without any"))
			c.After(time.Hour, note("after the end"))
		})
		time.Sleep(time.Second)
		c.Close()
		c.Do(func() { c.After(0, note("asked for after the end")) })
		time.Sleep(2 * time.Hour)
		c.Do(func() {
			if last := happened[len(happened)-1]; last != "after a while without any" {
				t.Errorf("%q happened", last)
			}
		})
	})
}
