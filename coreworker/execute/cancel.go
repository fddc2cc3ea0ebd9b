package execute

import (
	"github.com/mobula/mobula/coreworker/ids"
	"github.com/mobula/mobula/coreworker/peer"
	"github.com/mobula/mobula/coreworker/task"
)

// CancelTask cancels a task that is here (Ray: CoreWorker::HandleCancelTask, core_worker.cc).
//
//	queued              taken out of its queue, never runs
//	pushed, not started taken back by its ticket, never runs; what was taken back with it goes to the queue's front
//	running, method     into the canceled set; its flag turns true; what it is blocked in raises
//	running, loop       the asyncio task is canceled inside the loop
//	running, normal     the flag, then SIGINT; with force: SIGKILL
func (x *Executor) CancelTask(q peer.CancelRequest) peer.CancelReply {
	r := x.runs[q.Task]
	if r == nil || x.dead {
		return peer.CancelReply{}
	}
	if q.Recursive && x.CancelChildren != nil {
		x.CancelChildren(q.Task, q.Force)
	}
	if r.lane != nil && r.Ticketed {
		x.Recall()
	}
	if r.lane == nil {
		r.group.queue.remove(r)
		x.end(r, peer.Reply{End: task.NotStarted})
		x.pump(r.group)
		x.idle()
		return peer.CancelReply{Succeeded: true}
	}
	if q.Force && r.Spec.Type == task.Normal {
		x.Canceled.Add(q.Task)
		x.worker.Kill()
		return peer.CancelReply{Running: true, Succeeded: true}
	}
	if !x.Canceled.Add(q.Task) {
		return peer.CancelReply{Running: true, Succeeded: true} // told before: telling twice would interrupt twice
	}
	if r.lane.kind == Loop {
		r.lane.port.CancelRun(q.Task)
		return peer.CancelReply{Running: true, Succeeded: true}
	}
	// A later run of the thread is flagged, so this one has ended, and its report is under way. The word is one for all of them:
	//
	//	worker: a ends · begins b        cancel b: word = b · SIGINT        cancel a: word = a · b's handler finds no flag of b's
	if r.Epoch < r.lane.flagged {
		return peer.CancelReply{Running: true, Succeeded: true}
	}
	r.lane.flagged = r.Epoch
	// The word first, then the signal: the handler looks at the word to see whom the signal is for.
	// A lane that is gone has no word any more: its place in the page may be another's, which this would overwrite.
	if !r.lane.detached {
		r.lane.port.Flag(r.Epoch)
	}
	if r.Spec.Type == task.Normal {
		x.worker.Interrupt()
	} else {
		r.lane.port.Wake(q.Task)
	}
	return peer.CancelReply{Running: true, Succeeded: true}
}

// WokeFor says whether a cancel of this task has come and woke what it was blocked in: a running method of a plain or
// threaded actor. What else is canceled is interrupted wherever it is.
func (x *Executor) WokeFor(id ids.TaskID) bool {
	r := x.runs[id]
	return r != nil && r.lane != nil && r.lane.kind != Loop && r.Spec.Type != task.Normal && x.Canceled.Has(id)
}

// Recall takes back what has not started on the main lane and puts it at the front of the queue, in its old order.
// Such a run has no lane any more.
func (x *Executor) Recall() {
	back := x.takeBack()
	for i := len(back) - 1; i >= 0; i-- {
		back[i].group.queue.pushFront(back[i])
	}
}
