package coreworker

import (
	"fmt"
	"maps"
	"slices"

	"github.com/mobula/mobula/coreworker/execute"
	"github.com/mobula/mobula/coreworker/ids"
	"github.com/mobula/mobula/coreworker/objects"
	"github.com/mobula/mobula/coreworker/peer"
	"github.com/mobula/mobula/coreworker/task"
)

// fakeWorker is a process with one main lane, and further lanes as they are asked for.
type fakeWorker struct {
	w       *world
	name    string
	pid     int
	id      ids.WorkerID
	ended   func(Obituary)
	proc    *Process
	lanes   []*fakeLane
	wanted  []string // groups of the lanes it was asked to open
	tickets int
	killed  bool // SIGKILL was sent: it does nothing more
	leaving bool // it was told to go, or went by itself
	dead    bool
	async   bool // its actor lives in event loops

	late []func() // its messages that are under way, in order; its death loses them
	last func()   // its newest result, to be sent again
}

type fakeLane struct {
	k       *fakeWorker
	name    string
	lane    *execute.Lane
	loop    bool
	gone    bool // its stream ended
	closing bool // it was told to end
	stash   []*execute.Run
	running []*fakeRun
	gen     uint64 // the highest generation it has dropped
	word    uint64 // of the cancel page: the epoch that was flagged last
}

// fakeRun is a run that has begun.
type fakeRun struct {
	*execute.Run
	lane    *fakeLane
	waiting int  // requests it is blocked in
	items   int  // it has yielded
	told    bool // interrupted, canceled in its loop, or woken: a shim would raise now
}

func (k *fakeWorker) Grant(n int)      { k.tickets += n }
func (k *fakeWorker) TakeTickets() int { n := k.tickets; k.tickets = 0; return n }
func (k *fakeWorker) Kill()            { k.killed = true; k.w.say("kill %s", k.name) }
func (k *fakeWorker) PID() int         { return k.pid }

func (k *fakeWorker) Interrupt() {
	k.w.say("interrupt %s", k.name)
	for _, r := range k.lanes[0].running {
		r.told = true
	}
}

func (k *fakeWorker) attach(group string, loop bool) {
	w := k.w
	w.core.Do(func() {
		if k.proc == nil {
			k.proc = w.core.Attach(k.id, Worker, k.pid)
			childOf(k.proc.worker).real = k
			k.proc.worker.PID = k.pid
		}
		l := &fakeLane{k: k, name: k.name, loop: loop}
		if n := len(k.lanes); n > 0 {
			l.name = fmt.Sprintf("%s.%d", k.name, n)
		}
		if i := slices.Index(k.wanted, group); i >= 0 {
			k.wanted = slices.Delete(k.wanted, i, i+1)
		}
		k.lanes = append(k.lanes, l)
		l.lane = k.proc.AttachExecutor(l, group, loop, 0)
	})
}

// detach ends the lane's stream: the thread behind it is lost, and what it ran never ends.
func (l *fakeLane) detach() {
	l.gone = true
	for _, r := range l.running {
		l.k.w.forgetWaits(r)
	}
	l.k.w.core.Do(func() { l.k.proc.DetachExecutor(l.lane) })
}

func (l *fakeLane) Run(r *execute.Run) {
	sent := *r // a message: what becomes of the run later does not reach it
	l.stash = append(l.stash, &sent)
	l.k.w.say("%s <- %s%s", l.name, l.k.w.names[r.Spec.ID], gpus(l.k.proc))
}

func (l *fakeLane) CancelRun(id ids.TaskID) {
	l.k.w.say("%s: cancel %s in the loop", l.name, l.k.w.names[id])
	l.tell(id)
}

func (l *fakeLane) OpenLane(group string) {
	l.k.wanted = append(l.k.wanted, group)
	l.k.w.say("%s: open a lane of group %q", l.name, group)
}

func (l *fakeLane) Flag(epoch uint64) {
	l.word = epoch
	l.k.w.say("flag %s", l.name)
	if l.gone {
		l.k.w.broken = append(l.k.w.broken, fmt.Errorf("%s is gone and its word was written: it may be another lane's", l.name))
	}
}

func (l *fakeLane) Wake(id ids.TaskID) {
	l.k.w.say("wake %s", l.k.w.names[id])
	l.tell(id)
	l.k.proc.Wake(id)
}

func (l *fakeLane) Close() {
	l.closing = true
	l.k.w.say("%s: close", l.name)
}

func (l *fakeLane) Exit(_ bool, why string) {
	l.k.leaving = true
	l.k.w.say("%s: exit (%s)", l.name, why)
}

func (l *fakeLane) tell(id ids.TaskID) {
	for _, r := range l.running {
		if r.Spec.ID == id {
			r.told = true
		}
	}
}

