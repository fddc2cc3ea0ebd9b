package spill

import (
	"errors"
	"sync"

	"github.com/mobula/mobula/coreworker/objects"
)

// Storage is what jobs are done with: the two files, or what a test puts in their place.
type Storage interface {
	// WriteOut copies, and gives the sum that ReadBack and Check give for the same bytes.
	WriteOut(memory, disk, size uint64) (sum uint32, err error)
	ReadBack(memory, disk, size uint64) (sum uint32, err error)
	Check(disk, size uint64) (sum uint32, err error)
	Reserve(disk, size uint64) error
	Erase(disk, size uint64) error
}

// Worker does jobs, one after the other. Its owner calls Close.
type Worker struct {
	storage Storage
	done    chan struct{}

	mu     sync.Mutex
	come   *sync.Cond
	queue  []task // bounded by what the arena holds: a block has one job at a time
	closed bool
}

type task struct {
	job   *objects.Job
	ended func(error)
}

// Start begins to work.
func Start(s Storage) *Worker {
	w := &Worker{storage: s, done: make(chan struct{})}
	w.come = sync.NewCond(&w.mu)
	go w.work()
	return w
}

// Do implements coreworker.Disk. After Close a job is forgotten: nobody is left to be told.
func (w *Worker) Do(j *objects.Job, ended func(error)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.closed {
		w.queue = append(w.queue, task{j, ended})
		w.come.Signal()
	}
}

// Close ends the worker after the job it is at, and waits for that.
func (w *Worker) Close() {
	w.mu.Lock()
	w.closed, w.queue = true, nil
	w.come.Signal()
	w.mu.Unlock()
	<-w.done
}

func (w *Worker) work() {
	defer close(w.done)
	for {
		w.mu.Lock()
		for len(w.queue) == 0 && !w.closed {
			w.come.Wait()
		}
		if w.closed {
			w.mu.Unlock()
			return
		}
		t := w.queue[0]
		w.queue[0] = task{}
		w.queue = w.queue[1:]
		w.mu.Unlock()
		t.ended(w.do(t.job))
	}
}

func (w *Worker) do(j *objects.Job) error {
	switch j.Kind {
	case objects.WriteOut:
		sum, err := w.storage.WriteOut(j.Memory, j.Disk, j.Size)
		j.Sum = sum
		return err
	case objects.ReadBack:
		sum, err := w.storage.ReadBack(j.Memory, j.Disk, j.Size)
		return same(j, sum, err)
	case objects.Check:
		sum, err := w.storage.Check(j.Disk, j.Size)
		return same(j, sum, err)
	case objects.Reserve:
		return w.storage.Reserve(j.Disk, j.Size)
	default:
		return w.storage.Erase(j.Disk, j.Size)
	}
}

// errChanged is what a disk that forgot, or a file that was written to by others, leaves.
var errChanged = errors.New("what was read is not what was written there")

func same(j *objects.Job, sum uint32, err error) error {
	if err == nil && sum != j.Sum {
		return errChanged
	}
	return err
}
