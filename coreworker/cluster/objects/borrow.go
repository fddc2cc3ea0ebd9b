package objects

import (
	"errors"
	"slices"

	"github.com/mobula/mobula/coreworker/ids"
	"github.com/mobula/mobula/proto/ray"
)

// loan is who borrows an object that is owned here. A borrower may let go and be given the object again before its word of the
// first time has come: what it was given meanwhile is kept, and watched when that word comes.
type loan struct{ borrowers map[ids.WorkerID]*Watch }

// borrowed is a reference to another owner's object.
type borrowed struct {
	here   bool           // a handle of this process, or a task in flight
	inside []ids.ObjectID // our objects that have it pickled inside, as its owner says
	asked  bool           // its owner waits for word
	// who got it through us. Its owner hears of them when we let go.
	further []*ray.ObjectReferenceCount
}

// Watch is a borrower who is to be asked to tell when it does not hold an object any more.
type Watch struct {
	Object   ids.ObjectID
	Borrower *ray.Address
	// Outer is the borrower's object that has this one inside; nil where it holds it by itself.
	Outer ids.ObjectID
}

// Lent says whether a borrower holds an object of ours: it must not be forgotten.
func (o *Owner) Lent(id ids.ObjectID) bool { return o.lent[id] != nil }

// Merge takes what came with a task's reply, or with a borrower's word that it let go: who holds what it was given. Of our own
// objects these are borrowers to be watched; of others', their owners hear when we let go.
func (o *Owner) Merge(from *ray.Address, counts []*ray.ObjectReferenceCount) ([]Watch, error) {
	var watches []Watch
	var errs []error
	for _, c := range counts {
		id, err := ids.Object(c.GetReference().GetObjectId())
		if err != nil {
			errs = append(errs, err)
			continue
		}
		if o.objects[id] == nil {
			if b := o.held[id]; b != nil {
				b.further = append(b.further, c)
			}
			continue
		}
		if c.HasLocalRef || len(c.ContainedInBorrowedIds) > 0 {
			watches, err = o.lend(watches, Watch{Object: id, Borrower: from})
			errs = append(errs, err)
		}
		for _, b := range c.Borrowers {
			watches, err = o.lend(watches, Watch{Object: id, Borrower: b})
			errs = append(errs, err)
		}
		for _, outer := range c.StoredInObjects {
			in, err := ids.Object(outer.ObjectId)
			if err != nil {
				errs = append(errs, err)
				continue
			}
			if string(outer.GetOwnerAddress().GetWorkerId()) == string(o.self[:]) {
				continue // our own object has it inside: counted where its value is taken
			}
			watches, err = o.lend(watches, Watch{Object: id, Borrower: outer.OwnerAddress, Outer: in})
			errs = append(errs, err)
		}
	}
	return watches, errors.Join(errs...)
}

// Lend notes that a borrower has the object inside one of its own: it was given to it in a value that it owns.
func (o *Owner) Lend(w Watch) ([]Watch, error) {
	if o.objects[w.Object] == nil {
		return nil, nil
	}
	return o.lend(nil, w)
}

func (o *Owner) lend(list []Watch, w Watch) ([]Watch, error) {
	worker, err := ids.Worker(w.Borrower.GetWorkerId())
	if err != nil {
		return list, err
	}
	if worker == o.self {
		return list, nil
	}
	l := o.lent[w.Object]
	if l == nil {
		l = &loan{borrowers: make(map[ids.WorkerID]*Watch)}
		o.lent[w.Object] = l
	}
	if _, watched := l.borrowers[worker]; watched {
		l.borrowers[worker] = &w
		return list, nil
	}
	l.borrowers[worker] = nil
	return append(list, w), nil
}

