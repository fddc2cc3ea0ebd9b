package execute

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/mobula/mobula/coreworker/ids"
	"github.com/mobula/mobula/coreworker/peer"
	"github.com/mobula/mobula/coreworker/task"
)

// TestTickets plays the ticket protocol of the main lane with a process that is anywhere: what was sent to it waits on
// the wire, what it has read waits in its stash, what it reports waits on the way back, and it moves also between the
// core's ticket calls and its sends. Whatever the order, each task that was pushed runs once or is answered as not
// started, never both and never neither; what a cancel called not running never runs; a flag meets the run it is for.
//
//	MOBULA_SIM_SECONDS=60  how long; MOBULA_SIM_SEED=7  only this one
func TestTickets(t *testing.T) {
	seconds := 1
	if text := os.Getenv("MOBULA_SIM_SECONDS"); text != "" {
		seconds, _ = strconv.Atoi(text)
	}
	if text := os.Getenv("MOBULA_SIM_SEED"); text != "" {
		seed, _ := strconv.Atoi(text)
		playTickets(t, uint64(seed))
		return
	}
	n := uint64(0)
	for end := time.Now().Add(time.Duration(seconds) * time.Second); time.Now().Before(end) && !t.Failed(); n++ {
		playTickets(t, n)
	}
	t.Logf("%d seeds", n)
}

// far is the process at the other end.
type far struct {
	t     *testing.T
	seed  uint64
	rng   *rand.Rand
	x     *Executor
	lane  *Lane
	actor bool
	log   []string

	tickets int
	wire    []Run // sent, not read
	stash   []Run // read, not begun
	running *Run
	back    []func() // what the process sent and the core has not read
	gen     uint64   // the highest that it dropped
	word    uint64
	dead    bool

	tasks  []*pushed
	byTask map[ids.TaskID]*pushed
	order  int // of the last one that began
}

// pushed is what became of one task.
type pushed struct {
	id       ids.TaskID
	number   int
	begun    int
	answers  []task.Outcome
	canceled bool // and called not running
}

func playTickets(t *testing.T, seed uint64) {
	f := &far{t: t, seed: seed, rng: rand.New(rand.NewPCG(seed, 2)), byTask: map[ids.TaskID]*pushed{}, actor: seed%3 == 0}
	f.x = New(f)
	if f.actor {
		f.x.Become(&task.Creation{MaxConcurrency: 1})
	}
	late := f.rng.IntN(2) == 0 // the first tasks come before the lane
	if !late {
		f.lane = f.x.Attach(f, "", false, seed<<8)
	}
	for range f.rng.IntN(120) {
		f.near()
		if f.lane == nil && f.rng.IntN(8) == 0 {
			f.lane = f.x.Attach(f, "", false, seed<<8)
		}
		f.drift()
	}
	if f.lane == nil {
		f.lane = f.x.Attach(f, "", false, seed<<8)
	}
	if f.rng.IntN(3) == 0 {
		f.say("dies")
		f.dead, f.back = true, nil
		f.x.Die(peer.Reply{End: task.Died})
	}
	for moved := true; moved && !f.dead; {
		moved = f.move()
	}
	f.look()
}

func (f *far) say(format string, args ...any) { f.log = append(f.log, fmt.Sprintf(format, args...)) }

func (f *far) fail(format string, args ...any) {
	f.t.Helper()
	f.t.Fatalf("seed %d: %s\n%s", f.seed, fmt.Sprintf(format, args...), strings.Join(f.log, "\n"))
}

// near is one thing that the core does.
func (f *far) near() {
	switch p := f.rng.IntN(10); {
	case p < 5:
		f.push()
	case p < 8 && len(f.tasks) > 0:
		f.cancel(f.tasks[f.rng.IntN(len(f.tasks))])
	case p < 9:
		f.say("take back")
		f.x.TakeBack()
	case f.lane != nil:
		f.say("blocked")
		f.x.Blocked(f.lane)
		f.drift()
		f.x.Unblocked(f.lane)
	}
}

func (f *far) push() {
	p := &pushed{number: len(f.tasks) + 1}
	binary.LittleEndian.PutUint64(p.id[:], uint64(p.number))
	f.tasks, f.byTask[p.id] = append(f.tasks, p), p
	f.say("push %d", p.number)
	f.x.PushTask(&peer.Push{Spec: &task.Spec{ID: p.id}, Done: func(r peer.Reply) {
		f.say("answer of %d: %s", p.number, r.End)
		p.answers = append(p.answers, r.End)
	}})
}

