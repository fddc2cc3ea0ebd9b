package lease

import (
	"encoding/binary"
	"fmt"
	"slices"
	"time"

	"github.com/mobula/mobula/coreworker/cluster/raylet"
	"github.com/mobula/mobula/coreworker/ids"
	"github.com/mobula/mobula/coreworker/objects"
	"github.com/mobula/mobula/coreworker/peer"
	"github.com/mobula/mobula/coreworker/sched"
	"github.com/mobula/mobula/coreworker/submit"
	"github.com/mobula/mobula/coreworker/task"
)

const (
	// linger is how long a worker stays that has nothing to do.
	linger = 10 * time.Millisecond
	// term is how long a lease lasts: with the task that ends after it the worker is given back, so that raylets can share
	// workers out between drivers (Ray: worker_lease_timeout_milliseconds).
	term = 500 * time.Millisecond
	// again is how long to wait before a wish is asked once more that has failed elsewhere, and before a cancel is sent once
	// more that may have overtaken what it cancels.
	again = 100 * time.Millisecond
)

// ID is Ray's LeaseID: a counter and the worker id of who asks.
type ID [4 + ids.UniqueLen]byte

// Ask is a RequestWorkerLease.
type Ask struct {
	ID ID
	At raylet.Address // its Worker is nobody's
	// OrReject asks a raylet that another one has named: it grants or refuses, and names nobody.
	OrReject bool
	Wish     *submit.Request
	Backlog  int // how many more of the same kind are asked for
}

// Grant is a worker, and who granted it.
type Grant struct {
	ID     ID
	At     raylet.Address
	Worker raylet.Address
	PID    int
	// Reply is the carrier's own: what it has to send along with tasks.
	Reply any
}

// Ending is why a worker is given back.
type Ending uint8

// Why.
const (
	Unneeded Ending = iota
	Exiting         // it said that it leaves
	Broken          // a call to it failed: the raylet is to end it
)

func (e Ending) String() string { return [...]string{"unneeded", "exiting", "broken"}[e] }

// Host does what Leases decides. Nothing in it blocks or calls back at once, but Executor, which only makes one.
type Host interface {
	Ask(Ask)                     // its answer is one call of Granted, Elsewhere, Rejected, Canceled or Unreachable
	Withdraw(raylet.Address, ID) // CancelWorkerLease
	GiveBack(Grant, Ending)      // ReturnWorkerLease
	Executor(*submit.Lease, Grant) peer.Executor
	After(d time.Duration, fn func()) (stop func())
}

// Leases are the leases and wishes of one driver.
type Leases struct {
	host   Host
	local  raylet.Address
	worker ids.WorkerID
	number uint32
	asked  map[ID]*wish
	wishes map[*submit.Request]*wish
	held   map[*submit.Lease]*held
	idle   []*held
	dead   string                   // why this node's raylet is gone
	ended  map[ids.GroupID]struct{} // placement groups that this driver has removed
}

// key is what makes two wishes the same to a raylet.
type key struct {
	resources sched.Key
	place     sched.Place
	env       string
	where     string
}

func keyOf(r *submit.Request) key {
	return key{r.Resources.Key(), r.Place, r.Env, submit.Where(r.Spec)}
}

type wish struct {
	key       key
	r         *submit.Request
	id        ID // while asked
	at        raylet.Address
	withdrawn bool   // nobody wants it: what it brings is given back
	stop      func() // the timer
}

type held struct {
	key   key
	grant Grant
	lease *submit.Lease // nil while idle
	old   bool          // its term is over
	stop  func()        // the timer of its term
	leave func()        // the timer of an idle one
}

// New makes the leases of a driver at a node.
func New(host Host, local raylet.Address, worker ids.WorkerID) *Leases {
	return &Leases{host: host, local: local, worker: worker, asked: map[ID]*wish{}, wishes: map[*submit.Request]*wish{},
		held: map[*submit.Lease]*held{}, ended: map[ids.GroupID]struct{}{}}
}

// Request implements submit.Leaser.
func (l *Leases) Request(r *submit.Request) {
	k := keyOf(r)
	if i := slices.IndexFunc(l.idle, func(h *held) bool { return h.key == k }); i >= 0 {
		h := l.idle[i]
		l.idle = slices.Delete(l.idle, i, i+1)
		h.leave()
		l.give(h, r)
		return
	}
	l.clear() // they may hold what this one needs
	w := &wish{key: k, r: r}
	l.wishes[r] = w
	l.ask(w, l.local, false)
	if _, ended := l.ended[r.Place.Group]; ended {
		l.host.After(0, func() { l.endOfGroup(w) })
	}
}

