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
// not use again open until the mutation was applied. So one answer a lane is all that has to be remembered, and where the core
// itself has ended a lane, or the connection broke, for a while longer:
//
//	core:   answers an Allocate; the lane ends before the shim has read that
//	shim:   gives the request up on another lane, by the number of the one that it has lost

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
	l.given.takeBack(l.process)
	l.given = given{}
}

func (g given) takeBack(p *coreworker.Process) {
	p.Unpin(g.pins)
	if g.block != 0 {
		p.Discard([]uint64{g.block})
	}
	p.Refs(nil, g.actor)
}

// maxBereft bounds the lanes that are remembered after their end. A process gives up what it has lost with the very next that it
// writes, and most lanes end when everything was taken, so the oldest of many is none that anybody will name.
const maxBereft = 256

// bereft is what the last answers on lanes that have ended handed over. Guarded by the core's lock.
type bereft struct {
	given map[laneKey]given
	order []laneKey // the oldest first
}

// ended remembers what a lane has handed over last, if that is anything that would have to come back.
func (b *bereft) ended(key laneKey, g given) {
	if len(g.pins) == 0 && g.block == 0 && len(g.actor) == 0 {
		return
	}
	if b.given == nil {
		b.given = map[laneKey]given{}
	}
	if len(b.order) == maxBereft {
		delete(b.given, b.order[0])
		b.order = append(b.order[:0], b.order[1:]...)
	}
	b.given[key] = g
	b.order = append(b.order, key)
}

// giveUp takes a request back whose lane has ended.
func (b *bereft) giveUp(key laneKey, request uint64) {
	if g := b.given[key]; g.request == request {
		g.takeBack(key.process)
		b.given[key] = given{}
	}
}

// isGivenUp says whether a request that is read only now was given up already. Ids grow; only Abandon has none.
func (l *lane) isGivenUp(id uint64) bool { return id != 0 && id <= l.forgone }
