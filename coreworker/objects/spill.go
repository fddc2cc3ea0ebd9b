package objects

import (
	"errors"
	"fmt"

	"github.com/mobula/mobula/coreworker/ids"
)

var (
	// ErrAway is returned for a block that has no bytes to look at: it is on disk and has to be brought back first.
	ErrAway = errors.New("block is away")
	// ErrDisk is wrapped by what a failed write or reservation on disk leaves. Nothing is lost by it.
	ErrDisk = errors.New("no room on disk")
	// ErrLost is wrapped by what a failed read leaves: the bytes of the block are gone for good.
	ErrLost = errors.New("block is lost")
)

// residence is where the bytes of a block are.
//
//	         SpillNext            Ended             Bring             Ended
//	inMemory ---------> spilling -------> spilled -------> restoring -------> inMemory
//	   ^                   |  pinned meanwhile,  |             |   no room: BringInPlace -> onDisk
//	   +-------------------+  or a failed write  |             +-> lost (the read failed)
//	   +-----------------------------------------+ the copy on disk stays good: the next spill writes nothing
type residence uint8

const (
	inMemory  residence = iota
	spilling            // in memory, and being written to disk; readable
	spilled             // on disk only
	restoring           // being read back
	reserving           // made on disk, whose room is being reserved
	onDisk              // lies on disk and is read there
	lost                // could not be read back
)

func (r residence) String() string {
	return [...]string{"in memory", "being spilled", "spilled", "being restored", "being reserved", "on disk", "lost"}[r]
}

func (r residence) readable() bool { return r == inMemory || r == spilling || r == onDisk }
func (r residence) waits() bool    { return r == spilling || r == restoring || r == reserving }

// JobKind is what is to be done with the disk.
type JobKind uint8

// The jobs.
const (
	WriteOut JobKind = iota // Size bytes from Memory to Disk
	ReadBack                // Size bytes from Disk to Memory
	Check                   // read Size bytes at Disk: will readers find them?
	Reserve                 // make Size bytes at Disk writable without fail
	Erase                   // give Size bytes at Disk back to the file system
)

func (k JobKind) String() string {
	return [...]string{"write out", "read back", "check", "reserve", "erase"}[k]
}

// Job is one piece of work with the disk. Whoever does it tells Ended, once.
type Job struct {
	Kind         JobKind
	Memory, Disk uint64 // offsets
	Size         uint64
	Sum          uint32 // of the bytes: what WriteOut found, and ReadBack and Check have to find again

	block *block
	slot  *extent
}

// UseDisk lets blocks lie on disk too, in a file of up to so many bytes. Their offsets begin at Base.
func (a *Arena) UseDisk(bytes uint64) {
	a.disks = true
	a.disk = newSpace(bytes&^(PageSize-1), func(uint64, uint64) error { return nil })
}

// Base is the first offset that is one of the disk: Offset - Base is the place in the file.
func (a *Arena) Base() uint64 { return a.base }

// Readable says whether the block can be pinned now.
func (a *Arena) Readable(id uint64) bool {
	b := a.blocks[id]
	return b != nil && b.state == sealed && b.where.readable()
}

// Name notes whose value lies in the block, for who is told should it be lost.
func (a *Arena) Name(id uint64, object ids.ObjectID) {
	if b := a.blocks[id]; b != nil {
		b.object = object
	}
}

// rest looks at a block that has one reason less to stay: it is removed, or may be written out from now on.
func (a *Arena) rest(b *block) {
	switch {
	case b.pins > 0 || b.state == writing || b.where.waits():
	case b.state == released:
		a.remove(b)
	case b.where == inMemory && !b.idle:
		b.idle, b.older = true, a.newest
		if a.newest == nil {
			a.oldest = b
		} else {
			a.newest.newer = b
		}
		a.newest = b
	}
}

// busy takes the block out of what may be written out.
func (a *Arena) busy(b *block) {
	if !b.idle {
		return
	}
	if b.older == nil {
		a.oldest = b.newer
	} else {
		b.older.newer = b.newer
	}
	if b.newer == nil {
		a.newest = b.older
	} else {
		b.newer.older = b.older
	}
	b.idle, b.older, b.newer = false, nil, nil
}