func (l *Leases) ask(w *wish, at raylet.Address, orReject bool) {
	if l.dead != "" {
		l.fail(w, l.lost())
		return
	}
	l.number++
	binary.LittleEndian.PutUint32(w.id[:], l.number)
	copy(w.id[4:], l.worker[:])
	l.send(w, at, orReject)
}

// GroupRemoved fails the wishes for a place in a group that is no more. A raylet fails those it has heard of; one that comes after the
// removal asks for resources that nobody will ever have, and would wait for ever:
//
//	a task is submitted, its wish is on its way; the group is removed, and its raylets fail what waits; the wish comes.
func (l *Leases) GroupRemoved(id ids.GroupID) {
	l.ended[id] = struct{}{}
	for _, w := range l.wishes {
		if w.r.Place.Group == id {
			l.host.After(0, func() { l.endOfGroup(w) }) // who wishes is told later, as of everything else
		}
	}
}

func (l *Leases) endOfGroup(w *wish) {
	if l.wishes[w.r] != w {
		return
	}
	l.Cancel(w.r)
	w.r.Failed(peer.Reply{End: task.Died, Error: objects.TaskGroupRemoved(fmt.Sprintf("placement group %s was removed", w.r.Place.Group))})
}

func (l *Leases) send(w *wish, at raylet.Address, orReject bool) {
	w.at = at
	l.asked[w.id] = w
	backlog := 0
	for _, other := range l.wishes {
		if other != w && other.key == w.key {
			backlog++
		}
	}
	l.host.Ask(Ask{ID: w.id, At: at, OrReject: orReject, Wish: w.r, Backlog: backlog})
}

// Cancel implements submit.Leaser.
func (l *Leases) Cancel(r *submit.Request) {
	w := l.wishes[r]
	if w == nil {
		return
	}
	delete(l.wishes, r)
	w.withdrawn = true
	if w.stop != nil { // it is between two raylets
		w.stop()
		return
	}
	l.withdraw(w)
}

// withdraw cancels what was asked, until there is an answer: the cancel may come before what it cancels.
func (l *Leases) withdraw(w *wish) {
	l.host.Withdraw(w.at, w.id)
	w.stop = l.host.After(again, func() { l.withdraw(w) })
}

// answered takes a wish out of what has no answer. nil: it has had one.
func (l *Leases) answered(id ID) *wish {
	w := l.asked[id]
	if w == nil {
		return nil
	}
	delete(l.asked, id)
	if w.stop != nil {
		w.stop()
		w.stop = nil
	}
	return w
}

// Granted is told of a worker. Also of one that nobody wants any more.
func (l *Leases) Granted(g Grant) {
	w := l.answered(g.ID)
	if w == nil || w.withdrawn {
		l.host.GiveBack(g, Unneeded)
		return
	}
	delete(l.wishes, w.r)
	h := &held{key: w.key, grant: g}
	h.stop = l.host.After(term, func() {
		h.old = true
		if h.lease != nil {
			h.lease.Wanted = true
		}
	})
	l.give(h, w.r)
}

func (l *Leases) give(h *held, r *submit.Request) {
	// Nothing is pushed behind a running task: what waits there for a task that waits for it would wait for ever, and no
	// worker of a cluster gives back what it has been sent.
	lease := &submit.Lease{Blocked: true, Wanted: h.old, Calls: map[ids.FunctionID]int{}, Grant: h}
	h.lease = lease
	l.held[lease] = h
	lease.Executor = l.host.Executor(lease, h.grant)
	r.Granted(lease)
}

// Elsewhere is told that another raylet is to be asked.
func (l *Leases) Elsewhere(id ID, at raylet.Address) {
	w := l.answered(id)
	if w == nil || w.withdrawn {
		return
	}
	l.send(w, at, true)
}

// Rejected is told that the raylet that was named has nothing after all.
func (l *Leases) Rejected(id ID) { l.anew(l.answered(id)) }

// anew asks this node's raylet again, in a moment: it may not know yet what has changed.
func (l *Leases) anew(w *wish) {
	if w == nil || w.withdrawn {
		return
	}
	w.stop = l.host.After(again, func() {
		w.stop = nil
		l.ask(w, l.local, false)
	})
}

