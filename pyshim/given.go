package pyshim

import (
	"github.com/mobula/mobula/coreworker"
	"github.com/mobula/mobula/coreworker/ids"
	pb "github.com/mobula/mobula/proto/boundary"
)

// What an answer hands to the process must come back when nobody takes it: an interrupt may tear the asking thread away
// while the answer is on its way, is half read, or was read and looked at by nobody.
//
//	core:   answers a Get, pinning a block     core:   reads GiveUp first: the Get has not come yet
//	shim:   interrupted, gives the Get up      core:   reads the Get, and must not answer it
//	core:   reads GiveUp, unpins
//
// The shim sends GiveUp as a mutation, before anything else that it asks on the same lane, and keeps a lane that it will
// not use again open until the mutation was applied. So one answer a lane is all that has to be remembered.

// laneKey names a lane as its process does.
type laneKey struct {
	process *coreworker.Process
	number  uint64
}

// given is what the last answer on a lane handed over.
type given struct {
	request uint64
	pins    []uint64 // block ids
	block   uint64   // allocated, to be written; 0 for none
	actor   []ids.ObjectID
}

// handOver notes what an answer hands over, and forgets the answer before it: its asker went on, so it was taken.
func (l *lane) handOver(id uint64, r *pb.Reply, actor []ids.ObjectID) {
	l.given = given{request: id, actor: actor}
	switch k := r.Kind.(type) {
	case *pb.Reply_Allocate:
		l.given.block = k.Allocate.Id
	case *pb.Reply_Get:
		for _, v := range k.Get.Values {
			if v.Block != nil {
				l.given.pins = append(l.given.pins, v.Block.Id)
			}
		}
	}
}

// giveUp takes a request back. Under the core's lock.
func (l *lane) giveUp(id uint64) {
	l.forgone = max(l.forgone, id)
	if abandon := l.requests[id]; abandon != nil {
		delete(l.requests, id)
		abandon()
		return
	}
	if l.given.request != id {
		return
	}
	l.process.Unpin(l.given.pins)
	if l.given.block != 0 {
		l.process.Discard([]uint64{l.given.block})
	}
	l.process.Refs(nil, l.given.actor)
	l.given = given{}
}

// isGivenUp says whether a request that is read only now was given up already. Ids grow; only Abandon has none.
func (l *lane) isGivenUp(id uint64) bool { return id != 0 && id <= l.forgone }
