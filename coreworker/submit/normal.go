package submit

import (
	"cmp"
	"container/list"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/mobula/mobula/coreworker/ids"
	"github.com/mobula/mobula/coreworker/objects"
	"github.com/mobula/mobula/coreworker/peer"
	"github.com/mobula/mobula/coreworker/sched"
	"github.com/mobula/mobula/coreworker/task"
)

const (
	// window is how many tasks one leased worker may hold, the running one included.
	window = 32
	// maxRequests bounds the wishes of one class that wait for a worker.
	maxRequests = 16
	// firstLimit is how many a new lease may hold; the limit grows with every quick task and falls to 1 with a slow one.
	firstLimit = 4
	// slow is how long a task must have run before what waits behind it is taken back.
	slow = time.Millisecond
	// quick is how recently a worker must have ended a task for more to be pushed behind its running one.
	quick = 2 * time.Millisecond
	// turn is how long a lease may be kept busy while somebody else waits for it.
	turn = 10 * time.Millisecond
	// manyClasses is how many there may be before those of which nothing is left are looked for.
	manyClasses = 64
)

// Normal submits normal tasks of one process.
type Normal struct {
	env     Env
	leaser  Leaser
	owner   ids.WorkerID
	classes map[classKey]*class
	items   map[ids.TaskID]*item
	seq     uint64
	made    int // classes there ever were
	many    int // how many classes there may be before sweep looks
	closed  bool
}

// item is one task on its way.
type item struct {
	e     *task.Entry
	c     *class
	args  []objects.Value
	stop  func()        // ends the wait for arguments
	elem  *list.Element // in the class's queue
	lease *Lease
}

// classKey names a class. Functions with a limit of calls have classes of their own (Ray's scheduling classes are of one
// function each): a lease of theirs brings nothing that is not counted.
type classKey struct {
	resources sched.Key
	place     sched.Place
	env       string
	counted   ids.FunctionID // zero: any function without a limit
	where     string         // which of several machines: see Where
	needs     string         // what of its arguments lies in a cluster's stores: see needs
}

func keyOf(s *task.Spec) classKey {
	key := classKey{resources: s.Resources.Key(), place: s.Place, env: s.Env}
	if s.MaxCalls > 0 {
		key.counted = s.Function
	}
	key.where = Where(s)
	return key
}

// Where stands for the nodes that a task may run on: equal for tasks that may run on the same ones.
func Where(s *task.Spec) string {
	if len(s.Node) == 0 && len(s.Labels) == 0 && len(s.Rather) == 0 && !s.Spread {
		return ""
	}
	return fmt.Sprintf("%x/%x%#v%t", s.Node, s.Rather, s.Labels, s.Spread)
}

// needs are the arguments that lie in a cluster's stores. A raylet has them brought before it gives a worker, so a wish is for tasks that
// have the same ones: else it could wait for what another task needed, which nobody refers to any more.
func needs(s *task.Spec, args []objects.Value) (out []ids.ObjectID) {
	for i := range args {
		if args[i].Stored {
			out = append(out, s.Args[i].Ref)
		}
	}
	return out
}

// class is the tasks that may run on the same leases: same resources, same place, same environment.
type class struct {
	n        *Normal
	number   int // in the order they came
	items    int // without an outcome
	proto    *task.Spec
	needs    []ids.ObjectID
	queue    *list.List // of *item, by Seq: in the order they were ready for the first time
	leases   []*Lease
	requests []*Request
	watching func() // stops the timer that looks for tasks behind slow ones
	pumping  bool
	again    bool
}

// NewNormal makes the submitter of one process.
func NewNormal(env Env, leaser Leaser, owner ids.WorkerID) *Normal {
	return &Normal{env: env, leaser: leaser, owner: owner, classes: map[classKey]*class{}, items: map[ids.TaskID]*item{}}
}

// Submit takes a task that was just entered into the manager.
func (n *Normal) Submit(e *task.Entry) {
	it := &item{e: e}
	n.items[e.Spec.ID] = it
	n.start(it)
}

// sweep forgets the classes of which nothing is left, where there are many: every placement group makes one, and every value that lies in
// a cluster's store.
func (n *Normal) sweep() {
	if len(n.classes) < max(n.many, manyClasses) {
		return
	}
	maps.DeleteFunc(n.classes, func(_ classKey, c *class) bool {
		return c.items == 0 && len(c.leases) == 0 && len(c.requests) == 0 && c.watching == nil && !c.pumping
	})
	n.many = 2 * len(n.classes) // where all are in use it looks rarely
}

// class finds the class of a task whose arguments are there.
func (n *Normal) class(s *task.Spec, args []objects.Value) *class {
	key, needs := keyOf(s), needs(s, args)
	if len(needs) > 0 {
		key.needs = fmt.Sprint(needs)
	}
	c := n.classes[key]
	if c == nil {
		n.sweep()
		n.made++
		c = &class{n: n, number: n.made, proto: s, needs: needs, queue: list.New()}
		n.classes[key] = c
	}
	return c
}

