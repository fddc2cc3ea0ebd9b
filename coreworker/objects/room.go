package objects

import (
	"errors"
	"slices"
	"time"

	"github.com/mobula/mobula/coreworker/ids"
)

// grace is how long who wants room waits while all there is is looked at: finalizers of the readers are told within some
// hundredth of a second, and often that is enough. After it the object is made on disk.
const grace = 100 * time.Millisecond

// Room gives out room in the arena, in the order it was asked for: nobody is passed by, so a large object gets its turn
// while small ones come and go. When there is none, what was idle for the longest time is written to disk; when nothing
// is idle either, the object is made on disk, or brought back no further than there.
//
//	Allocate, Bring → queue → memory, or spill something and wait, or wait for readers (grace), or disk
//
// It does no I/O: jobs go to Start, and whoever does them tells Ended. Retry is to be called after anything may have
// given room back, or somebody has given up.
type Room struct {
	arena *Arena
	queue []*wish
	start func(*Job)
	after func(time.Duration, func()) (stop func())
	jobs  int // started and not ended
	turn  bool
	again bool
	lost  func(ids.ObjectID, error)
}

// wish is one entry of the queue: a block to be made, or one to be brought back.
type wish struct {
	room    *Room
	size    uint64
	writer  ids.WorkerID
	granted func(Block, error) // of a block to be made
	block   *block             // to be brought back
	patient func()             // stops the grace; set while it lasts
	waited  bool               // the grace is over
	failed  error              // a write failed that was to make room for it: nothing more is written
	over    bool
	made    *block // on disk, whose room is being reserved
}

// NewRoom makes the queue of an arena. start is given what is to be done with the disk and must not block; after calls a
// function later, unless stopped; lost is told of an object whose block could not be read back, before those who wait for
// the block are.
func NewRoom(a *Arena, start func(*Job), after func(time.Duration, func()) (stop func()), lost func(ids.ObjectID, error)) *Room {
	return &Room{arena: a, start: start, after: after, lost: lost}
}

// Waiting says whether anybody waits for room, or places on disk are to be erased: whether Retry has anything to do.
func (r *Room) Waiting() bool { return len(r.queue) > 0 || len(r.arena.erase) > 0 }

// Jobs is the number of jobs that were started and have not ended.
func (r *Room) Jobs() int { return r.jobs }

// Queued is the number of wishes that wait.
func (r *Room) Queued() int { return len(r.queue) }

// Allocate calls granted once, with a block to write or an error: ErrFull where there is no disk, ErrReserve, ErrDisk. That
// may be before it returns. stop takes the wish back; granted is not called after it.
func (r *Room) Allocate(size uint64, writer ids.WorkerID, granted func(Block, error)) (stop func()) {
	if len(r.queue) == 0 {
		b, err := r.arena.Allocate(size, writer)
		if err == nil || !r.arena.disks || !errors.Is(err, ErrFull) {
			granted(b, err)
			return func() {}
		}
	}
	w := &wish{room: r, size: size, writer: writer, granted: granted}
	r.queue = append(r.queue, w)
	r.Retry()
	return w.stop
}

// Bringing is one call of Bring that was not called back yet.
type Bringing struct {
	done  func(error)
	block *block
}

// Bring calls done once, when the block is readable (not before Bring has returned) or lost. stop takes that back.
func (r *Room) Bring(id uint64, done func(error)) *Bringing {
	b := r.arena.blocks[id]
	bringing := &Bringing{done: done, block: b}
	switch {
	case b == nil || b.state != sealed || b.where == lost:
		r.after(0, func() { bringing.tell(ErrLost) })
		return bringing
	case b.where.readable():
		r.after(0, func() { bringing.tell(nil) })
		return bringing
	}
	b.waiting = append(b.waiting, bringing)
	if b.where == spilled && len(b.waiting) == 1 {
		r.queue = append(r.queue, &wish{room: r, size: b.Size, block: b})
		r.Retry()
	}
	return bringing
}

// Stop takes the call back.
func (b *Bringing) Stop() {
	b.done = nil
	if b.block != nil {
		b.block.waiting = slices.DeleteFunc(b.block.waiting, func(o *Bringing) bool { return o == b })
	}
}

func (b *Bringing) tell(err error) {
	if done := b.done; done != nil {
		b.done = nil
		done(err)
	}
}

func (w *wish) stop() {
	w.over = true
	if w.patient != nil {
		w.patient()
		w.patient = nil
	}
	w.room.queue = slices.DeleteFunc(w.room.queue, func(o *wish) bool { return o == w })
}

