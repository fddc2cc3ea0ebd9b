package objects

import (
	"errors"
	"fmt"

	"github.com/mobula/mobula/coreworker/ids"
)

// PageSize is the grain of the arena: readers map each block by itself, and mmap knows pages only.
const PageSize = 4096

var (
	// ErrFull is returned by Allocate when no free range is long enough; as a *FullError it carries the numbers.
	ErrFull = errors.New("object store is full")
	// ErrReserve is returned by Allocate when the system gave no memory for a range never used before.
	ErrReserve = errors.New("no memory for the object store")
	// ErrBlock is returned for a block that is not there, or is not in the state that the call needs.
	ErrBlock = errors.New("wrong block")
)

// FullError says what was asked of a full arena and what was there, in bytes.
type FullError struct {
	Asked, Free, LargestFree, Used, Total uint64
}

// Error states the numbers.
func (e *FullError) Error() string {
	return fmt.Sprintf("object store is full: asked for %d bytes; of %d bytes %d are used and %d free, %d of them in one piece",
		e.Asked, e.Total, e.Used, e.Free, e.LargestFree)
}

// Is makes errors.Is(err, ErrFull) true.
func (e *FullError) Is(target error) bool { return target == ErrFull }

type blockState uint8

const (
	writing  blockState = iota // the writer fills it
	sealed                     // an object: readable, pinned by readers
	released                   // the object is gone; pins keep the bytes
)

func (s blockState) String() string {
	return [...]string{"being written", "sealed", "released"}[s]
}

type block struct {
	Block
	state  blockState
	where  residence
	writer ids.WorkerID
	pins   uint64  // of all processes
	extent *extent // in memory; nil where it lies on disk only
	slot   *extent // on disk; what it holds is good once it was written out
	copied bool    // the slot holds the bytes
	sum    uint32  // of them

	idle         bool // in the list of what may be written out
	older, newer *block
	waiting      []*Bringing
	object       ids.ObjectID // whose value it is
	wish         *wish        // whose room on disk is being reserved
}

// holding is what one process has in the arena.
type holding struct {
	pins    map[uint64]uint64 // block id to pins, never 0
	writing map[uint64]struct{}
}

// Arena gives out blocks of one range of shared memory, and takes them back when no object, no reader and no writer
// has them. It deals in offsets; it never touches the bytes. With a disk (UseDisk) blocks may lie there as well.
type Arena struct {
	space  space
	disk   space
	disks  bool
	base   uint64 // offsets from here on are those of the disk
	blocks map[uint64]*block
	procs  map[ids.WorkerID]*holding
	lastID uint64
	pins   uint64
	unref  int // released blocks
	unseal int // blocks being written

	oldest, newest *block // of the idle ones: the first and the last to be written out
	leaving        uint64 // bytes of blocks that are being written out
	away           int    // blocks that have no bytes in memory
	erase          []*Job // places on disk that nobody needs any more
}

// NewArena makes an arena of the given size, rounded down to whole pages. reserve makes the system back a range with
// memory (fallocate); it is called once for each range, the first time it is used, so that touching a page of a block
// never kills a process.
func NewArena(bytes uint64, reserve func(offset, length uint64) error) *Arena {
	return &Arena{
		space:  newSpace(bytes&^(PageSize-1), reserve),
		base:   (bytes + PageSize - 1) &^ (PageSize - 1),
		blocks: make(map[uint64]*block),
		procs:  make(map[ids.WorkerID]*holding),
	}
}

// Allocate gives the writer a block to fill. It stays the writer's until Seal, Discard or DropProcess. Errors: ErrFull,
// ErrReserve; the arena is unchanged by them.
func (a *Arena) Allocate(size uint64, writer ids.WorkerID) (Block, error) {
	ext, err := a.space.take(size)
	if err != nil {
		return Block{}, fmt.Errorf("allocate: %w", err)
	}
	a.lastID++
	b := &block{Block: Block{ID: a.lastID, Offset: ext.off, Size: size}, writer: writer, extent: ext}
	a.blocks[b.ID] = b
	a.holding(writer).writing[b.ID] = struct{}{}
	a.unseal++
	return b.Block, nil
}

// Seal makes the block an object: the writer writes no more.
func (a *Arena) Seal(id uint64, writer ids.WorkerID) (Block, error) {
	b, err := a.written("seal", id, writer)
	if err != nil {
		return Block{}, err
	}
	a.endWriting(b)
	b.state = sealed
	a.rest(b)
	return b.Block, nil
}