// LetGo takes a borrower's word, or its death (no counts), that it does not hold the object any more. It returns further
// borrowers to watch: those it had given the object to. Lent tells afterwards whether anybody is left.
func (o *Owner) LetGo(id ids.ObjectID, borrower ids.WorkerID, counts []*ray.ObjectReferenceCount) ([]Watch, error) {
	l := o.lent[id]
	if l == nil {
		return nil, nil
	}
	again, has := l.borrowers[borrower]
	if !has {
		return nil, nil
	}
	// The further ones first: there is no moment at which nobody holds it.
	watches, err := o.Merge(&ray.Address{WorkerId: borrower.Bytes()}, withoutOwn(counts))
	if again != nil {
		l.borrowers[borrower] = nil
		return append(watches, *again), err
	}
	delete(l.borrowers, borrower)
	if len(l.borrowers) == 0 {
		delete(o.lent, id)
	}
	return watches, err
}

// withoutOwn takes the local reference out of what a borrower says: it has let go.
func withoutOwn(counts []*ray.ObjectReferenceCount) []*ray.ObjectReferenceCount {
	out := make([]*ray.ObjectReferenceCount, len(counts))
	for i, c := range counts {
		out[i] = &ray.ObjectReferenceCount{Reference: c.Reference, Borrowers: c.Borrowers, StoredInObjects: c.StoredInObjects}
	}
	return out
}

// WorkerDied lets go all that a dead worker borrowed, and returns the objects that nobody borrows any more.
func (o *Owner) WorkerDied(worker ids.WorkerID) (free []ids.ObjectID) {
	for id, l := range o.lent {
		if _, has := l.borrowers[worker]; !has {
			continue
		}
		delete(l.borrowers, worker)
		if len(l.borrowers) == 0 {
			delete(o.lent, id)
			free = append(free, id)
		}
	}
	slices.SortFunc(free, func(a, b ids.ObjectID) int { return slices.Compare(a[:], b[:]) })
	return free
}

// Borrow says that this process holds another owner's object.
func (o *Owner) Borrow(id ids.ObjectID) { o.borrowed(id).here = true }

// Return says that this process does not hold it by itself any more. Its owner hears of it when none of our objects has it
// inside either.
func (o *Owner) Return(id ids.ObjectID) {
	if b := o.held[id]; b != nil {
		b.here = false
		o.returned(id, b)
	}
}

func (o *Owner) borrowed(id ids.ObjectID) *borrowed {
	b := o.held[id]
	if b == nil {
		b = &borrowed{}
		o.held[id] = b
	}
	return b
}

// watched notes that an object's owner wants to hear when we let go. It may come before the reply that gives us the object, and
// then names the object of ours that will have it inside; or after we have let go, and then hears at once.
func (o *Owner) watched(id ids.ObjectID, m *ray.WorkerRefRemovedSubMessage) {
	b := o.borrowed(id)
	b.asked = true
	if outer, err := ids.Object(m.ContainedInId); err == nil && o.objects[outer] != nil && !slices.Contains(b.inside, outer) {
		b.inside = append(b.inside, outer)
	}
	o.returned(id, b)
}

// outerGone says that an object of ours is no more, nor what is inside it.
func (o *Owner) outerGone(outer ids.ObjectID) {
	var touched []ids.ObjectID
	for id, b := range o.held {
		if i := slices.Index(b.inside, outer); i >= 0 {
			b.inside = slices.Delete(b.inside, i, i+1)
			touched = append(touched, id)
		}
	}
	slices.SortFunc(touched, func(a, b ids.ObjectID) int { return slices.Compare(a[:], b[:]) })
	for _, id := range touched {
		o.returned(id, o.held[id])
	}
}

func (o *Owner) returned(id ids.ObjectID, b *borrowed) {
	if b.here || len(b.inside) > 0 || !b.asked && len(b.further) > 0 {
		return // in the last case the owner will ask, and nobody else can tell it who has the object
	}
	delete(o.held, id)
	if !b.asked {
		return
	}
	o.pub.publish(topic{ray.ChannelType_WORKER_REF_REMOVED_CHANNEL, id}, &ray.PubMessage{
		InnerMessage: &ray.PubMessage_WorkerRefRemovedMessage{WorkerRefRemovedMessage: &ray.WorkerRefRemovedMessage{BorrowedRefs: b.further}}})
}
