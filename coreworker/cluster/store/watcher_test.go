package store_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"

	"github.com/mobula/mobula/coreworker/cluster/objects"
	"github.com/mobula/mobula/coreworker/cluster/store"
	"github.com/mobula/mobula/coreworker/ids"
	"github.com/mobula/mobula/proto/ray"
)

// near is a core worker in this process: what a client asks it, its Service answers.
type near struct {
	ray.CoreWorkerServiceClient
	s *objects.Service
}

func (n near) PubsubCommandBatch(ctx context.Context, r *ray.PubsubCommandBatchRequest, _ ...grpc.CallOption) (*ray.PubsubCommandBatchReply, error) {
	return n.s.PubsubCommandBatch(ctx, r)
}

func (n near) PubsubLongPolling(ctx context.Context, r *ray.PubsubLongPollingRequest, _ ...grpc.CallOption) (*ray.PubsubLongPollingReply, error) {
	return n.s.PubsubLongPolling(ctx, r)
}

// lender owns objects, and watches who borrows them.
type lender struct {
	*objects.Service
	watcher *store.Watcher
	events  chan string
}

func address(id ids.WorkerID) *ray.Address { return &ray.Address{WorkerId: id.Bytes()} }

func newLender(t *testing.T, workers map[ids.WorkerID]*objects.Service) *lender {
	ctx, cancel := context.WithCancel(t.Context())
	t.Cleanup(cancel)
	us := ids.WorkerID{1}
	l := &lender{Service: objects.NewService(us, func([]objects.Free) {}), events: make(chan string, 10)}
	l.watcher = store.NewWatcher(ctx, address(us), func(a *ray.Address) (ray.CoreWorkerServiceClient, error) {
		return near{s: workers[ids.WorkerID(a.WorkerId)]}, nil
	}, store.Events{
		LetGo: func(id ids.ObjectID, borrower ids.WorkerID, counts []*ray.ObjectReferenceCount) {
			l.watch(t, func(o *objects.Owner) ([]objects.Watch, error) { return o.LetGo(id, borrower, counts) })
			l.events <- "let go"
		},
		Died: func(borrower ids.WorkerID, _ error) {
			l.Do(func(o *objects.Owner) []objects.Free { o.WorkerDied(borrower); return nil })
			l.events <- "died"
		},
	})
	return l
}

func (l *lender) watch(t *testing.T, f func(*objects.Owner) ([]objects.Watch, error)) {
	var list []objects.Watch
	var err error
	l.Do(func(o *objects.Owner) []objects.Free { list, err = f(o); return nil })
	if err != nil {
		t.Error(err)
	}
	if err := l.watcher.Watch(list); err != nil {
		t.Error(err)
	}
}

func (l *lender) lent(id ids.ObjectID) (yes bool) {
	l.Do(func(o *objects.Owner) []objects.Free { yes = o.Lent(id); return nil })
	return yes
}

func (l *lender) next(t *testing.T, want string) {
	t.Helper()
	select {
	case got := <-l.events:
		if got != want {
			t.Fatalf("%s, want %s", got, want)
		}
	case <-time.After(patience):
		t.Fatalf("no word, want %s", want)
	}
}

// TestABorrowerAndWhomItGaveTheObjectTo: both are waited for, and one dies.
func TestABorrowerAndWhomItGaveTheObjectTo(t *testing.T) {
	first, second := ids.WorkerID{2}, ids.WorkerID{3}
	x, y := ids.ObjectID{1}, ids.ObjectID{2}
	workers := map[ids.WorkerID]*objects.Service{}
	for _, id := range []ids.WorkerID{first, second} {
		workers[id] = objects.NewService(id, func([]objects.Free) {})
	}
	t.Cleanup(workers[first].Close)
	end := sync.OnceFunc(workers[second].Close)
	t.Cleanup(end)
	l := newLender(t, workers)
	for _, id := range []ids.ObjectID{x, y} {
		l.Do(func(o *objects.Owner) []objects.Free { o.Expect(id); return nil })
		workers[first].Do(func(o *objects.Owner) []objects.Free { o.Borrow(id); return nil })
		workers[second].Do(func(o *objects.Owner) []objects.Free { o.Borrow(id); return nil })
		l.watch(t, func(o *objects.Owner) ([]objects.Watch, error) {
			return o.Merge(address(first), []*ray.ObjectReferenceCount{{Reference: &ray.ObjectReference{ObjectId: id.Bytes()}, HasLocalRef: true}})
		})
	}
	workers[first].Do(func(o *objects.Owner) []objects.Free {
		_, err := o.Merge(address(second), []*ray.ObjectReferenceCount{{Reference: &ray.ObjectReference{ObjectId: x.Bytes()}, Borrowers: []*ray.Address{address(second)}}})
		if err != nil {
			t.Error(err)
		}
		o.Return(x)
		return nil
	})
	l.next(t, "let go")
	if !l.lent(x) {
		t.Fatal("the second has it still")
	}
	workers[second].Do(func(o *objects.Owner) []objects.Free { o.Return(x); return nil })
	l.next(t, "let go")
	if l.lent(x) || !l.lent(y) {
		t.Error("x is with nobody, y with the first")
	}
	l.watch(t, func(o *objects.Owner) ([]objects.Watch, error) {
		return o.Merge(address(second), []*ray.ObjectReferenceCount{{Reference: &ray.ObjectReference{ObjectId: y.Bytes()}, HasLocalRef: true}})
	})
	end()
	l.next(t, "died")
	if !l.lent(y) {
		t.Error("the first has it still")
	}
	workers[first].Do(func(o *objects.Owner) []objects.Free { o.Return(y); return nil })
	l.next(t, "let go")
	if l.lent(y) {
		t.Error("nobody has it")
	}
}
