package execute

import (
	"time"

	"github.com/mobula/mobula/coreworker/ids"
	"github.com/mobula/mobula/coreworker/peer"
)

// Kind is what a lane can do.
type Kind uint8

// The kinds of lanes.
const (
	Main Kind = iota
	Thread
	Loop
)

// Run is one attempt on its way through this executor.
type Run struct {
	*peer.Push
	Epoch      uint64 // on its lane; 0 before it was pushed
	Generation uint64
	Ticketed   bool
	lane       *Lane
	group      *group
	number     uint64 // in the order they came here
	// Begun is for the witness to keep when the run began.
	Begun time.Duration

	before, behind *Run // in the group's queue, while queued
	queued         bool
}

// Witness is told when a run may have begun and when it ended: it began as soon as its lane had nothing before it, and what
// was taken back before it began never ends. It must not call back.
type Witness interface {
	Begins(*Run)
	Ended(*Run, peer.Reply)
}

// Port is the way to one lane of the process. None of its methods may block.
type Port interface {
	Run(*Run)
	CancelRun(ids.TaskID)  // loop lanes
	OpenLane(group string) // main lanes: have a lane opened for this group
	Flag(epoch uint64)     // stores epoch<<1|1 in the lane's word of the cancel page
	Wake(task ids.TaskID)  // answers what this task is blocked in with "canceled"
	Exit(now bool, why string)
	Close() // thread lanes: the thread is to end, and its lane with it
}

// Worker is the way to the process.
type Worker interface {
	Grant(n int)      // adds n tickets
	TakeTickets() int // takes all that are left
	Interrupt()       // SIGINT
	Kill()            // SIGKILL
}