// Canceled is told that a raylet has thrown the wish away. why is nil where asking once more may help; else it is the error
// of the tasks that it was for.
func (l *Leases) Canceled(id ID, why *objects.Value) {
	w := l.answered(id)
	switch {
	case w == nil || w.withdrawn:
	case why == nil:
		l.anew(w)
	default:
		l.fail(w, peer.Reply{End: task.Died, Error: *why})
	}
}

// Unreachable is told that a raylet did not answer. Without this node's own there is no cluster any more.
func (l *Leases) Unreachable(id ID, text string) {
	w := l.answered(id)
	if w == nil {
		return
	}
	if w.at != l.local {
		l.anew(w)
		return
	}
	if l.dead == "" {
		l.dead = text
	}
	if !w.withdrawn {
		l.fail(w, l.lost())
	}
}

func (l *Leases) lost() peer.Reply {
	return peer.Reply{End: task.Died, Text: l.dead,
		Error: objects.LocalRayletDied(fmt.Sprintf("this node's raylet, which finds workers, does not answer: %s", l.dead))}
}

func (l *Leases) fail(w *wish, r peer.Reply) {
	delete(l.wishes, w.r)
	w.r.Failed(r)
}

// Return implements submit.Leaser.
func (l *Leases) Return(lease *submit.Lease) {
	h := l.release(lease)
	if h == nil {
		return // it was lost
	}
	if lease.Spent || h.old || len(l.wishes) > 0 {
		l.back(h, Unneeded)
		return
	}
	l.idle = append(l.idle, h)
	h.leave = l.host.After(linger, func() {
		l.idle = slices.DeleteFunc(l.idle, func(o *held) bool { return o == h })
		l.back(h, Unneeded)
	})
}

func (l *Leases) release(lease *submit.Lease) *held {
	h := l.held[lease]
	if h != nil {
		delete(l.held, lease)
		h.lease = nil
	}
	return h
}

func (l *Leases) back(h *held, how Ending) {
	h.stop()
	l.host.GiveBack(h.grant, how)
}

// clear gives back what is idle.
func (l *Leases) clear() {
	for _, h := range l.idle {
		h.leave()
		l.back(h, Unneeded)
	}
	l.idle = nil
}

// Lost is told by the executor that the worker is gone or leaves, before it answers for the worker's task: nothing more is
// pushed there.
func (l *Leases) Lost(lease *submit.Lease, how Ending) {
	h := l.release(lease)
	if h == nil {
		return
	}
	if lease.Lost != nil {
		lease.Lost()
	}
	l.back(h, how)
}

// NodeDied throws away the idle workers of a node. Those that have tasks are lost by and by, with their tasks.
func (l *Leases) NodeDied(node ids.NodeID) {
	l.idle = slices.DeleteFunc(l.idle, func(h *held) bool {
		if h.grant.At.Node != node {
			return false
		}
		h.leave()
		h.stop()
		return true
	})
}

// Close gives back what is idle. What is asked for is canceled by who asked; a worker that is still granted is given back.
func (l *Leases) Close() { l.clear() }

// Counts are for who looks on: wishes without a worker, requests without an answer, workers in use, workers that linger.
func (l *Leases) Counts() (wishes, asked, inUse, idle int) {
	return len(l.wishes), len(l.asked), len(l.held), len(l.idle)
}

// Validate checks what must hold between calls.
func (l *Leases) Validate() error {
	for id, w := range l.asked {
		if w.id != id {
			return fmt.Errorf("lease: a wish is kept under another id than it was asked by")
		}
		if !w.withdrawn && l.wishes[w.r] != w {
			return fmt.Errorf("lease: an answer is awaited that nobody wants, and it was not withdrawn")
		}
	}
	for r, w := range l.wishes {
		if w.r != r || w.withdrawn || (l.asked[w.id] != w) == (w.stop == nil) {
			return fmt.Errorf("lease: a wish neither has a question out nor waits to ask, or both")
		}
	}
	for lease, h := range l.held {
		if h.lease != lease {
			return fmt.Errorf("lease: a worker is held under another lease")
		}
	}
	for _, h := range l.idle {
		if h.lease != nil {
			return fmt.Errorf("lease: a worker is idle and leased")
		}
	}
	return nil
}
