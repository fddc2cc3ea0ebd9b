package objects

import (
	"fmt"
	"math/bits"
)

// extent is a range of the arena, free or taken. All of them, in the order of their offsets, tile the range that was
// ever used; two free ones are never neighbours.
type extent struct {
	off, len   uint64
	prev, next *extent // neighbours
	free       bool
	newer      *extent // in the free list of its class, towards what was freed later
	older      *extent
}

// space is the allocator under the arena. Warm pages decide how fast a put is (the first touch of a page costs ten
// times the copy into it), so what was freed last is given out first, and what was never used comes last of all.
//
// Free extents are kept by size class, four to each power of two, newest first. A request looks at the newest of its
// own class, then takes the newest of the next class that has any (all of which fit), then looks through the whole of
// its own class, and only then takes what was never used. A long extent is thus not cut up while a shorter one does.
type space struct {
	total   uint64
	top     uint64 // everything below is tiled by extents, and reserved
	used    uint64
	last    *extent // the one that ends at top
	newest  [classCount]*extent
	reserve func(offset, length uint64) error
}

const (
	classCount = 4 * 64
	glance     = 8 // how many of its own class a request looks at before it goes on
)

func newSpace(total uint64, reserve func(offset, length uint64) error) space {
	return space{total: total, reserve: reserve}
}

// class is the size class of n pages: the position of the highest bit and the two bits below it.
func class(length uint64) int {
	pages := length / PageSize
	top := bits.Len64(pages) - 1
	if top < 2 {
		return top*4 + int(pages&(1<<top-1))<<(2-top)
	}
	return top*4 + int(pages>>(top-2)&3)
}

// take gives an extent of at least size bytes.
func (s *space) take(size uint64) (*extent, error) {
	if size > s.total {
		return nil, s.full(size)
	}
	length := max((size+PageSize-1)&^(PageSize-1), PageSize)
	e := s.find(length)
	if e == nil {
		var err error
		if e, err = s.grow(size, length); err != nil {
			return nil, err
		}
	}
	s.unlist(e)
	s.cut(e, length)
	s.used += length
	return e, nil
}

// find looks for a free extent among those used before.
func (s *space) find(length uint64) *extent {
	own := class(length)
	e := s.newest[own]
	for range glance {
		if e == nil {
			break
		}
		if e.len >= length {
			return e
		}
		e = e.older
	}
	for c := own + 1; c < classCount; c++ {
		if s.newest[c] != nil {
			return s.newest[c]
		}
	}
	for ; e != nil; e = e.older {
		if e.len >= length {
			return e
		}
	}
	return nil
}

// grow makes a free extent at the top, out of what was never used and what is free just below it.
func (s *space) grow(size, length uint64) (*extent, error) {
	start := s.top
	if s.last != nil && s.last.free {
		start = s.last.off
	}
	if length > s.total-start {
		return nil, s.full(size)
	}
	end := start + length
	if err := s.reserve(s.top, end-s.top); err != nil {
		return nil, fmt.Errorf("%w: %d bytes at %d: %w", ErrReserve, end-s.top, s.top, err)
	}
	if start == s.top {
		e := &extent{off: start, len: length, prev: s.last, free: true}
		if s.last != nil {
			s.last.next = e
		}
		s.last, s.top = e, end
		s.list(e)
		return e, nil
	}
	s.unlist(s.last)
	s.last.len, s.top = length, end
	s.last.free = true
	s.list(s.last)
	return s.last, nil
}

// cut leaves e with length bytes and makes a free extent of the rest.
func (s *space) cut(e *extent, length uint64) {
	if e.len == length {
		return
	}
	rest := &extent{off: e.off + length, len: e.len - length, prev: e, next: e.next}
	if e.next == nil {
		s.last = rest
	} else {
		e.next.prev = rest
	}
	e.len, e.next = length, rest
	s.list(rest)
}

// give takes an extent back, joined with its free neighbours.
func (s *space) give(e *extent) {
	s.used -= e.len
	if p := e.prev; p != nil && p.free {
		s.unlist(p)
		e.off, e.len = p.off, p.len+e.len
		if e.prev = p.prev; e.prev != nil {
			e.prev.next = e
		}
	}
	if n := e.next; n != nil && n.free {
		s.unlist(n)
		e.len += n.len
		if e.next = n.next; e.next == nil {
			s.last = e
		} else {
			e.next.prev = e
		}
	}
	s.list(e)
}

// list makes e free, as the newest of its class.
func (s *space) list(e *extent) {
	c := class(e.len)
	e.free, e.newer, e.older = true, nil, s.newest[c]
	if e.older != nil {
		e.older.newer = e
	}
	s.newest[c] = e
}

// unlist takes e out of its class; it is not free any more.
func (s *space) unlist(e *extent) {
	if e.newer == nil {
		s.newest[class(e.len)] = e.older
	} else {
		e.newer.older = e.older
	}
	if e.older != nil {
		e.older.newer = e.newer
	}
	e.free, e.newer, e.older = false, nil, nil
}

// largest is the longest piece that take could give.
func (s *space) largest() uint64 {
	longest := s.total - s.top
	if s.last != nil && s.last.free {
		longest += s.last.len
	}
	for c := classCount - 1; c >= 0; c-- {
		for e := s.newest[c]; e != nil; e = e.older {
			longest = max(longest, e.len)
		}
		if s.newest[c] != nil {
			break
		}
	}
	return longest
}

func (s *space) full(size uint64) error {
	return &FullError{Asked: size, Free: s.total - s.used, LargestFree: s.largest(), Used: s.used, Total: s.total}
}
