package objects_test

import (
	"errors"
	"maps"
	"slices"
	"syscall"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/mobula/mobula/coreworker/ids"
	"github.com/mobula/mobula/coreworker/objects"
)

// room is a Room whose disk and clock are the test's. Every page in memory and on disk holds the id of the block that was
// written there, so that what comes back can be told from what was there before.
type room struct {
	*objects.Room
	arena  *objects.Arena
	t      rapidT
	memory map[uint64]uint64 // page to block
	disk   map[uint64]uint64
	jobs   []*objects.Job
	timers []*func()
	lost   []ids.ObjectID
	base   uint64
}

type rapidT interface {
	Helper()
	Fatal(...any)
	Fatalf(string, ...any)
}

func newRoom(t rapidT, pages uint64, disk bool) *room {
	r := &room{t: t, memory: map[uint64]uint64{}, disk: map[uint64]uint64{}}
	r.arena = objects.NewArena(pages*page, func(uint64, uint64) error { return nil })
	if disk {
		r.arena.UseDisk(1 << 40)
	}
	r.base = r.arena.Base()
	r.Room = objects.NewRoom(r.arena, func(j *objects.Job) { r.jobs = append(r.jobs, j) },
		func(_ time.Duration, fn func()) func() {
			timer := &fn
			r.timers = append(r.timers, timer)
			return func() { r.timers = slices.DeleteFunc(r.timers, func(o *func()) bool { return o == timer }) }
		}, func(id ids.ObjectID, err error) {
			if !errors.Is(err, objects.ErrLost) {
				r.t.Fatal(err)
			}
			r.lost = append(r.lost, id)
		})
	return r
}

func (r *room) ok(err error) {
	r.t.Helper()
	if err != nil {
		r.t.Fatal(err)
	}
}

// place is the page map and the first page of an offset.
func (r *room) place(offset uint64) (map[uint64]uint64, uint64) {
	if offset >= r.base {
		return r.disk, (offset - r.base) / page
	}
	return r.memory, offset / page
}

func (r *room) fill(b objects.Block) {
	m, at := r.place(b.Offset)
	for i := range pages(b.Size) {
		m[at+i] = b.ID
	}
}

func (r *room) holds(b objects.Block) {
	r.t.Helper()
	m, at := r.place(b.Offset)
	for i := range pages(b.Size) {
		if m[at+i] != b.ID {
			r.t.Fatalf("page %d of block %d holds block %d", i, b.ID, m[at+i])
		}
	}
}

// end does the first job, or lets it fail.
func (r *room) end(err error) {
	j := r.jobs[0]
	r.jobs = r.jobs[1:]
	if err == nil {
		for i := range pages(j.Size) {
			m, d := j.Memory/page+i, j.Disk/page+i
			switch j.Kind {
			case objects.WriteOut:
				r.disk[d] = r.memory[m]
			case objects.ReadBack:
				r.memory[m] = r.disk[d]
			case objects.Erase:
				delete(r.disk, d)
			case objects.Check, objects.Reserve:
			}
		}
	}
	r.Ended(j, err)
}

func (r *room) fire() {
	timer := r.timers[0]
	r.timers = r.timers[1:]
	(*timer)()
}

// object allocates, fills and seals; it must be granted at once.
func (r *room) object(n uint64) objects.Block {
	r.t.Helper()
	var out objects.Block
	r.Allocate(n*page, alice, func(b objects.Block, err error) {
		r.ok(err)
		out = b
	})
	if out.ID == 0 {
		r.t.Fatalf("%d pages were not granted", n)
	}
	r.fill(out)
	_, err := r.arena.Seal(out.ID, alice)
	r.ok(err)
	return out
}

type answer struct {
	block objects.Block
	err   error
	came  bool
}

func (r *room) ask(n uint64) *answer {
	a := &answer{}
	r.Allocate(n*page, bob, func(b objects.Block, err error) {
		if a.came {
			r.t.Fatal("answered twice")
		}
		*a = answer{b, err, true}
		if err == nil {
			r.fill(b)
		}
	})
	return a
}