// begin is what the shim does next: take a ticket and run, or drop. It says whether there was anything to do.
func (l *fakeLane) begin() bool {
	w := l.k.w
	for len(l.stash) > 0 {
		r := l.stash[0]
		l.stash = l.stash[1:]
		if r.Generation <= l.gen {
			continue // of a generation that was dropped
		}
		if r.Ticketed {
			if l.k.tickets == 0 {
				l.gen = r.Generation
				w.say("%s drops generation %d", l.name, l.gen)
				w.core.Do(func() { l.k.proc.Executor().Dropped(l.lane, l.gen) })
				return true
			}
			l.k.tickets--
		}
		l.running = append(l.running, &fakeRun{Run: r, lane: l})
		flagged := ""
		if l.word == r.Epoch {
			flagged = " (flagged)"
		}
		w.say("%s runs %s%s", l.name, w.names[r.Spec.ID], flagged)
		l.mayBegin(r)
		return true
	}
	return false
}

// mayBegin holds for every run of every script: it is under way, and was not begun before.
func (l *fakeLane) mayBegin(r *execute.Run) {
	w, name := l.k.w, l.k.w.names[r.Spec.ID]
	key := fmt.Sprintf("%s attempt %d", name, r.Attempt)
	if w.began[key] {
		w.broken = append(w.broken, fmt.Errorf("%s ran twice", key))
	}
	w.began[key] = true
	if r.Spec.Type == task.ActorCreation {
		l.k.async = r.Spec.Creation.Asyncio
		return // it has no entry any more when its actor is made anew
	}
	w.core.Do(func() {
		if e := w.core.tasks.Get(r.Spec.ID); e == nil {
			w.broken = append(w.broken, fmt.Errorf("%s runs although it has its outcome: %s", key, w.outcomes[name]))
		} else if e.Attempt != r.Attempt {
			w.broken = append(w.broken, fmt.Errorf("%s runs, its owner is at attempt %d", key, e.Attempt))
		}
	})
}

// end ends the run. With late, the news of it stays under way.
func (r *fakeRun) end(reply peer.Reply, late bool) {
	l := r.lane
	l.running = slices.DeleteFunc(l.running, func(o *fakeRun) bool { return o == r })
	l.k.w.forgetWaits(r)
	if reply.End == task.OK && r.Spec.Type != task.ActorCreation {
		for range r.Spec.NumReturns - len(reply.Returns) {
			reply.Returns = append(reply.Returns, objects.Value{Data: []byte(l.k.w.names[r.Spec.ID]), Metadata: []byte("RAW")})
		}
	}
	if reply.End == task.LeftActor {
		l.k.leaving = true
	}
	id, attempt := r.Spec.ID, r.Attempt
	send := func() { l.k.w.core.Do(func() { l.k.proc.Finished(id, attempt, reply) }) }
	if late {
		l.k.late = append(l.k.late, send)
		return
	}
	l.k.arrive()
	send()
	if !slices.ContainsFunc(reply.Returns, func(v objects.Value) bool { return v.Block != nil }) {
		l.k.last = send // a block is handed over once
	}
}

// arrive delivers what is under way. Messages of one process keep their order, so whatever it sends next brings them.
func (k *fakeWorker) arrive() {
	for len(k.late) > 0 {
		send := k.late[0]
		k.late = k.late[1:]
		send()
	}
}

// large writes a value to the arena.
func (l *fakeLane) large() (v objects.Value) {
	l.k.proc.Allocate(objects.PageSize, func(b objects.Block, err error) {
		if err != nil {
			l.k.w.broken = append(l.k.w.broken, err)
		}
		v = objects.Value{Block: &b, Metadata: []byte("RAW")}
	})
	return v
}

// forgetWaits gives up what a run waits for, as a shim does when an interrupt ends the call.
func (w *world) forgetWaits(r *fakeRun) {
	for _, name := range slices.Sorted(maps.Keys(w.waits)) { // in order, so that a script always does the same
		if wait := w.waits[name]; wait.run == r {
			delete(w.waits, name)
			w.core.Do(wait.abandon)
		}
	}
}

func (k *fakeWorker) die(o Obituary) {
	k.dead = true
	k.late, k.last = nil, nil
	for name, wait := range k.w.waits {
		if wait.run != nil && wait.run.lane.k == k {
			delete(k.w.waits, name)
		}
	}
	for _, l := range k.lanes {
		l.stash, l.running = nil, nil
	}
	o.PID = k.pid
	k.ended(o)
}

// flags says whether every run of a thread sees its own flag and no other's: the word in the page says what the canceled
// set says.
func (k *fakeWorker) flags() error {
	if k.dead || k.killed {
		return nil
	}
	var err error
	k.w.core.Do(func() {
		for _, l := range k.lanes {
			for _, r := range l.running {
				name, in := k.w.names[r.Spec.ID], k.w.core.IsCanceled(k.id, r.Spec.ID)
				if !l.loop && !l.gone && in != (l.word == r.Epoch) {
					err = fmt.Errorf("%s on %s: in the canceled set %t, its flag %t", name, l.name, in, !in)
				}
				if e := k.w.core.tasks.Get(r.Spec.ID); in && e != nil && !e.Canceled {
					err = fmt.Errorf("%s is in the canceled set and nobody canceled it", name)
				}
			}
		}
	})
	return err
}

// gpus is what a run is told of its GPUs.
func gpus(p *Process) string {
	if g := p.GPUs(); len(g) > 0 {
		return fmt.Sprintf(" gpus=%v", g)
	}
	return ""
}
