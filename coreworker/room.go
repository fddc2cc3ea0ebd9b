package coreworker

import (
	"github.com/mobula/mobula/coreworker/ids"
	"github.com/mobula/mobula/coreworker/objects"
)

// diskBytes bounds the file that objects are spilled to by nothing but the disk: it is sparse.
const diskBytes = 1 << 46

// Disk does jobs outside of the lock, in the order they come, and tells of each once how it ended. Do never blocks.
type Disk interface {
	Do(j *objects.Job, ended func(error))
}

func (c *Core) openRoom() {
	if c.cfg.Disk != nil {
		c.arena.UseDisk(diskBytes)
	}
	c.room = objects.NewRoom(c.arena, func(j *objects.Job) {
		c.cfg.Disk.Do(j, func(err error) { c.Do(func() { c.room.Ended(j, err) }) })
	}, c.After, c.unreadable)
}

// Allocate gives the process a block to write, now or when there is room; it seals it by naming it in a value, or discards
// it. abandon takes the wish back.
func (p *Process) Allocate(size uint64, granted func(objects.Block, error)) (abandon func()) {
	q := &parked{asker: Asker{Process: p}}
	done := false
	stop := p.core.room.Allocate(size, p.ID, func(b objects.Block, err error) {
		done = true
		q.drop()
		granted(b, err)
	})
	if done {
		return func() {}
	}
	q.tell = func(end) {} // nothing but an answer ends it
	q.stops = append(q.stops, stop)
	q.enter()
	return q.drop
}

// Pinned holds the block of a value for the process that is about to be told of it, and says where it lies. False where it
// is not in memory now: the process has to get it.
func (p *Process) Pinned(v objects.Value) (objects.Value, bool) {
	if v.Block == nil {
		return v, true
	}
	a := p.core.arena
	if !a.Readable(v.Block.ID) {
		return v, false
	}
	p.core.report(a.Pin(v.Block.ID, p.ID))
	if b, ok := a.Lookup(v.Block.ID); ok && b != *v.Block {
		v.Block = &b
	}
	return v, true
}

// readable says whether all of the objects can be looked at without reading any back.
func (c *Core) readable(objs []ids.ObjectID) bool {
	if c.arena.Away() == 0 && c.cluster == nil {
		return true
	}
	for _, id := range objs {
		v, _ := c.Value(id)
		if v.Stored {
			return false
		}
		if v.Block != nil && !c.arena.Readable(v.Block.ID) {
			return false
		}
	}
	return true
}

// bringing is what one get has of its values while others are being read back: they are pinned as they come, or those that
// are here could be spilled for those that are not.
type bringing struct {
	p       *Process
	values  []objects.Value
	waits   []*objects.Bringing
	over    bool
	missing int
}

// start calls done once: with true when all values are pinned, with false when one of them has gone meanwhile. That may be
// before it returns.
func (b *bringing) start(objs []ids.ObjectID, done func(bool)) {
	c := b.p.core
	b.values = make([]objects.Value, len(objs))
	b.missing = 1 // this call
	arrived := func() {
		if b.missing--; b.missing == 0 {
			done(true)
		}
	}
	for i, id := range objs {
		v, _ := c.Value(id)
		if v.Stored {
			b.missing++
			c.bringStored(id, func() {
				if b.over {
					return
				}
				v, there := c.Value(id) // not there: it was lost once more, and is being made again
				pinned, here := b.p.Pinned(v)
				if v.IsError || !there || !here {
					b.drop()
					done(false)
					return
				}
				b.values[i] = pinned
				arrived()
			})
			continue
		}
		pinned, here := b.p.Pinned(v)
		if here {
			b.values[i] = pinned
			continue
		}
		b.missing++
		b.waits = append(b.waits, c.room.Bring(v.Block.ID, func(err error) {
			pinned, here := b.p.Pinned(v)
			if err != nil || !here {
				b.drop()
				done(false)
				return
			}
			b.values[i] = pinned
			arrived()
		}))
	}
	arrived()
}

// drop lets go of what has come.
func (b *bringing) drop() {
	b.over = true
	for _, w := range b.waits {
		w.Stop()
	}
	b.waits = nil
	if !b.p.gone {
		for _, v := range b.values {
			if v.Block != nil {
				b.p.Unpin([]uint64{v.Block.ID})
			}
		}
	}
	b.values = nil
}
