package coreworker

import (
	"slices"

	"github.com/mobula/mobula/coreworker/ids"
	"github.com/mobula/mobula/coreworker/objects"
	"github.com/mobula/mobula/coreworker/task"
)

// An item of a generator that is lost comes again when the generator is run once more, from its beginning: what it yields in
// that place is the item, what it yields in others is there and is given back. Its stream is over by then, or was dropped; or
// the generator is still running, and has left the place of the lost item behind.

// missingItem is a lost item that is to be made again.
type missingItem struct {
	id ids.ObjectID
	// gone is the attempt that cannot bring it any more.
	gone int
}

// missItem notes that an item was lost, or is needed again as an argument. What is no item of a generator is left alone: its
// task brings it whenever it ends.
func (c *Core) missItem(id ids.ObjectID) {
	maker := id.Task()
	gone := 0
	if e := c.tasks.Get(maker); e != nil {
		if !yields(e.Spec, id) {
			return
		}
		gone = e.Attempt
	} else if k := c.lineage.Get(maker); k != nil && k.Spec != nil && yields(k.Spec, id) {
		gone = k.Attempt
	} else {
		return
	}
	c.missing[maker] = append(c.missing[maker], missingItem{id, gone})
}

func yields(s *task.Spec, id ids.ObjectID) bool { return (s.Streaming || s.Dynamic) && id.Index() > 1 }

// madeAgain takes what a generator has yielded in the place of a lost item. False where none is missing there.
func (c *Core) madeAgain(id ids.ObjectID, v objects.Value) bool {
	list := c.missing[id.Task()]
	at := slices.IndexFunc(list, func(m missingItem) bool { return m.id == id })
	if at < 0 {
		return false
	}
	c.forgetMissing(id.Task(), slices.Delete(list, at, at+1))
	c.keep(id, v)
	return true
}

func (c *Core) forgetMissing(maker ids.TaskID, left []missingItem) {
	if c.missing[maker] = left; len(left) == 0 {
		delete(c.missing, maker)
	}
}

// settleMissing is told that a generator has ended. What was lost of it while it ran is made by another run, where one is
// allowed; whatever this run should have brought and has not gets an error.
func (c *Core) settleMissing(e *task.Entry, failure *objects.Value) {
	id := e.Spec.ID
	if len(c.missing[id]) == 0 {
		return
	}
	list := slices.DeleteFunc(c.missing[id], func(m missingItem) bool { return !c.refs.Known(m.id) })
	c.forgetMissing(id, list)
	for _, m := range slices.Clone(list) {
		v := objects.ObjectLost("its generator was run again and did not yield it")
		if failure != nil {
			v = *failure
		} else if m.gone >= e.Attempt {
			refusal := c.refusal(m.id, map[ids.TaskID]struct{}{})
			if refusal == 0 {
				c.again(id)
				continue
			}
			v = objects.Unreconstructable(refusal, "its bytes were lost while its generator ran")
		}
		list = c.missing[id]
		c.forgetMissing(id, slices.DeleteFunc(list, func(one missingItem) bool { return one.id == m.id }))
		c.lineage.Gone(m.id)
		c.keep(m.id, v)
	}
}
