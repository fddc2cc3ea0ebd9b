package execute

import (
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

	before, behind *Run // in the group's queue, while queued
	queued         bool
}

// Port is the way to one lane of the process. None of its methods may block.
type Port interface {
	Run(*Run)
	CancelRun(ids.TaskID)  // loop lanes
	OpenLane(group string) // main lanes: have a lane opened for this group
	Flag(epoch uint64)     // stores epoch<<1|1 in the lane's word of the cancel page
	Wake(task ids.TaskID)  // answers what this task is blocked in with "canceled"
	Exit(now bool, why string)
}

// Worker is the way to the process.
type Worker interface {
	Grant(n int)      // adds n tickets
	TakeTickets() int // takes all that are left
	Interrupt()       // SIGINT
	Kill()            // SIGKILL
}
