package coreworker

import (
	"errors"
	"fmt"
	"strings"

	"github.com/mobula/mobula/coreworker/internal/golden"
	"github.com/mobula/mobula/coreworker/objects"
	"github.com/mobula/mobula/coreworker/task"
)

// streamOptions are those of submit and call that make it a generator: [streaming] [limit=N] [shared=N].
func streamOptions(c *golden.Call, s *task.Spec) {
	s.Streaming, s.Backpressure, s.ActorBackpressure = c.Flag("streaming"), c.Int("limit", 0), c.Int("shared", 0)
}

// yield G [times=N] [large]: the running generator gives its next items. They are named by the task, the attempt and the
// number; with large, they lie in the arena.
func verbYield(w *world, c *golden.Call) error {
	name := c.Word()
	r := w.running(name)
	times, large := c.Int("times", 1), c.Flag("large")
	if r == nil {
		return errors.New("it does not run")
	}
	for range times {
		v := objects.Value{Data: fmt.Appendf(nil, "%s/%d/%d", name, r.Attempt, r.items), Metadata: []byte("RAW")}
		w.core.Do(func() {
			if large {
				v = r.lane.large()
			}
			r.lane.k.proc.Item(r.Spec.ID, r.items, v)
		})
		r.items++
	}
	return nil
}

// next N of=G at=I [by=T [told]] [ms=N]: who reads the stream wants its item I, or the end; the question is named N.
func verbNext(w *world, c *golden.Call) error {
	name := c.Word()
	gen, err := w.object(c.Arg("of"))
	at := c.Int("at", 0)
	a, run, badAsker := w.asker(c)
	timeout, limited := limit(c)
	if err = errors.Join(err, badAsker); err != nil {
		return err
	}
	w.park(name, run, func(done func()) func() {
		return w.core.NextItems(a, gen.Task().Return(uint32(at+2)), 10, timeout, limited, func(i Items) {
			done()
			w.say("%s got %s", name, w.items(i))
		})
	})
	return nil
}

func (w *world) items(i Items) string {
	var out []string
	for _, v := range i.Values {
		out = append(out, w.describe(v))
	}
	for what, so := range map[string]bool{"canceled": i.Canceled, "timed out": i.TimedOut, "the end": i.Ended && !i.Failed, "the end, failed": i.Failed} {
		if so {
			out = append(out, what)
		}
	}
	return strings.Join(out, ", ")
}

// demand G: the running generator waits until more of it is wanted.
func verbDemand(w *world, c *golden.Call) error {
	name := c.Word()
	r := w.running(name)
	if r == nil {
		return errors.New("it does not run")
	}
	a := Asker{Process: r.lane.k.proc, Lane: r.lane.lane, Task: r.Spec.ID, HasTask: true}
	w.park("demand of "+name, r, func(done func()) func() {
		return w.core.Demand(a, r.Spec.ID.Return(1), r.items, func(canceled bool) {
			done()
			if canceled {
				w.say("%s is canceled where it waits", name)
			} else {
				w.say("%s goes on", name)
			}
		})
	})
	return nil
}

// taken G n=N: the consumer has taken N items. forget G n=N: it wants no more than those.
func verbTaken(w *world, c *golden.Call) error {
	gen, err := w.object(c.Word())
	n := c.Int("n", 0)
	w.core.Do(func() { w.driver.Taken(gen, n) })
	return err
}

func verbForget(w *world, c *golden.Call) error {
	gen, err := w.object(c.Word())
	n := c.Int("n", 0)
	w.core.Do(func() { w.driver.DropStream(gen, n) })
	return err
}