// spillNext begins to move the block that was idle for the longest time to disk. One whose copy is there already leaves
// the memory at once and needs no job.
func (a *Arena) spillNext() (job *Job, gone, any bool) {
	b := a.oldest
	if b == nil || !a.disks {
		return nil, false, false
	}
	if b.copied {
		a.leave(b)
		return nil, true, true
	}
	slot, err := a.disk.take(b.Size)
	if err != nil {
		return nil, false, false // the address space of the file is used up
	}
	a.busy(b)
	b.slot, b.where = slot, spilling
	a.leaving += b.extent.len
	return &Job{Kind: WriteOut, Memory: b.extent.off, Disk: slot.off, Size: b.Size, block: b, slot: slot}, false, true
}

// leave gives the memory of a block up whose bytes are on disk.
func (a *Arena) leave(b *block) {
	a.busy(b)
	a.space.give(b.extent)
	b.extent, b.where = nil, spilled
	a.away++
}

// bring begins to read a block back into memory, if there is room for it.
func (a *Arena) bring(b *block) (*Job, error) {
	ext, err := a.space.take(b.Size)
	if err != nil {
		return nil, err
	}
	b.extent, b.where = ext, restoring
	a.away--
	return &Job{Kind: ReadBack, Memory: ext.off, Disk: b.slot.off, Size: b.Size, Sum: b.sum, block: b, slot: b.slot}, nil
}

// bringInPlace lets readers look at a block where it lies on disk, once it was seen to be readable: a failing disk is to
// be an error here and not a signal there.
func (a *Arena) bringInPlace(b *block) *Job {
	b.where = restoring
	return &Job{Kind: Check, Disk: b.slot.off, Size: b.Size, Sum: b.sum, block: b, slot: b.slot}
}

// allocateOnDisk makes a block that lies on disk from the start.
func (a *Arena) allocateOnDisk(size uint64, writer ids.WorkerID) (*Job, error) {
	slot, err := a.disk.take(size)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrDisk, err)
	}
	a.lastID++
	b := &block{Block: Block{ID: a.lastID, Offset: a.base + slot.off, Size: size}, writer: writer, slot: slot, where: reserving}
	a.blocks[b.ID] = b
	a.holding(writer).writing[b.ID] = struct{}{}
	a.unseal++
	a.away++
	return &Job{Kind: Reserve, Disk: slot.off, Size: max(size, 1), block: b, slot: slot}, nil
}

// ended notes how a job ended. An error of a write or a reservation is ErrDisk, one of a read ErrLost.
func (a *Arena) ended(j *Job, err error) error {
	b := j.block
	switch j.Kind {
	case Erase:
		// One that failed keeps the disk's space until the file is used there again, or goes: it has no name.
		a.disk.give(j.slot)
		return nil
	case WriteOut:
		a.leaving -= b.extent.len
		b.where, b.copied, b.sum = inMemory, err == nil, j.Sum
		if err != nil {
			a.giveSlot(b)
			a.rest(b)
			return fmt.Errorf("%w: spilling %d bytes: %w", ErrDisk, b.Size, err)
		}
		if b.pins == 0 && b.state == sealed {
			a.leave(b)
			return nil
		}
		a.rest(b)
	case ReadBack, Check:
		if err != nil {
			b.where = lost
			if b.extent != nil {
				a.space.give(b.extent)
				b.extent = nil
				a.away++
			}
			a.rest(b)
			return fmt.Errorf("%w: reading %d bytes back from disk: %w", ErrLost, b.Size, err)
		}
		if j.Kind == Check {
			b.where, b.Offset = onDisk, a.base+b.slot.off
		} else {
			b.where, b.Offset = inMemory, b.extent.off
		}
		a.rest(b)
	case Reserve:
		b.where = onDisk
		switch {
		case errors.Is(err, errors.ErrUnsupported): // the file system cannot promise room: there is memory only
			err = a.space.full(b.Size)
		case err != nil:
			err = fmt.Errorf("%w: reserving %d bytes: %w", ErrDisk, b.Size, err)
		}
		if a.blocks[b.ID] == nil { // its writer is gone
			a.giveSlot(b)
		}
		return err
	}
	return nil
}

// giveSlot lets go of a block's place on disk; the file system gets it back before it is used again.
func (a *Arena) giveSlot(b *block) {
	if b.slot == nil || b.where == reserving {
		return
	}
	a.erase = append(a.erase, &Job{Kind: Erase, Disk: b.slot.off, Size: b.slot.len, slot: b.slot})
	b.slot, b.copied = nil, false
}

// drop takes back a block that is still being written and that its writer was never told of.
func (a *Arena) drop(b *block) {
	if b.state == writing {
		a.endWriting(b)
		a.remove(b)
	}
}
