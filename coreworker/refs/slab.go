package refs

import "github.com/mobula/mobula/coreworker/ids"

// slot is the place of an entry in the slab; none is no place.
type slot uint32

const (
	none      slot = 0
	chunkBits      = 12
	chunkLen       = 1 << chunkBits
)

// entry is what is known of one object. It holds no pointers, so the garbage collector passes a million of them by.
type entry struct {
	id        ids.ObjectID
	owner     procIndex
	owned     uint64 // handles in the owner
	borrowers uint32 // other processes that have handles
	uses      uint32 // tasks in flight
	inside    uint32 // objects that contain it
	prev      slot   // among what the owner owns, in the order it was made
	next      slot
	touched   bool // something refers to it, or did
	queued    bool // to be freed
}

func (e *entry) unreferenced() bool {
	return e.touched && e.owned == 0 && e.borrowers == 0 && e.uses == 0 && e.inside == 0
}

// slab keeps entries in chunks that never move: growing costs one chunk, not a copy of all, and pointers into it last.
type slab struct {
	index  map[ids.ObjectID]slot
	chunks []*[chunkLen]entry
	vacant []slot // used last, reused first
	end    slot   // the first slot never used
}

func newSlab() slab {
	return slab{index: make(map[ids.ObjectID]slot), end: none + 1}
}

func (b *slab) find(id ids.ObjectID) (slot, bool) {
	s, ok := b.index[id]
	return s, ok
}

func (b *slab) at(s slot) *entry { return &b.chunks[s>>chunkBits][s&(chunkLen-1)] }

func (b *slab) len() int { return len(b.index) }

func (b *slab) add(id ids.ObjectID) slot {
	var s slot
	if n := len(b.vacant); n > 0 {
		s, b.vacant = b.vacant[n-1], b.vacant[:n-1]
	} else {
		s = b.end
		b.end++
		if int(s>>chunkBits) == len(b.chunks) {
			b.chunks = append(b.chunks, new([chunkLen]entry))
		}
	}
	*b.at(s) = entry{id: id}
	b.index[id] = s
	return s
}

func (b *slab) remove(s slot) {
	e := b.at(s)
	delete(b.index, e.id)
	*e = entry{}
	b.vacant = append(b.vacant, s)
}
