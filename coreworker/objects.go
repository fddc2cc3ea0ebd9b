package coreworker

import (
	"errors"
	"fmt"

	"github.com/mobula/mobula/coreworker/backend"
	"github.com/mobula/mobula/coreworker/ids"
	"github.com/mobula/mobula/coreworker/objects"
	"github.com/mobula/mobula/coreworker/refs"
)

// Accept takes a value that a process brings. A block that the process has written is sealed; the value is complete
// afterwards. A value that cannot be taken becomes an error object, so that whoever waits is told.
func (p *Process) Accept(v objects.Value) objects.Value {
	if v.Block != nil {
		b, err := p.core.arena.Seal(v.Block.ID, p.ID)
		if err != nil {
			p.core.report(err)
			return objects.ObjectLost("its bytes were not in the object store: " + err.Error())
		}
		v.Block = &b
	}
	_, v.IsError = objects.Metadata(v.Metadata)
	return v
}

// Put stores an object that the process made; the process holds one reference.
func (p *Process) Put(id ids.ObjectID, v objects.Value) {
	c := p.core
	v = p.Accept(v)
	if c.refs.Known(id) {
		c.discard(v)
		c.report(fmt.Errorf("put: %s is known already", id))
		return
	}
	c.report(c.refs.Own(id, p.ID))
	c.report(c.refs.Add(id, p.ID, 1))
	c.expect(id)
	c.keep(id, v)
}

// keep gives an object its value, unless nobody refers to it any more or it has one.
func (c *Core) keep(id ids.ObjectID, v objects.Value) {
	if !c.refs.Known(id) {
		c.discard(v)
		return
	}
	if len(v.Contained) > 0 {
		if c.cluster != nil {
			c.meet(v.Contained)
		}
		c.report(c.refs.Contain(id, v.Contained))
	}
	if !c.store.Put(id, v) {
		c.discard(v)
		return
	}
	if v.Block != nil {
		c.arena.Name(v.Block.ID, id)
	}
	if c.cluster != nil {
		c.publish(id, v)
	}
}

// discard gives back what a value takes up that nobody will see.
func (c *Core) discard(v objects.Value) {
	if v.Block != nil {
		c.report(c.arena.Release(v.Block.ID))
	}
}

// free forgets objects that nothing refers to any more.
func (c *Core) free(gone []ids.ObjectID) {
	for _, id := range gone {
		if v, ok := c.store.Delete(id); ok {
			if c.cluster != nil {
				c.cluster.Forget(id)
			}
			if large(v) {
				c.lineage.Gone(id)
			}
			c.discard(v)
			continue
		}
		if t := id.Task(); t.IsActorCreation() && id == t.Actor().Handle() {
			c.outOfScope(t.Actor())
		}
	}
}

// Refs notes handles that came into being in the process, then those that went.
func (p *Process) Refs(added, dropped []ids.ObjectID) {
	c := p.core
	for _, id := range added {
		c.report(c.refs.Add(id, p.ID, 1))
	}
	for _, id := range dropped {
		freed, err := c.refs.Drop(id, p.ID, 1)
		c.report(err)
		c.free(freed)
	}
}

// RefsOfCalls takes back handles whose call, or put, may have come or not: its maker was interrupted while it wrote it.
// What comes comes before, in the order of the process, so an object that is not known now will never be.
func (p *Process) RefsOfCalls(unsure []ids.ObjectID) {
	c := p.core
	for _, id := range unsure {
		freed, err := c.refs.Drop(id, p.ID, 1)
		if !errors.Is(err, refs.ErrUnknown) && !errors.Is(err, refs.ErrTooMany) {
			c.report(err)
		}
		c.free(freed)
	}
}

// Discard gives up blocks that the process allocated and will not seal. One that it has sealed, or given up, already is
// left as it is: a writer that is interrupted cannot tell how far it came.
func (p *Process) Discard(blocks []uint64) {
	for _, id := range blocks {
		if err := p.core.arena.Discard(id, p.ID); !errors.Is(err, objects.ErrBlock) {
			p.core.report(err)
		}
	}
}

// Unpin gives back pins, one for each time an id is named.
func (p *Process) Unpin(blocks []uint64) {
	for _, id := range blocks {
		p.core.report(p.core.arena.Unpin(id, p.ID, 1))
	}
}

// Value implements submit.Env.
func (c *Core) Value(id ids.ObjectID) (objects.Value, bool) {
	if v, ok := c.store.Get(id); ok {
		return v, true
	}
	if c.store.State(id) == objects.Unknown {
		return unknown(id), true
	}
	return objects.Value{}, false
}

// OnReady implements submit.Env.
func (c *Core) OnReady(id ids.ObjectID, fn func()) (stop func()) {
	w, known := c.store.OnReady(id, fn)
	if !known {
		return func() {}
	}
	return w.Cancel
}

func unknown(id ids.ObjectID) objects.Value {
	return objects.ObjectFreed("object " + id.String() + " is not known in this session: nothing refers to it, or it is of a session that has ended")
}

// Export puts an entry into the function table.
func (c *Core) Export(namespace string, key, value []byte, fn backend.Function) {
	if c.cluster != nil {
		c.cluster.Export(namespace, key, value, fn)
		return
	}
	c.kv.Put(namespace, key, value)
}

// Lookup reads an entry of the function table. On this machine it answers before it returns.
func (c *Core) Lookup(namespace string, key []byte, answer func(value []byte, found bool, err error)) {
	if c.cluster != nil {
		c.cluster.Lookup(namespace, key, answer)
		return
	}
	value, found := c.kv.Get(namespace, key)
	answer(value, found, nil)
}

// FunctionFor returns the export of a function the first time this process needs it.
func (p *Process) FunctionFor(id ids.FunctionID) ([]byte, bool) {
	if _, has := p.known[id]; has {
		return nil, false
	}
	v, ok := p.core.kv.Function(id)
	if ok {
		p.known[id] = struct{}{}
	}
	return v, ok
}