func (r *room) bring(b objects.Block) *answer {
	a := &answer{}
	r.Bring(b.ID, func(err error) { a.err, a.came = err, true })
	return a
}

func TestTheOldestGoesToDiskAndComesBack(t *testing.T) {
	r := newRoom(t, 10, true)
	first, second := r.object(4), r.object(4)
	third := r.ask(4)
	if third.came || len(r.jobs) != 1 || r.jobs[0].Kind != objects.WriteOut || !r.arena.Readable(first.ID) {
		t.Fatalf("asked: %+v, jobs %v", third, r.jobs)
	}
	r.end(nil)
	if third.err != nil || !third.came || r.arena.Readable(first.ID) || !r.arena.Readable(second.ID) {
		t.Fatalf("after the write: %+v", third)
	}
	if err := r.arena.Pin(first.ID, bob); !errors.Is(err, objects.ErrAway) {
		t.Fatalf("pinned what is away: %v", err)
	}
	back := r.bring(first)
	r.end(nil) // second goes
	r.end(nil) // first comes
	if !back.came || back.err != nil {
		t.Fatalf("brought back: %+v", back)
	}
	now, here := r.arena.Lookup(first.ID)
	if !here {
		t.Fatal("not here")
	}
	r.holds(now)
	// It has its copy: to leave again it writes nothing.
	r.ok(r.arena.Discard(third.block.ID, bob))
	r.bring(second)
	r.end(nil)
	if more := r.ask(8); !more.came && r.jobs[0].Kind == objects.WriteOut {
		t.Errorf("what had a copy on disk was written again: %+v", r.jobs[0])
	}
	r.ok(r.arena.Validate())
}

func TestPinnedWhileItIsWritten(t *testing.T) {
	r := newRoom(t, 10, true)
	b := r.object(6)
	asked := r.ask(6)
	r.ok(r.arena.Pin(b.ID, alice))
	r.end(nil)
	if asked.came || !r.arena.Readable(b.ID) {
		t.Fatalf("a block went away under its reader: %+v", asked)
	}
	r.ok(r.arena.Unpin(b.ID, alice, 1))
	r.Retry()
	if !asked.came || asked.err != nil || len(r.jobs) != 0 {
		t.Fatalf("its copy was good and it did not leave: %+v, %d jobs", asked, len(r.jobs))
	}
}

func TestEverythingInUse(t *testing.T) {
	for _, disk := range []bool{true, false} {
		r := newRoom(t, 10, disk)
		b := r.object(6)
		r.ok(r.arena.Pin(b.ID, alice))
		asked, small := r.ask(6), (*answer)(nil)
		if !disk {
			if !errors.Is(asked.err, objects.ErrFull) {
				t.Fatalf("without a disk: %+v", asked)
			}
			continue
		}
		small = r.ask(1)
		if asked.came || small.came {
			t.Fatal("the small one passed by")
		}
		r.fire() // the grace
		r.end(nil)
		if !asked.came || asked.block.Offset < r.base || !small.came || small.block.Offset >= r.base {
			t.Fatalf("%+v, %+v", asked, small)
		}
	}
}

func TestLargerThanTheStore(t *testing.T) {
	r := newRoom(t, 10, true)
	asked := r.ask(20)
	r.end(nil)
	if asked.err != nil || asked.block.Offset != r.base {
		t.Fatalf("%+v", asked)
	}
	again := r.ask(30)
	r.end(syscall.ENOSPC)
	if !errors.Is(again.err, objects.ErrDisk) || !errors.Is(again.err, syscall.ENOSPC) {
		t.Fatalf("%+v", again)
	}
	no := r.ask(30)
	for !no.came {
		r.end(syscall.EOPNOTSUPP)
	}
	if !errors.Is(no.err, objects.ErrFull) {
		t.Fatalf("%+v", no)
	}
}

