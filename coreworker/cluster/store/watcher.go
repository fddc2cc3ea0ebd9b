package store

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/mobula/mobula/coreworker/cluster/objects"
	"github.com/mobula/mobula/coreworker/ids"
	"github.com/mobula/mobula/proto/ray"
)

// Events are what a Watcher tells, from its goroutines.
type Events struct {
	// LetGo: a borrower does not hold the object any more, and had given it to those that counts name.
	LetGo func(object ids.ObjectID, borrower ids.WorkerID, counts []*ray.ObjectReferenceCount)
	// Died: a borrower does not answer, which is all that it had.
	Died func(borrower ids.WorkerID, why error)
}

// Watcher waits for borrowers to let go: it subscribes at each and keeps one poll open, for as long as one of them has something.
type Watcher struct {
	ctx     context.Context
	self    *ray.Address
	connect func(*ray.Address) (ray.CoreWorkerServiceClient, error)
	events  Events

	mu    sync.Mutex
	peers map[ids.WorkerID]*borrower
}

// borrower is one worker that is watched.
type borrower struct {
	id      ids.WorkerID
	client  ray.CoreWorkerServiceClient
	objects map[ids.ObjectID]struct{}
}

// NewWatcher works until ctx ends. self is who owns what is lent.
func NewWatcher(ctx context.Context, self *ray.Address, connect func(*ray.Address) (ray.CoreWorkerServiceClient, error), events Events) *Watcher {
	return &Watcher{ctx: ctx, self: self, connect: connect, events: events, peers: make(map[ids.WorkerID]*borrower)}
}

// Watch asks borrowers to tell. It waits for nobody.
func (w *Watcher) Watch(list []objects.Watch) error {
	var errs []error
	for _, one := range list {
		id, err := ids.Worker(one.Borrower.GetWorkerId())
		if err != nil {
			errs = append(errs, err)
			continue
		}
		w.mu.Lock()
		p := w.peers[id]
		first := p == nil
		if first {
			client, err := w.connect(one.Borrower)
			if err != nil {
				w.mu.Unlock()
				errs = append(errs, err)
				continue
			}
			p = &borrower{id: id, client: client, objects: make(map[ids.ObjectID]struct{})}
			w.peers[id] = p
		}
		p.objects[one.Object] = struct{}{}
		w.mu.Unlock()
		go w.subscribe(p, one)
		if first {
			go w.poll(p)
		}
	}
	return errors.Join(errs...)
}

func (w *Watcher) subscribe(p *borrower, one objects.Watch) {
	m := &ray.WorkerRefRemovedSubMessage{
		IntendedWorkerId: p.id.Bytes(), SubscriberWorkerId: w.self.WorkerId,
		Reference: &ray.ObjectReference{ObjectId: one.Object.Bytes(), OwnerAddress: w.self},
	}
	if !one.Outer.IsNil() {
		m.ContainedInId = one.Outer.Bytes()
	}
	w.command(p, one.Object, &ray.Command{CommandMessageOneOf: &ray.Command_SubscribeMessage{SubscribeMessage: &ray.SubMessage{
		SubMessageOneOf: &ray.SubMessage_WorkerRefRemovedMessage{WorkerRefRemovedMessage: m}}}})
}

func (w *Watcher) command(p *borrower, id ids.ObjectID, c *ray.Command) {
	c.ChannelType, c.KeyId = ray.ChannelType_WORKER_REF_REMOVED_CHANNEL, id.Bytes()
	if _, err := p.client.PubsubCommandBatch(w.ctx, &ray.PubsubCommandBatchRequest{SubscriberId: w.self.WorkerId, Commands: []*ray.Command{c}}); err != nil {
		w.lose(p, fmt.Errorf("subscribe at borrower %s: %w", p.id, err))
	}
}

// poll reads what a borrower says until nothing of it is left.
func (w *Watcher) poll(p *borrower) {
	last, publisher := int64(0), nilID
	for {
		r, err := p.client.PubsubLongPolling(w.ctx,
			&ray.PubsubLongPollingRequest{SubscriberId: w.self.WorkerId, MaxProcessedSequenceId: last, PublisherId: publisher})
		if err != nil {
			w.lose(p, fmt.Errorf("wait for borrower %s: %w", p.id, err))
			return
		}
		if string(r.PublisherId) != string(publisher) {
			last, publisher = 0, r.PublisherId
		}
		for _, m := range r.PubMessages {
			if m.SequenceId <= last {
				continue // came with an answer that was thought lost
			}
			last = m.SequenceId
			if id, err := ids.Object(m.KeyId); err == nil && m.GetWorkerRefRemovedMessage() != nil {
				w.letGo(p, id, m.GetWorkerRefRemovedMessage().BorrowedRefs)
			}
		}
		if w.leave(p) {
			return
		}
	}
}

// nilID is the publisher of who has heard nothing.
var nilID = func() []byte {
	b := make([]byte, ids.UniqueLen)
	for i := range b {
		b[i] = 0xFF
	}
	return b
}()

func (w *Watcher) letGo(p *borrower, id ids.ObjectID, counts []*ray.ObjectReferenceCount) {
	w.mu.Lock()
	_, watched := p.objects[id]
	delete(p.objects, id)
	w.mu.Unlock()
	if !watched {
		return
	}
	w.command(p, id, &ray.Command{CommandMessageOneOf: &ray.Command_UnsubscribeMessage{UnsubscribeMessage: &ray.UnsubscribeMessage{}}})
	w.events.LetGo(id, p.id, counts)
}

// leave ends the watch of a borrower that has nothing.
func (w *Watcher) leave(p *borrower) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(p.objects) > 0 || w.peers[p.id] != p {
		return w.peers[p.id] != p
	}
	delete(w.peers, p.id)
	return true
}

// lose ends the watch of a borrower that does not answer, once.
func (w *Watcher) lose(p *borrower, why error) {
	w.mu.Lock()
	mine := w.peers[p.id] == p
	if mine {
		delete(w.peers, p.id)
	}
	w.mu.Unlock()
	if mine && w.ctx.Err() == nil {
		w.events.Died(p.id, why)
	}
}
