package objects

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
)

// ArenaStats counts what is in an Arena.
type ArenaStats struct {
	Total        uint64 // bytes, as all below unless said otherwise
	Used         uint64 // whole pages
	Free         uint64
	LargestFree  uint64 // in one piece
	Reserved     uint64 // ever used, and so backed with memory
	Blocks       int    // number
	Writing      int    // number of blocks not sealed yet
	Unreferenced int    // number of blocks whose object is gone and that are pinned
	Pins         uint64 // number, of all processes
	Away         int    // number of blocks that have no bytes in memory: spilled, or made on disk
	OnDisk       uint64 // bytes in use on disk
}

// Away is the number of blocks that have no bytes in memory.
func (a *Arena) Away() int { return a.away }

// Stats counts what is in the arena.
func (a *Arena) Stats() ArenaStats {
	return ArenaStats{
		Total:        a.space.total,
		Used:         a.space.used,
		Free:         a.space.total - a.space.used,
		LargestFree:  a.space.largest(),
		Reserved:     a.space.top,
		Blocks:       len(a.blocks),
		Writing:      a.unseal,
		Unreferenced: a.unref,
		Pins:         a.pins,
		Away:         a.away,
		OnDisk:       a.disk.used,
	}
}

// Validate checks everything that must hold between calls. It looks at every block: for tests and debug builds.
func (a *Arena) Validate() error {
	if err := a.space.validate(); err != nil {
		return fmt.Errorf("arena: %w", err)
	}
	if err := a.disk.validate(); err != nil {
		return fmt.Errorf("arena, on disk: %w", err)
	}
	pins := make(map[uint64]uint64)
	unsealed := 0
	for proc, h := range a.procs {
		if len(h.pins)+len(h.writing) == 0 {
			return fmt.Errorf("arena: process %s has a record and nothing in it", proc)
		}
		for id, n := range h.pins {
			if n == 0 || a.blocks[id] == nil {
				return fmt.Errorf("arena: process %s has %d pins of block %d, known: %t", proc, n, id, a.blocks[id] != nil)
			}
			pins[id] += n
		}
		for id := range h.writing {
			if b := a.blocks[id]; b == nil || b.state != writing || b.writer != proc {
				return fmt.Errorf("arena: process %s is said to write block %d", proc, id)
			}
			unsealed++
		}
	}
	return a.validateBlocks(pins, unsealed)
}

func (a *Arena) validateBlocks(pins map[uint64]uint64, unsealed int) error {
	var sum, used, slots, leaving uint64
	var written, unreferenced, away, idle int
	for id, b := range a.blocks {
		switch {
		case b.ID != id || b.ID > a.lastID:
			return fmt.Errorf("arena: block %d is listed as %d, last given out %d", b.ID, id, a.lastID)
		case b.extent != nil && (b.extent.free || b.extent.len < b.Size || b.extent.len >= b.Size+2*PageSize),
			b.slot != nil && (b.slot.free || b.slot.len < b.Size || b.slot.len >= b.Size+2*PageSize):
			return fmt.Errorf("arena: block %d at %d with %d bytes has the extent %s, on disk %s", id, b.Offset, b.Size, b.extent, b.slot)
		case (b.where == inMemory || b.where == spilling) && (b.extent == nil || b.Offset != b.extent.off):
			return fmt.Errorf("arena: block %d is %s and said to be at %d, its extent is %s", id, b.where, b.Offset, b.extent)
		case b.where == onDisk && (b.extent != nil || b.slot == nil || b.Offset != a.base+b.slot.off):
			return fmt.Errorf("arena: block %d is %s and said to be at %d, its place is %s", id, b.where, b.Offset, b.slot)
		case b.where == spilled && (b.extent != nil || b.slot == nil || !b.copied || b.pins > 0):
			return fmt.Errorf("arena: block %d is %s with %d pins, extent %s, on disk %s", id, b.where, b.pins, b.extent, b.slot)
		case b.idle != (b.where == inMemory && b.state == sealed && b.pins == 0):
			return fmt.Errorf("arena: block %d is %s, %s, with %d pins; idle: %t", id, b.state, b.where, b.pins, b.idle)
		case b.pins != pins[id]:
			return fmt.Errorf("arena: block %d has %d pins, processes have %d", id, b.pins, pins[id])
		case b.state == released && b.pins == 0 && !b.where.waits():
			return fmt.Errorf("arena: block %d is kept by nobody", id)
		case b.state == writing && b.pins > 0:
			return fmt.Errorf("arena: block %d is pinned while it is written", id)
		}
		switch b.state {
		case writing:
			written++
		case released:
			unreferenced++
		}
		sum += b.pins
		if b.extent != nil {
			used += b.extent.len
		} else {
			away++
		}
		if b.slot != nil {
			slots += b.slot.len
		}
		if b.where == spilling {
			leaving += b.extent.len
		}
		if b.idle {
			idle++
		}
	}
	for b := a.oldest; b != nil; b = b.newer {
		idle--
	}
	if away != a.away || leaving != a.leaving || idle != 0 || slots > a.disk.used {
		return fmt.Errorf("arena: counts do not fit: away %d/%d, leaving %d/%d, idle %d too many, on disk %d/%d",
			a.away, away, a.leaving, leaving, idle, a.disk.used, slots)
	}
	if sum != a.pins || used != a.space.used || written != a.unseal || written != unsealed || unreferenced != a.unref {
		return fmt.Errorf("arena: counts do not fit: pins %d/%d, used %d/%d, being written %d/%d/%d, released %d/%d",
			a.pins, sum, a.space.used, used, a.unseal, written, unsealed, a.unref, unreferenced)
	}
	return nil
}

func (s *space) validate() error {
	listed := make(map[*extent]bool)
	for c, first := range s.newest {
		var newer *extent
		for e := first; e != nil; newer, e = e, e.older {
			if !e.free || class(e.len) != c || e.newer != newer || listed[e] {
				return fmt.Errorf("free list %d holds %s", c, e)
			}
			listed[e] = true
		}
	}
	if s.last == nil {
		if s.top != 0 || s.used != 0 || len(listed) != 0 {
			return fmt.Errorf("no extents, but top %d, used %d, free %d", s.top, s.used, len(listed))
		}
		return nil
	}
	var used uint64
	var next *extent
	end := s.top
	for e := s.last; e != nil; next, e = e, e.prev {
		if e.off+e.len != end || e.next != next || e.len == 0 || e.off%PageSize != 0 || e.len%PageSize != 0 {
			return fmt.Errorf("%s does not end at %d", e, end)
		}
		if e.free != listed[e] {
			return fmt.Errorf("%s in a free list: %t", e, listed[e])
		}
		if e.free && next != nil && next.free {
			return fmt.Errorf("%s and %s are free neighbours", e, next)
		}
		if e.free {
			delete(listed, e)
		} else {
			used += e.len
		}
		end = e.off
	}
	if end != 0 || used != s.used || len(listed) != 0 || s.top > s.total {
		return fmt.Errorf("tiling ends at %d, used %d of %d, stray free extents %d, top %d of %d", end, used, s.used, len(listed), s.top, s.total)
	}
	return nil
}

// String gives the range for messages.
func (e *extent) String() string {
	if e == nil {
		return "none"
	}
	return fmt.Sprintf("[%d, %d) free=%t", e.off, e.off+e.len, e.free)
}

func sortedKeys[K cmp.Ordered, V any](m map[K]V) []K { return slices.Sorted(maps.Keys(m)) }