func TestAFullDisk(t *testing.T) {
	r := newRoom(t, 10, true)
	first, second := r.object(5), r.object(5)
	asked := r.ask(5)
	r.end(syscall.ENOSPC)
	if asked.came || len(r.jobs) > 0 && r.jobs[0].Kind == objects.WriteOut {
		t.Fatalf("no moment for the readers: %+v", asked)
	}
	r.fire()
	if !errors.Is(asked.err, objects.ErrDisk) || !errors.Is(asked.err, syscall.ENOSPC) {
		t.Fatalf("%+v", asked)
	}
	r.holds(first)
	r.holds(second)
	if !r.arena.Readable(first.ID) || !r.arena.Readable(second.ID) {
		t.Fatal("something was lost")
	}
	for len(r.jobs) > 0 {
		r.end(nil)
	}
	next := r.ask(5) // the disk has room again
	r.end(nil)
	if next.err != nil || !next.came {
		t.Fatalf("%+v", next)
	}
	// What is away can be looked at where it is, for the disk has no room for others.
	r.ok(r.arena.Pin(first.ID, alice))
	r.fill(next.block)
	_, err := r.arena.Seal(next.block.ID, bob)
	r.ok(err)
	back := r.bring(second)
	r.end(syscall.ENOSPC)
	for !back.came {
		r.end(nil)
	}
	now, here := r.arena.Lookup(second.ID)
	if back.err != nil || !here || now.Offset < r.base {
		t.Fatalf("%+v, at %+v", back, now)
	}
	r.holds(now)
}

func TestLost(t *testing.T) {
	r := newRoom(t, 10, true)
	b := r.object(6)
	id := ids.ObjectID{7}
	r.arena.Name(b.ID, id)
	other := r.ask(6)
	r.end(nil)
	r.ok(r.arena.Discard(other.block.ID, bob))
	one, two := r.bring(b), r.bring(b)
	r.end(syscall.EIO)
	if !errors.Is(one.err, objects.ErrLost) || !errors.Is(two.err, objects.ErrLost) || !slices.Equal(r.lost, []ids.ObjectID{id}) {
		t.Fatalf("%+v, %+v, lost %v", one, two, r.lost)
	}
	r.ok(r.arena.Release(b.ID))
	r.Retry()
	r.end(nil)
	r.ok(r.arena.Validate())
	if s := r.arena.Stats(); s.Blocks != 0 || s.Used != 0 || s.OnDisk != 0 {
		t.Errorf("left: %+v", s)
	}
}

