package coreworker

import (
	"fmt"

	"github.com/mobula/mobula/coreworker/backend"
	"github.com/mobula/mobula/coreworker/embedded"
	"github.com/mobula/mobula/coreworker/ids"
	"github.com/mobula/mobula/coreworker/objects"
	"github.com/mobula/mobula/coreworker/sched"
)

// nodeIDLabel is the label that every machine has in Ray.
const nodeIDLabel = "ray.io/node-id"

// CreateGroup makes a placement group for this process. One that is not detached ends with its job, or, made by a
// detached actor, with that actor.
func (p *Process) CreateGroup(spec embedded.GroupSpec, detached bool, labels []sched.Selector) error {
	for i, selector := range labels {
		spec.Bundles[i].Nowhere = !selector.Fits(p.core.labels)
	}
	spec.Job, spec.Detached = p.Job, detached
	if p.worker != nil && !detached {
		spec.Owner, _ = p.worker.DetachedActor()
	}
	return p.core.sched.CreateGroup(spec)
}

// RemoveGroup ends a placement group with all that runs in it or waits for it. One that is not there is removed already:
// nobody can have anything in it.
func (c *Core) RemoveGroup(id ids.GroupID) {
	if why, was := c.sched.RemoveGroup(id); was {
		c.actors.GroupRemoved(id, why)
	}
}

func (c *Core) actorDied(id ids.ActorID) {
	for _, group := range c.sched.GroupsOf(id) {
		c.RemoveGroup(group)
	}
	c.shrunk(id.Job())
}

// AwaitGroup makes an object that has its value v once the group was made; the process holds one reference. Where the
// group is removed, the object is an error.
func (p *Process) AwaitGroup(group ids.GroupID, id ids.ObjectID, v objects.Value) {
	c := p.core
	v = p.Accept(v)
	if c.refs.Known(id) {
		c.discard(v)
		c.report(fmt.Errorf("await group: %s is known already", id))
		return
	}
	c.report(c.refs.Own(id, p.ID))
	c.report(c.refs.Add(id, p.ID, 1))
	c.store.Expect(id)
	told := func(made bool) {
		if !made {
			c.discard(v)
			v = objects.TaskGroupRemoved(fmt.Sprintf("placement group %s was removed", group))
		}
		c.keep(id, v)
	}
	if c.cluster != nil {
		c.cluster.Expect(id)
		c.cluster.AwaitGroup(group, func(err error) { told(err == nil) })
		return
	}
	if err := c.sched.AwaitGroup(group, func() bool { return c.refs.Known(id) }, told); err != nil {
		c.discard(v)
		c.keep(id, objects.TaskGroupRemoved(err.Error()))
	}
}

// Group returns a placement group that is known.
func (c *Core) Group(id ids.GroupID) (*embedded.Group, bool) { return c.sched.Group(id) }

// GroupNamed returns the placement group of that name that was not removed.
func (c *Core) GroupNamed(namespace, name string) (*embedded.Group, bool) {
	return c.sched.GroupNamed(namespace, name)
}

// Groups are all placement groups that are known.
func (c *Core) Groups() []*embedded.Group { return c.sched.Groups() }

// Groups of a cluster. Nothing of them is kept here: whoever asks is told what the cluster says now.

// CreateFarGroup is CreateGroup in a cluster; false: there is none.
func (c *Core) CreateFarGroup(g backend.Group, answer func(error)) bool {
	if c.cluster != nil {
		c.cluster.CreateGroup(g, answer)
	}
	return c.cluster != nil
}

// RemoveFarGroup is RemoveGroup in a cluster; false: there is none.
func (c *Core) RemoveFarGroup(id ids.GroupID, answer func(error)) bool {
	if c.cluster != nil {
		c.cluster.RemoveGroup(id, answer)
	}
	return c.cluster != nil
}

// FindFarGroups answers with the cluster's group of an id, or else of a name, or else all; false: there is no cluster.
func (c *Core) FindFarGroups(id *ids.GroupID, namespace, name string, answer func([]backend.Group, error)) bool {
	if c.cluster != nil {
		c.cluster.FindGroups(id, namespace, name, answer)
	}
	return c.cluster != nil
}
