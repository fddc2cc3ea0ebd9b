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
}

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
	}
}

// Validate checks everything that must hold between calls. It looks at every block: for tests and debug builds.
func (a *Arena) Validate() error {
	if err := a.space.validate(); err != nil {
		return fmt.Errorf("arena: %w", err)
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
	var sum, used uint64
	var written, unreferenced int
	for id, b := range a.blocks {
		switch {
		case b.ID != id || b.ID > a.lastID:
			return fmt.Errorf("arena: block %d is listed as %d, last given out %d", b.ID, id, a.lastID)
		case b.extent.free || b.extent.off != b.Offset || b.extent.len < b.Size || b.extent.len >= b.Size+2*PageSize:
			return fmt.Errorf("arena: block %d at %d with %d bytes has the extent %s", id, b.Offset, b.Size, b.extent)
		case b.pins != pins[id]:
			return fmt.Errorf("arena: block %d has %d pins, processes have %d", id, b.pins, pins[id])
		case b.state == released && b.pins == 0:
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
		used += b.extent.len
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
	return fmt.Sprintf("[%d, %d) free=%t", e.off, e.off+e.len, e.free)
}

func sortedKeys[K cmp.Ordered, V any](m map[K]V) []K { return slices.Sorted(maps.Keys(m)) }