// Retry looks at the queue afresh. It is not re-entered: being granted may give room back, or ask for more.
func (r *Room) Retry() {
	if r.turn {
		r.again = true
		return
	}
	r.turn = true
	for r.again = true; r.again; {
		r.again = false
		for len(r.queue) > 0 && r.try(r.queue[0]) {
		}
		for _, j := range r.arena.erase {
			r.begin(j)
		}
		r.arena.erase = nil
	}
	r.turn = false
}

func (r *Room) begin(j *Job) {
	r.jobs++
	r.start(j)
}

// Ended is told how a job ended.
func (r *Room) Ended(j *Job, err error) {
	r.jobs--
	failed := r.arena.ended(j, err)
	switch j.Kind {
	case WriteOut:
		if failed != nil && len(r.queue) > 0 {
			r.queue[0].failed = failed
		}
	case ReadBack, Check:
		if failed != nil && j.block.state == sealed {
			r.lost(j.block.object, failed)
		}
		r.tell(j.block, failed)
	case Reserve:
		if w := r.reserved(j.block); w != nil {
			w.finish(j.block, failed)
		} else if r.arena.blocks[j.block.ID] != nil {
			r.arena.drop(j.block) // nobody waits for it any more
		}
	case Erase:
	}
	r.Retry()
}

func (r *Room) tell(b *block, err error) {
	waiting := b.waiting
	b.waiting = nil
	for _, w := range waiting {
		w.tell(err)
	}
}

// try gives the first of the queue what it wants, and says whether it left the queue.
func (r *Room) try(w *wish) bool {
	if b := w.block; w.over || b != nil && (b.where != spilled || len(b.waiting) == 0 || b.state != sealed) {
		w.stop() // nobody wants it any more
		if b != nil && b.state != sealed {
			r.tell(b, ErrLost) // the object is gone: its owner died
		}
		return true
	}
	a := r.arena
	for {
		err := r.inMemory(w)
		if !errors.Is(err, ErrFull) {
			return w.over
		}
		if !a.disks {
			r.refuse(w, err)
			return true
		}
		if w.failed != nil {
			if w.block == nil && !w.waited {
				r.wait(w)
				return false
			}
			r.refuse(w, w.failed)
			return true
		}
		if w.size > a.space.total {
			return r.onDisk(w)
		}
		if a.leaving > 0 && a.space.total-a.space.used+a.leaving >= w.size {
			return false
		}
		job, gone, any := a.spillNext()
		if job != nil {
			r.begin(job)
		}
		if gone {
			continue
		}
		if !any {
			break
		}
	}
	switch {
	case a.leaving > 0:
		return false
	case !w.waited:
		r.wait(w)
		return false
	}
	return r.onDisk(w)
}

// wait gives the readers a moment to let go of something.
func (r *Room) wait(w *wish) {
	if w.patient == nil {
		w.patient = r.after(grace, func() {
			w.waited, w.patient = true, nil
			r.Retry()
		})
	}
}

// inMemory takes what is wanted from the memory that is free.
func (r *Room) inMemory(w *wish) error {
	if w.block != nil {
		job, err := r.arena.bring(w.block)
		if err == nil {
			w.stop()
			r.begin(job)
		} else if !errors.Is(err, ErrFull) {
			r.place(w) // the machine has no memory for it
			return nil
		}
		return err
	}
	b, err := r.arena.Allocate(w.size, w.writer)
	if err == nil || !errors.Is(err, ErrFull) {
		w.stop()
		w.granted(b, err)
		return nil
	}
	return err
}

// onDisk gives up on memory.
func (r *Room) onDisk(w *wish) bool {
	if w.block != nil {
		r.place(w)
		return true
	}
	job, err := r.arena.allocateOnDisk(w.size, w.writer)
	if err != nil {
		r.refuse(w, err)
		return true
	}
	w.stop()
	w.over, w.made = false, job.block
	job.block.wish = w
	r.begin(job)
	return true
}

func (r *Room) place(w *wish) {
	w.stop()
	r.begin(r.arena.bringInPlace(w.block))
}

func (r *Room) reserved(b *block) *wish {
	w := b.wish
	b.wish = nil
	if w == nil || w.over {
		return nil
	}
	return w
}

func (w *wish) finish(b *block, err error) {
	w.over = true
	if err != nil {
		w.room.arena.drop(b)
		w.granted(Block{}, err)
		return
	}
	w.granted(b.Block, nil)
}

// refuse answers with an error. What was only to be brought back is looked at where it is: that needs no room.
func (r *Room) refuse(w *wish, err error) {
	if w.block != nil {
		r.place(w)
		return
	}
	w.stop()
	w.granted(Block{}, err)
}