// join makes an item one of a class, and of no other.
func (c *class) join(it *item) {
	c.items++
	it.leave()
	it.c = c
}

func (it *item) leave() {
	if it.c != nil {
		it.c.items--
	}
}

func (n *Normal) start(it *item) {
	it.e.State = task.Waiting
	stop := Resolve(n.env, it.e.Spec,
		func(args []objects.Value) {
			it.stop, it.args = nil, args
			ready(n.env, it.e)
			n.class(it.e.Spec, args).join(it)
			it.enqueue()
			it.c.pump()
		},
		func(v objects.Value) {
			n.settle(it, task.FailWith, peer.Reply{End: task.Failed, Error: v})
		})
	if it.e.State == task.Waiting {
		it.stop = stop
	}
}

// enqueue puts the item at its place: what was taken back comes before what came later, and has little to pass, for what
// came before it has mostly left.
func (it *item) enqueue() {
	it.e.State = task.Queued
	if it.e.Seq == 0 {
		it.c.n.seq++
		it.e.Seq = it.c.n.seq
	}
	q := it.c.queue
	back := q.Back()
	if back == nil || back.Value.(*item).e.Seq < it.e.Seq {
		it.elem = q.PushBack(it)
		return
	}
	at := q.Front()
	for at.Value.(*item).e.Seq < it.e.Seq {
		at = at.Next()
	}
	it.elem = q.InsertBefore(it, at)
}

func (n *Normal) settle(it *item, v task.Verdict, r peer.Reply) {
	delete(n.items, it.e.Spec.ID)
	it.leave()
	n.env.Settle(it.e, v, r)
}

// pump gives queued tasks to workers and asks for more workers. It is not re-entered: granting and replying can
// happen inside what it calls, and then it goes round once more.
func (c *class) pump() {
	if c.pumping {
		c.again = true
		return
	}
	c.pumping = true
	for c.again = true; c.again; {
		c.again = false
		c.round()
	}
	c.pumping = false
}

func (c *class) round() {
	now := c.n.env.Now()
	for _, l := range slices.Clone(c.leases) {
		if c.queue.Len() == 0 {
			break
		}
		// Not where the lease is due: it would be kept for as long as there is anything to do.
		if l.inflight == 0 && !c.due(l, now) && c.mayCall(l) {
			c.push(l)
		}
	}
	for len(c.requests) < min(c.queue.Len(), maxRequests) {
		c.request()
	}
	c.pushAhead()
	for len(c.requests) > c.queue.Len() {
		last := c.requests[len(c.requests)-1]
		c.requests = c.requests[:len(c.requests)-1]
		c.n.leaser.Cancel(last)
	}
	c.release()
}

func (c *class) request() {
	r := &Request{Resources: c.proto.Resources, Place: c.proto.Place, Env: c.proto.Env, Owner: c.n.owner, Spec: c.proto, Needs: c.needs}
	forget := func() { c.requests = slices.DeleteFunc(c.requests, func(o *Request) bool { return o == r }) }
	r.Granted = func(l *Lease) {
		forget()
		l.since = c.n.env.Now()
		l.last, l.limit = l.since, firstLimit
		l.Lost = func() { c.drop(l) }
		c.leases = append(c.leases, l)
		if c.queue.Len() > 0 && c.mayCall(l) {
			c.push(l) // at once: a grant inside request() must shorten the queue that the caller looks at
		}
		c.pump()
	}
	r.Failed = func(why peer.Reply) {
		forget()
		for e := c.queue.Front(); e != nil; e = c.queue.Front() {
			c.queue.Remove(e)
			it := e.Value.(*item)
			it.elem = nil
			c.n.settle(it, task.FailDead, why)
		}
		c.pump() // the other requests have nothing to ask for any more
	}
	c.requests = append(c.requests, r)
	c.n.leaser.Request(r)
}

// pushAhead fills the windows of workers that get through their tasks quickly, as far as there is more queued than
// workers are still expected for.
func (c *class) pushAhead() {
	now := c.n.env.Now()
	for spare := c.queue.Len() - c.starting(); spare > 0; spare-- {
		var best *Lease
		for _, l := range c.leases {
			if !l.Blocked && l.inflight < l.limit && c.mayCall(l) && now-l.last < quick && !c.due(l, now) && (best == nil || l.inflight < best.inflight) {
				best = l
			}
		}
		if best == nil {
			return
		}
		c.push(best)
		c.watch()
	}
}

// starting is how many of the requests will be granted soon. When all resources are taken none of them is, and then
// what is queued may as well wait behind what runs.
func (c *class) starting() int {
	if len(c.leases) > 0 {
		return 0
	}
	return len(c.requests)
}

// mayCall says whether the worker may take one call more, counting those it has not ended.
func (c *class) mayCall(l *Lease) bool {
	limit := c.proto.MaxCalls
	return limit == 0 || l.Calls[c.proto.Function]+l.inflight < limit
}