func (f *far) cancel(p *pushed) {
	open := len(p.answers) == 0
	f.say("cancel %d", p.number)
	reply := f.x.CancelTask(peer.CancelRequest{Task: p.id})
	f.say("= %+v", reply)
	switch {
	case open && !reply.Succeeded:
		f.fail("%d is here and the cancel did not find it", p.number)
	case reply.Running && p.begun == 0:
		f.fail("%d is called running and has not begun", p.number)
	case open && !reply.Running:
		p.canceled = true
	}
}

// drift lets the process and the wires move a little.
func (f *far) drift() {
	for range f.rng.IntN(4) {
		f.move()
	}
}

// move is one thing that happens elsewhere; false when nothing can.
func (f *far) move() bool {
	may := make([]func(), 0, 4)
	if !f.dead && len(f.wire) > 0 {
		may = append(may, func() { f.stash, f.wire = append(f.stash, f.wire[0]), f.wire[1:] })
	}
	if !f.dead && f.running == nil && len(f.stash) > 0 {
		may = append(may, f.begin)
	}
	if !f.dead && f.running != nil {
		may = append(may, f.end)
	}
	if len(f.back) > 0 {
		may = append(may, func() {
			read := f.back[0]
			f.back = f.back[1:]
			read()
		})
	}
	if len(may) == 0 {
		return false
	}
	may[f.rng.IntN(len(may))]()
	return true
}

// shift is move without what needs the core: it is busy, for it holds its lock.
func (f *far) shift() {
	for range f.rng.IntN(3) {
		back := f.back
		f.back = nil
		f.move()
		f.back = append(back, f.back...)
	}
}

func (f *far) begin() {
	r := f.stash[0]
	f.stash = f.stash[1:]
	p := f.byTask[r.Spec.ID]
	if r.Generation <= f.gen {
		f.say("  skips %d of generation %d", p.number, r.Generation)
		return
	}
	if f.tickets == 0 {
		gen := r.Generation
		f.gen = gen
		f.say("  drops generation %d at %d", gen, p.number)
		f.back = append(f.back, func() { f.x.Dropped(f.lane, gen) })
		return
	}
	f.tickets--
	f.say("  runs %d", p.number)
	switch p.begun++; {
	case p.begun > 1:
		f.fail("%d runs twice", p.number)
	case p.canceled:
		f.fail("%d runs after it was canceled where it queued", p.number)
	case len(p.answers) > 0:
		f.fail("%d runs after it was answered", p.number)
	case f.actor && p.number < f.order:
		f.fail("%d runs after %d", p.number, f.order)
	}
	f.order = p.number
	f.running = &r
}

func (f *far) end() {
	r := f.running
	f.running = nil
	f.say("  ends %d", f.byTask[r.Spec.ID].number)
	f.back = append(f.back, func() { f.finished(r) })
}

// look holds the end to what was promised.
func (f *far) look() {
	for _, p := range f.tasks {
		switch {
		case len(p.answers) != 1:
			f.fail("%d has %d answers", p.number, len(p.answers))
		case (p.answers[0] == task.NotStarted) != (p.begun == 0) && !(f.actor && f.dead):
			f.fail("%d is answered %s and began %d times", p.number, p.answers[0], p.begun)
		}
	}
	if f.x.Load() != 0 || f.x.Queued() != 0 || f.x.Canceled.Len() != 0 {
		f.fail("left: load %d, queued %d, canceled %d", f.x.Load(), f.x.Queued(), f.x.Canceled.Len())
	}
}

// Worker and Port: the process may move before and after each.

func (f *far) Grant(n int) {
	f.shift()
	f.tickets += n
	f.shift()
}

func (f *far) TakeTickets() int {
	f.shift()
	n := f.tickets
	f.tickets = 0
	f.say("takes %d tickets", n)
	f.shift()
	return n
}

func (f *far) Run(r *Run) {
	f.shift()
	f.wire = append(f.wire, *r)
}

// Flag comes when the run has begun; it may have ended since, but no other run has its epoch.
func (f *far) Flag(epoch uint64) {
	f.word = epoch
	for _, r := range append(append([]Run{}, f.stash...), f.wire...) {
		if r.Epoch == epoch && r.Generation > f.gen {
			f.fail("the flag is up for %d, which has not begun", f.byTask[r.Spec.ID].number)
		}
	}
}

func (f *far) Interrupt()           { f.shift() }
func (f *far) Kill()                {}
func (f *far) CancelRun(ids.TaskID) {}
func (f *far) OpenLane(string)      {}
func (f *far) Wake(ids.TaskID)      {}
func (f *far) Exit(bool, string)    {}
func (f *far) Close()               {}
func (f *far) finished(r *Run)      { f.x.Finished(r.Spec.ID, r.Attempt, peer.Reply{End: task.OK}) }
