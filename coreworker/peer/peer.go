// Package peer is how one core worker speaks to another: what a submitter needs of the process that runs its tasks.
//
// Two carriers satisfy it: a call inside this process (package execute, embedded), and Ray's CoreWorkerService over
// gRPC (cluster). Calls never block; answers come through the callbacks, under the state lock of the callee's core.
package peer

import (
	"github.com/mobula/mobula/coreworker/ids"
	"github.com/mobula/mobula/coreworker/objects"
	"github.com/mobula/mobula/coreworker/task"
)

// Push is one attempt of one task on its way to an executor.
type Push struct {
	Spec    *task.Spec
	Attempt int
	// Values of the arguments that are references, by position in Spec.Args; nil where the argument is a value.
	Args []objects.Value
	// Done is called exactly once.
	Done func(Reply)
}

// Reply tells how an attempt ended.
type Reply struct {
	End       task.Outcome
	Returns   []objects.Value // one per return when End is OK
	Error     objects.Value   // when End is Failed
	Retryable bool
	Text      string // one line for people: the error, or the cause of death
}

// CancelRequest asks an executor to cancel one task.
type CancelRequest struct {
	Task      ids.TaskID
	Force     bool
	Recursive bool
}

// CancelReply mirrors Ray's CancelTaskReply.
type CancelReply struct {
	Running   bool // the task was running: it was told
	Succeeded bool // it will not run to its end unnoticed: flagged, interrupted, or taken out of the queue
}

// Executor is the far side.
type Executor interface {
	PushTask(*Push)
	// CancelTask answers Succeeded=false when it does not know the task.
	CancelTask(CancelRequest) CancelReply
	// TakeBack returns tasks that were pushed but have not started (their Done gets NotStarted) and says how many.
	TakeBack() int
}