// TestRoomModel: whatever comes in whatever order, no block lies where another one does, what is read back is what was written, those who
// asked are answered in the order they asked, and at the end nobody waits and nothing is left.
func TestRoomModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := newRoom(t, uint64(rapid.IntRange(4, 30).Draw(t, "pages")), true)
		type object struct {
			objects.Block
			pins, wants int
			freed       bool
		}
		var live []*object
		var asked, answered []int
		gave := map[int]bool{} // of those asked: given up
		seal := func(b objects.Block) {
			_, err := r.arena.Seal(b.ID, alice)
			r.ok(err)
			live = append(live, &object{Block: b})
		}
		fit := func(t *rapid.T, what string, ok func(*object) bool) *object {
			var some []*object
			for _, o := range live {
				if ok(o) {
					some = append(some, o)
				}
			}
			if len(some) == 0 {
				t.Skip("none")
			}
			return rapid.SampledFrom(some).Draw(t, what)
		}
		look := func(o *object) {
			b, here := r.arena.Lookup(o.ID)
			if !here {
				r.t.Fatalf("block %d is not here", o.ID)
			}
			r.holds(b)
		}
		free := func(o *object) {
			o.freed = true
			live = slices.DeleteFunc(live, func(x *object) bool { return x == o })
			r.ok(r.arena.Release(o.ID))
			r.Retry()
		}
		stops := map[int]func(){}
		t.Repeat(map[string]func(*rapid.T){
			"ask": func(t *rapid.T) {
				n := rapid.Uint64Range(1, 40).Draw(t, "pages")
				me := len(asked)
				asked = append(asked, me)
				stop := r.Allocate(n*page, alice, func(b objects.Block, err error) {
					answered = append(answered, me)
					if err == nil {
						r.fill(b)
						seal(b)
					} else if !errors.Is(err, objects.ErrDisk) {
						r.t.Fatal(err)
					}
				})
				if !slices.Contains(answered, me) {
					stops[me] = stop
				}
			},
			"give up": func(t *rapid.T) {
				waiting := slices.DeleteFunc(slices.Sorted(maps.Keys(stops)), func(me int) bool {
					return gave[me] || slices.Contains(answered, me)
				})
				if len(waiting) == 0 {
					t.Skip("nobody waits")
				}
				me := rapid.SampledFrom(waiting).Draw(t, "who")
				stops[me]()
				gave[me] = true
				r.Retry()
			},
			"pin": func(t *rapid.T) {
				o := fit(t, "block", func(o *object) bool { return r.arena.Readable(o.ID) })
				r.ok(r.arena.Pin(o.ID, bob))
				o.pins++
				look(o)
			},
			"unpin": func(t *rapid.T) {
				o := fit(t, "block", func(o *object) bool { return o.pins > 0 })
				look(o)
				r.ok(r.arena.Unpin(o.ID, bob, 1))
				o.pins--
				r.Retry()
			},
			"bring": func(t *rapid.T) {
				o := fit(t, "block", func(o *object) bool { return !r.arena.Readable(o.ID) })
				o.wants++
				b := r.Bring(o.ID, func(err error) {
					o.wants--
					if err == nil && !o.freed {
						look(o)
						r.ok(r.arena.Pin(o.ID, bob))
						o.pins++
					}
				})
				if rapid.IntRange(0, 9).Draw(t, "stop") == 0 {
					o.wants--
					b.Stop()
				}
			},
			"free": func(t *rapid.T) {
				free(fit(t, "block", func(o *object) bool { return o.pins == 0 }))
			},
			"job": func(t *rapid.T) {
				if len(r.jobs) == 0 {
					t.Skip("none")
				}
				var err error
				if k := r.jobs[0].Kind; (k == objects.WriteOut || k == objects.Reserve) && rapid.IntRange(0, 4).Draw(t, "fails") == 0 {
					err = syscall.ENOSPC
				}
				r.end(err)
			},
			"time": func(t *rapid.T) {
				if len(r.timers) == 0 {
					t.Skip("none")
				}
				r.fire()
			},
			"": func(*rapid.T) { r.ok(r.arena.Validate()) },
		})
		for range 10000 {
			if len(r.jobs) > 0 {
				r.end(nil)
			} else if len(r.timers) > 0 {
				r.fire()
			} else {
				break
			}
		}
		for _, me := range asked {
			if !gave[me] && !slices.Contains(answered, me) {
				t.Fatalf("%d was never answered: %d jobs, queue of %d", me, r.Jobs(), r.Queued())
			}
		}
		for _, o := range slices.Clone(live) {
			if o.wants != 0 {
				t.Fatalf("block %d is still waited for", o.ID)
			}
			for ; o.pins > 0; o.pins-- {
				look(o)
				r.ok(r.arena.Unpin(o.ID, bob, 1))
			}
			free(o)
		}
		for len(r.jobs) > 0 {
			r.end(nil)
		}
		r.ok(r.arena.Validate())
		if s := r.arena.Stats(); s.Blocks+s.Away != 0 || s.Used+s.OnDisk != 0 || r.Waiting() || len(r.disk) != 0 {
			t.Fatalf("left: %+v, pages on disk %d", s, len(r.disk))
		}
	})
}