// called counts a call that ended. With its last one the worker is spent: release sends it away.
func (c *class) called(l *Lease) {
	if limit := c.proto.MaxCalls; limit > 0 {
		l.Calls[c.proto.Function]++
		l.Spent = l.Calls[c.proto.Function] >= limit
	}
}

// due says whether a lease is to be given up because somebody else waits for it.
func (c *class) due(l *Lease, now time.Duration) bool { return l.Wanted && now-l.since > turn }

func (c *class) push(l *Lease) {
	front := c.queue.Front()
	c.queue.Remove(front)
	it := front.Value.(*item)
	it.elem, it.lease = nil, l
	it.e.State = task.Pushed
	if l.inflight == 0 {
		l.last = c.n.env.Now()
	}
	l.inflight++
	l.Executor.PushTask(&peer.Push{Spec: it.e.Spec, Attempt: it.e.Attempt, Args: it.args,
		Done: func(r peer.Reply) { c.replied(it, l, r) }})
}

func (c *class) replied(it *item, l *Lease, r peer.Reply) {
	l.inflight--
	it.lease = nil
	if r.End != task.NotStarted {
		c.called(l)
		now := c.n.env.Now()
		if now-l.last < quick {
			l.limit = min(2*l.limit, window)
		} else {
			l.limit = 1
		}
		l.last = now
	}
	v := task.Decide(it.e, r.End, r.Retryable)
	if c.n.closed && (v == task.Retry || v == task.Resubmit) {
		v, r = task.FailWith, ownerGone()
	}
	switch v {
	case task.Retry:
		again(c.n.env, it.e, r)
		c.n.start(it)
	case task.Resubmit:
		it.enqueue()
	default:
		c.n.settle(it, v, r)
	}
	c.pump()
}

// release returns the leases that have nothing to do.
func (c *class) release() {
	now := c.n.env.Now()
	for _, l := range slices.Clone(c.leases) {
		if l.inflight == 0 && (l.Spent || c.queue.Len() == 0 || c.due(l, now)) {
			c.drop(l)
			c.n.leaser.Return(l)
		}
	}
}

// watch looks again in a moment, as long as tasks wait behind running ones: nobody is to wait behind a slow task. What
// does is taken back into the queue, where it finds any worker, and nothing more goes behind slow ones.
func (c *class) watch() {
	if c.watching != nil {
		return
	}
	c.watching = c.n.env.After(slow, func() {
		c.watching = nil
		now := c.n.env.Now()
		ahead := false
		for _, l := range slices.Clone(c.leases) {
			if l.inflight < 2 {
				continue
			}
			if now-l.last < slow {
				ahead = true
				continue
			}
			l.limit = 1
			l.Executor.TakeBack()
		}
		if ahead {
			c.watch()
		}
	})
}

func (c *class) drop(l *Lease) {
	c.leases = slices.DeleteFunc(c.leases, func(o *Lease) bool { return o == l })
}

// Cancel cancels a task of this process that has no outcome (Ray: NormalTaskSubmitter::CancelTask).
func (n *Normal) Cancel(e *task.Entry, force, recursive bool) {
	it := n.items[e.Spec.ID]
	if it == nil {
		return
	}
	switch e.State {
	case task.Waiting:
		if it.stop != nil {
			it.stop()
		}
		n.settle(it, task.FailCancel, peer.Reply{End: task.NotStarted})
	case task.Queued:
		it.c.queue.Remove(it.elem)
		it.elem = nil
		n.settle(it, task.FailCancel, peer.Reply{End: task.NotStarted})
		it.c.pump()
	case task.Pushed:
		it.lease.Executor.CancelTask(peer.CancelRequest{Task: e.Spec.ID, Force: force, Recursive: recursive})
	}
}

// Close forgets everything: the process is gone. Tasks that are with a worker go on without an owner to tell.
func (n *Normal) Close() {
	n.closed = true
	for id, it := range n.items {
		if it.stop != nil {
			it.stop()
		}
		if it.e.State != task.Pushed {
			delete(n.items, id)
		}
	}
	// All queues first: a request taken back makes room for the next one, which may be this process's own.
	classes := slices.SortedFunc(maps.Values(n.classes), func(a, b *class) int { return cmp.Compare(a.number, b.number) })
	for _, c := range classes {
		c.queue.Init()
	}
	for _, c := range classes {
		for len(c.requests) > 0 {
			last := c.requests[len(c.requests)-1]
			c.requests = c.requests[:len(c.requests)-1]
			n.leaser.Cancel(last)
		}
		if c.watching != nil {
			c.watching()
			c.watching = nil
		}
		c.pump() // gives back the leases that were kept for a moment
	}
}

// Queued is the number of tasks that wait for a worker.
func (n *Normal) Queued() int {
	total := 0
	for _, c := range n.classes {
		total += c.queue.Len()
	}
	return total
}
