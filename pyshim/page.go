package pyshim

import (
	"fmt"
	"sync"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Slots is the number of 64-bit words in the cancel page: one for each executor lane that lives at a time, but for the first.
const Slots = 1 << 16

const (
	asked     = 0 // word of the driver: the number of the last mutation that cancels something
	heard     = 1 // word of the core: that mutation of the driver was applied, and all before it
	firstSlot = 8 // a cache line for the two: they change while all others are read
)

// Page is the cancel page: a word for each executor lane, which the core writes and the shim reads. The word is
// epoch<<1|1 of the run that was canceled last on that lane.
//
// The driver does not wait for an answer to its cancels: it stores the number of each in a word of its own before it writes
// it. So who sees that word ahead of the core's knows that a cancel may have returned that the core has not read yet.
//
// Epochs are never used twice in a slot, not even by the next lane that gets it: a thread that outlives its task, or its
// lane, compares the word with its own epoch and never reads its successor's flag.
type Page struct {
	words []uint64
	mem   []byte

	mu   sync.Mutex
	free []int
	next int
	uses map[int]uint64
}

// MapPage maps the page from its memfd.
func MapPage(fd int) (*Page, error) {
	mem, err := unix.Mmap(fd, 0, Slots*8, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return nil, fmt.Errorf("pyshim: map the cancel page: %w", err)
	}
	return &Page{mem: mem, words: unsafe.Slice((*uint64)(unsafe.Pointer(&mem[0])), Slots), uses: map[int]uint64{}}, nil
}

// Take gives a slot and the epoch that its first run comes after.
func (p *Page) Take() (slot int, epoch uint64, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if n := len(p.free); n > 0 {
		slot, p.free = p.free[n-1], p.free[:n-1]
	} else if p.next < Slots-firstSlot {
		slot = firstSlot + p.next
		p.next++
	} else {
		return 0, 0, fmt.Errorf("no more than %d threads can execute tasks at a time", Slots-firstSlot)
	}
	p.uses[slot]++
	return slot, p.uses[slot] << 32, nil
}

// Give takes a slot back.
func (p *Page) Give(slot int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.free = append(p.free, slot)
}

// Flag stores the word of a slot.
func (p *Page) Flag(slot int, epoch uint64) { atomic.StoreUint64(&p.words[slot], epoch<<1|1) }

// behind says whether the driver has canceled something that was not applied yet.
func (p *Page) behind() bool {
	return atomic.LoadUint64(&p.words[asked]) > atomic.LoadUint64(&p.words[heard])
}

// hear notes how far the driver's mutations were applied. Called with the core's lock held, so the word never falls.
func (p *Page) hear(applied uint64) {
	if p.behind() {
		atomic.StoreUint64(&p.words[heard], applied)
	}
}

// Close unmaps the page. No lane may be open.
func (p *Page) Close() error { return unix.Munmap(p.mem) }
