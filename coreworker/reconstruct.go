package coreworker

import (
	"github.com/mobula/mobula/coreworker/ids"
	"github.com/mobula/mobula/coreworker/objects"
	"github.com/mobula/mobula/coreworker/task"
)

// large says whether a value is one that can be lost: it lies in the arena, or in a cluster's store.
func large(v objects.Value) bool { return v.Block != nil || v.Stored }

// lineageBytes is how much of finished tasks is kept (Ray: RAY_max_lineage_bytes).
const lineageBytes = 1 << 30

// Results that are lost are made again, as in Ray: the task that made one is run once more, at the cost of a retry, and
// before it those that made what it takes and that is gone too. What cannot be made again becomes an error.

// unreadable is told that the value of an object could not be read back.
func (c *Core) unreadable(id ids.ObjectID, why error) {
	if c.cluster != nil { // the cluster's store has it, too
		if old, ok := c.store.Replace(id, objects.Value{Stored: true}); ok {
			c.discard(old)
		}
		return
	}
	c.lost(id, "its bytes could not be read back from disk: "+why.Error())
}

// lost is told that the value of a ready object is gone.
func (c *Core) lost(id ids.ObjectID, why string) {
	refusal := c.refusal(id, map[ids.TaskID]struct{}{})
	if refusal != 0 {
		c.replace(id, objects.Unreconstructable(refusal, why))
		return
	}
	if old, ok := c.store.Lose(id); ok {
		c.discard(old)
		c.expect(id)
		c.missItem(id)
		c.again(id.Task())
	}
}

// replace gives a ready object another value.
func (c *Core) replace(id ids.ObjectID, v objects.Value) {
	if old, ok := c.store.Replace(id, v); ok {
		if large(old) {
			c.lineage.Gone(id)
		}
		c.discard(old)
		if c.cluster != nil {
			c.publish(id, v)
		}
	}
}

// refusal says why an object cannot be made again; 0 when it can. seen are the tasks that were found able to.
func (c *Core) refusal(id ids.ObjectID, seen map[ids.TaskID]struct{}) objects.ErrorType {
	if id.IsPut() {
		return objects.UnreconstructablePutType
	}
	maker := id.Task()
	if _, looked := seen[maker]; looked || c.tasks.Get(maker) != nil {
		return 0
	}
	k := c.lineage.Get(maker)
	switch {
	case k == nil:
		return objects.ObjectLostType
	case k.Refusal != 0:
		return k.Refusal
	case k.Retries == 0:
		return objects.ReconstructionExhaustedType
	case c.procs[k.Owner] == nil:
		return objects.OwnerDiedType
	}
	seen[maker] = struct{}{}
	for i := range k.Spec.Args {
		if a := &k.Spec.Args[i]; a.IsRef && !c.refs.Known(a.Ref) {
			if _, small := k.Small[a.Ref]; small {
				continue
			}
			if why := c.refusal(a.Ref, seen); why != 0 {
				return why
			}
		}
	}
	for _, inside := range k.Spec.Inside() {
		if !c.refs.Known(inside) {
			return objects.UnreconstructableRefType
		}
	}
	return 0
}

// again runs a kept task once more, after what makes the arguments that are gone.
func (c *Core) again(id ids.TaskID) {
	if c.tasks.Get(id) != nil {
		return // it is under way for another of its results
	}
	k := c.lineage.Get(id)
	owner := c.procs[k.Owner]
	var makers []ids.TaskID
	for i := range k.Spec.Args {
		a := &k.Spec.Args[i]
		if !a.IsRef || c.refs.Known(a.Ref) {
			continue
		}
		c.report(c.refs.Own(a.Ref, k.Owner))
		if v, small := k.Small[a.Ref]; small {
			c.store.Put(a.Ref, v)
			continue
		}
		c.expect(a.Ref)
		c.missItem(a.Ref)
		makers = append(makers, a.Ref.Task())
	}
	e, fresh := c.tasks.Add(k.Spec, k.Owner)
	if !fresh {
		return
	}
	e.Retries, e.Attempt, e.Items = k.Retries, k.Attempt, k.Items
	e.UseAttempt()
	owner.pending++
	if c.witness != nil {
		c.witness.Submitted(e)
	}
	c.use(k.Spec)
	for _, maker := range makers {
		c.again(maker)
	}
	if e.Spec.Type == task.ActorMethod {
		owner.call(e)
		return
	}
	owner.normal.Submit(e)
}

// remember keeps a task that has completed, if it left large results that could be lost. Called while it still holds its
// arguments.
func (c *Core) remember(e *task.Entry) {
	s := e.Spec
	if c.procs[e.Owner] == nil {
		return
	}
	count := 0
	for _, m := range c.missing[s.ID] {
		if c.refs.Known(m.id) {
			count++
		}
	}
	look := func(id ids.ObjectID) {
		if v, ok := c.store.Get(id); ok && large(v) {
			count++
		}
	}
	s.Returns(look)
	for k := range e.Items {
		look(s.ID.Return(uint32(k + 2)))
	}
	var small map[ids.ObjectID]objects.Value
	if count > 0 {
		for i := range s.Args {
			if a := &s.Args[i]; a.IsRef {
				if v, ok := c.store.Get(a.Ref); ok && !large(v) && len(v.Contained) == 0 {
					if small == nil {
						small = map[ids.ObjectID]objects.Value{}
					}
					small[a.Ref] = v
				}
			}
		}
	}
	c.lineage.Keep(e, count, small)
}

// disown is told that kill() has ended a process: what it owned is lost with it, as in Ray. What a process leaves that died
// in any other way lives on while somebody refers to it, for the core has it.
func (c *Core) disown(owner ids.WorkerID, why string) {
	for _, id := range c.refs.OwnedBy(owner) {
		if v, ok := c.store.Get(id); ok && !v.IsError {
			c.replace(id, objects.OwnerDied(why))
		}
	}
}
