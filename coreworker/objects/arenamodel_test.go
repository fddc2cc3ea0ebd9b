package objects_test

import (
	"errors"
	"testing"

	"pgregory.net/rapid"

	"github.com/mobula/mobula/coreworker/ids"
	"github.com/mobula/mobula/coreworker/objects"
)

type modelBlock struct {
	objects.Block
	writer           ids.WorkerID
	sealed, released bool
	pins             map[ids.WorkerID]uint64
}

func pages(size uint64) uint64 { return max((size+page-1)/page, 1) }

// arenaModel is the arena as one would write it without a thought for cost: one owner a page.
type arenaModel struct {
	pages    []uint64 // block id, 0 = free
	reserved uint64   // pages
	blocks   map[uint64]*modelBlock
}

func (m *arenaModel) place(t *rapid.T, b *modelBlock) {
	if b.Offset%page != 0 {
		t.Fatalf("not on a page: %+v", b.Block)
	}
	for i := range pages(b.Size) {
		at := b.Offset/page + i
		if m.pages[at] != 0 {
			t.Fatalf("block %d lies on block %d", b.ID, m.pages[at])
		}
		if at >= m.reserved {
			t.Fatalf("block %d has page %d, reserved are %d", b.ID, at, m.reserved)
		}
		m.pages[at] = b.ID
	}
	m.blocks[b.ID] = b
}

// collect frees the blocks that nobody has any more.
func (m *arenaModel) collect() {
	for id, b := range m.blocks {
		if b.released && len(b.pins) == 0 {
			m.remove(id)
		}
	}
}

func (m *arenaModel) remove(id uint64) {
	delete(m.blocks, id)
	for i, has := range m.pages {
		if has == id {
			m.pages[i] = 0
		}
	}
}

func (m *arenaModel) largest() (longest, free uint64) {
	run := uint64(0)
	for _, id := range m.pages {
		if run++; id != 0 {
			run = 0
		} else {
			free++
		}
		longest = max(longest, run)
	}
	return longest, free
}

func TestArenaModel(t *testing.T) {
	procs := []ids.WorkerID{alice, bob, {'c'}}
	rapid.Check(t, func(t *rapid.T) {
		total := uint64(rapid.IntRange(0, 60).Draw(t, "pages"))
		m := &arenaModel{pages: make([]uint64, total), blocks: map[uint64]*modelBlock{}}
		a := objects.NewArena(total*page, func(offset, length uint64) error {
			if offset != m.reserved*page || length == 0 || length%page != 0 {
				t.Fatalf("reserve %d at %d, so far %d", length, offset, m.reserved*page)
			}
			m.reserved += length / page
			return nil
		})
		lastID := uint64(0)
		proc := func(t *rapid.T) ids.WorkerID { return rapid.SampledFrom(procs).Draw(t, "process") }
		block := func(t *rapid.T) (uint64, *modelBlock) {
			if lastID == 0 {
				t.Skip("none")
			}
			id := rapid.Uint64Range(max(lastID, 20)-20, lastID).Draw(t, "block")
			return id, m.blocks[id]
		}
		says := func(t *rapid.T, err error, want bool) bool {
			if (err == nil) != want || err != nil && !errors.Is(err, objects.ErrBlock) {
				t.Fatalf("want ok = %t, got %v", want, err)
			}
			return want
		}
		t.Repeat(map[string]func(*rapid.T){
			"allocate": func(t *rapid.T) {
				size, writer := rapid.Uint64Range(0, 20*page).Draw(t, "size"), proc(t)
				got, err := a.Allocate(size, writer)
				longest, free := m.largest()
				if (err == nil) != (pages(size) <= longest) {
					t.Fatalf("%d pages, %d free in one piece: %v", pages(size), longest, err)
				}
				if full := (*objects.FullError)(nil); errors.As(err, &full) {
					if full.Free != free*page || full.LargestFree != longest*page {
						t.Fatalf("%+v, want %d free, %d in one piece", full, free*page, longest*page)
					}
					return
				}
				if got.ID <= lastID || got.Size != size {
					t.Fatalf("%+v after block %d, asked for %d", got, lastID, size)
				}
				lastID = got.ID
				m.place(t, &modelBlock{Block: got, writer: writer, pins: map[ids.WorkerID]uint64{}})
			},
			"seal": func(t *rapid.T) {
				id, b := block(t)
				writer := proc(t)
				got, err := a.Seal(id, writer)
				if says(t, err, b != nil && !b.sealed && b.writer == writer) {
					if b.sealed = true; got != b.Block {
						t.Fatalf("sealed %+v, want %+v", got, b.Block)
					}
				}
			},
			"discard": func(t *rapid.T) {
				id, b := block(t)
				writer := proc(t)
				if says(t, a.Discard(id, writer), b != nil && !b.sealed && b.writer == writer) {
					m.remove(id)
				}
			},
			"pin": func(t *rapid.T) {
				id, b := block(t)
				p := proc(t)
				if says(t, a.Pin(id, p), b != nil && b.sealed && !b.released) {
					b.pins[p]++
				}
			},
			"unpin": func(t *rapid.T) {
				id, b := block(t)
				p, n := proc(t), rapid.Uint64Range(1, 2).Draw(t, "n")
				says(t, a.Unpin(id, p, n), b != nil && b.pins[p] >= n)
				if b != nil {
					if b.pins[p] -= min(n, b.pins[p]); b.pins[p] == 0 {
						delete(b.pins, p)
					}
				}
				m.collect()
			},
			"release": func(t *rapid.T) {
				id, b := block(t)
				if says(t, a.Release(id), b != nil && b.sealed && !b.released) {
					b.released = true
				}
				m.collect()
			},
			"die": func(t *rapid.T) {
				p := proc(t)
				a.DropProcess(p)
				for id, b := range m.blocks {
					delete(b.pins, p)
					if !b.sealed && b.writer == p {
						m.remove(id)
					}
				}
				m.collect()
			},
			"": func(t *rapid.T) {
				if err := a.Validate(); err != nil {
					t.Fatal(err)
				}
				longest, free := m.largest()
				want := objects.ArenaStats{
					Total: total * page, Used: (total - free) * page, Free: free * page, LargestFree: longest * page,
					Reserved: m.reserved * page, Blocks: len(m.blocks),
				}
				for id, b := range m.blocks {
					if !b.sealed {
						want.Writing++
					}
					if b.released {
						want.Unreferenced++
					}
					for _, n := range b.pins {
						want.Pins += n
					}
					if got, ok := a.Lookup(id); ok != (b.sealed && !b.released) || ok && got != b.Block {
						t.Fatalf("lookup %+v, want %+v", got, b)
					}
				}
				if got := a.Stats(); got != want {
					t.Fatalf("%+v, want %+v", got, want)
				}
			},
		})
	})
}
