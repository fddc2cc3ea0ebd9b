package embedded

import (
	"time"

	"github.com/mobula/mobula/coreworker/execute"
	"github.com/mobula/mobula/coreworker/ids"
	"github.com/mobula/mobula/coreworker/sched"
)

// Host is what the back end needs of the core.
type Host interface {
	// Spawn starts a worker process. The core calls Scheduler.Attached when its first lane is there and
	// Scheduler.Gone when it ended or could not start.
	Spawn(*Worker)
	// Prepare sets up what a worker of a kind needs to start. True: there is nothing to be done. False: done is called
	// later, with the reason when it failed.
	Prepare(kind Kind, done func(failure string)) bool
	// JobOf is the job that a living process works for.
	JobOf(ids.WorkerID) ids.JobID
	// Owes says whether the process still waits for tasks it submitted or has living actors: both would end with it.
	Owes(*Worker) bool
	// Kill ends the worker's process.
	Kill(*Worker)
	// Warn tells the driver of a job, in a sentence, what nothing but a change of its program or its machine will end.
	Warn(job ids.JobID, text string)
	Now() time.Duration
	After(d time.Duration, fn func()) (stop func())
	// Report is told of a broken invariant: a bug, not a condition. The work goes on.
	Report(error)
}

// Kind is what a worker process was started as. It never changes, for a process cannot be cleaned: nothing runs in a worker of
// another kind.
type Kind struct {
	Job ids.JobID // whose modules it finds, and whose driver sees what it prints
	Env string    // its environment: task.Spec.Env
}

// Worker is one worker process as the scheduler sees it.
type Worker struct {
	ID   ids.WorkerID
	PID  int
	Exec *execute.Executor
	Kind Kind

	born      uint64 // its number among all workers there ever were
	attached  bool
	gone      bool
	retiring  bool
	condemned bool
	leaving   string          // why it is to leave, until it was told
	doom      string          // why the core killed it, where what it ran is to be told
	pool      *sched.Pool     // that held is of
	held      sched.Resources // acquired for what it runs
	gpus      []int           // of held: which ones
	holding   bool
	blocked   bool
	lease     *lease
	actor     *actor
	calls     map[ids.FunctionID]int // of functions with a limit; made by the first lease
}

// Leased says whether a submitter or an actor has this worker.
func (w *Worker) Leased() bool { return w.lease != nil || w.actor != nil }

// Doom is why the core killed the process, where that is its own doing and not a user's; "" otherwise.
func (w *Worker) Doom() string { return w.doom }

// DetachedActor is the detached actor that lives in the worker.
func (w *Worker) DetachedActor() (id ids.ActorID, ok bool) {
	if w.actor == nil || !w.actor.spec.Creation.Detached {
		return ids.ActorID{}, false
	}
	return w.actor.id, true
}

// GPUs are the numbers of the GPUs that the worker's task or actor has.
func (w *Worker) GPUs() []int { return w.gpus }

// Resources is what the worker's task or actor holds.
func (w *Worker) Resources() sched.Resources { return w.held }

// Condemned says whether kill() ended the worker: what it owns goes with it.
func (w *Worker) Condemned() bool { return w.condemned }
