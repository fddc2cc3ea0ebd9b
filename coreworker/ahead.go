package coreworker

import (
	"github.com/mobula/mobula/coreworker/ids"
	"github.com/mobula/mobula/coreworker/objects"
	"github.com/mobula/mobula/coreworker/task"
)

// Outcomes sent ahead. Who calls one function after the other asks for each result right after the call. It says so with the
// call, and the result comes by itself: one message each way, where a Get would be a second one.

// SubmitTelling is Submit of a task with one return whose value is wanted: tell gets it once, when it is settled. The zero Value
// stands for one that is gone by then. A value that lies in the arena is told without a pin: it may be looked at, not kept.
func (p *Process) SubmitTelling(s *task.Spec, tell func(objects.Value)) {
	if p.core.tasks.Get(s.ID) == nil { // else it was submitted before, and is ignored
		p.core.tells[s.ID] = tell
	}
	p.Submit(s)
}

// told tells the outcome of a task to who waits for it unasked. It counts as a get.
func (c *Core) told(p *Process, id ids.TaskID) {
	tell := c.tells[id]
	if tell == nil {
		return
	}
	delete(c.tells, id)
	object := id.Return(1)
	v, _ := c.store.Get(object)
	if p != nil {
		c.took(Asker{Process: p}, []ids.ObjectID{object}, 0)
	}
	tell(v)
}