// Discard gives back a block that will not be sealed.
func (a *Arena) Discard(id uint64, writer ids.WorkerID) error {
	b, err := a.written("discard", id, writer)
	if err != nil {
		return err
	}
	a.endWriting(b)
	a.remove(b)
	return nil
}

// Pin notes that the block was handed to the process once more: its bytes stay until the process has unpinned it as
// often. A released block cannot be handed out again, nor one that is away.
func (a *Arena) Pin(id uint64, proc ids.WorkerID) error {
	b, err := a.in("pin", id, sealed)
	if err != nil {
		return err
	}
	if !b.where.readable() {
		return fmt.Errorf("pin: %w: %d is %s", ErrAway, id, b.where)
	}
	a.busy(b)
	a.holding(proc).pins[id]++
	b.pins++
	a.pins++
	return nil
}

// Unpin takes back n pins of the process. Where it has fewer, those it has are taken and the error says so.
func (a *Arena) Unpin(id uint64, proc ids.WorkerID, n uint64) error {
	h := a.procs[proc]
	if h == nil || h.pins[id] == 0 {
		return fmt.Errorf("unpin: %w: %d is not pinned by process %s", ErrBlock, id, proc)
	}
	has := h.pins[id]
	take := min(n, has)
	a.unpin(h, a.blocks[id], take)
	a.forget(proc, h)
	if n > has {
		return fmt.Errorf("unpin: %w: process %s gave back %d pins of %d, it had %d", ErrBlock, proc, n, id, has)
	}
	return nil
}

// Release says that the object is gone: the block is free once nobody pins it.
func (a *Arena) Release(id uint64) error {
	b, err := a.in("release", id, sealed)
	if err != nil {
		return err
	}
	b.state = released
	a.unref++
	a.rest(b)
	return nil
}

// DropProcess takes back what a dead process has: its pins and the blocks it was writing.
func (a *Arena) DropProcess(proc ids.WorkerID) {
	h := a.procs[proc]
	if h == nil {
		return
	}
	// In the order of the ids, so that the same history always gives the same arena.
	for _, id := range sortedKeys(h.writing) {
		b := a.blocks[id]
		a.endWriting(b)
		a.remove(b)
	}
	for _, id := range sortedKeys(h.pins) {
		a.unpin(h, a.blocks[id], h.pins[id])
	}
	a.forget(proc, h)
}

// Lookup gives a block that is sealed and not released, where it lies now; false for one that is away.
func (a *Arena) Lookup(id uint64) (Block, bool) {
	b := a.blocks[id]
	if b == nil || b.state != sealed || !b.where.readable() {
		return Block{}, false
	}
	return b.Block, true
}

func (a *Arena) unpin(h *holding, b *block, n uint64) {
	if h.pins[b.ID] -= n; h.pins[b.ID] == 0 {
		delete(h.pins, b.ID)
	}
	b.pins -= n
	a.pins -= n
	a.rest(b)
}

func (a *Arena) endWriting(b *block) {
	h := a.procs[b.writer]
	delete(h.writing, b.ID)
	a.unseal--
	a.forget(b.writer, h)
}

func (a *Arena) remove(b *block) {
	if b.state == released {
		a.unref--
	}
	delete(a.blocks, b.ID)
	a.busy(b)
	if b.extent != nil {
		a.space.give(b.extent)
	} else {
		a.away--
	}
	a.giveSlot(b)
}

func (a *Arena) holding(proc ids.WorkerID) *holding {
	h := a.procs[proc]
	if h == nil {
		h = &holding{pins: make(map[uint64]uint64), writing: make(map[uint64]struct{})}
		a.procs[proc] = h
	}
	return h
}

// forget drops the record of a process that has nothing left here.
func (a *Arena) forget(proc ids.WorkerID, h *holding) {
	if len(h.pins) == 0 && len(h.writing) == 0 {
		delete(a.procs, proc)
	}
}

func (a *Arena) in(op string, id uint64, want blockState) (*block, error) {
	b := a.blocks[id]
	if b == nil {
		return nil, fmt.Errorf("%s: %w: %d is not there", op, ErrBlock, id)
	}
	if b.state != want {
		return nil, fmt.Errorf("%s: %w: %d is %s", op, ErrBlock, id, b.state)
	}
	return b, nil
}

func (a *Arena) written(op string, id uint64, writer ids.WorkerID) (*block, error) {
	b, err := a.in(op, id, writing)
	if err != nil {
		return nil, err
	}
	if b.writer != writer {
		return nil, fmt.Errorf("%s: %w: %d belongs to process %s, not %s", op, ErrBlock, id, b.writer, writer)
	}
	return b, nil
}
