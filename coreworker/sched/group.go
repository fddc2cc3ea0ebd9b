package sched

import (
	"errors"
	"fmt"
	"slices"

	"github.com/mobula/mobula/coreworker/ids"
)

// ErrGroup is wrapped by every error about a placement group that cannot be asked for.
var ErrGroup = errors.New("bad placement group")

// Place is where work may run. It is part of its scheduling class: equal places are equal values. The zero value is
// anywhere on the machine, outside of all groups.
type Place struct {
	Group  ids.GroupID // zero: none
	Bundle int         // of Group; AnyBundle for whichever has room
	// Nowhere is set when the work asks for labels that no machine of the session has: it waits for one that does.
	Nowhere bool
}

// AnyBundle as Place.Bundle asks for no particular one.
const AnyBundle = -1

// InGroup says whether the place is in a group.
func (p Place) InGroup() bool { return p.Group != ids.GroupID{} }

// Strategy is how the bundles of a group lie on machines.
type Strategy uint8

// Ray's strategies. On one machine only StrictSpread asks for anything.
const (
	Pack         Strategy = iota // on as few as possible
	Spread                       // on as many as possible
	StrictPack                   // on one
	StrictSpread                 // each on another
)

func (s Strategy) String() string {
	return [...]string{"PACK", "SPREAD", "STRICT_PACK", "STRICT_SPREAD"}[s]
}

// GroupState is where a group stands.
type GroupState uint8

// A group goes GroupPending → GroupCreated → GroupRemoved, or is removed before it was made.
const (
	GroupPending GroupState = iota // the machine has no room for it
	GroupCreated                   // its resources are its own
	GroupRemoved
)

func (s GroupState) String() string { return [...]string{"PENDING", "CREATED", "REMOVED"}[s] }

// Bundle is one part of a group: resources of one machine.
type Bundle struct {
	Want Resources
	// Nowhere is set when its label selector fits no machine of the session.
	Nowhere bool

	pool *Pool // while it is reserved
	gpus []int // of the machine
}

// Pool is what the bundle's holders take from; nil where nothing is reserved.
func (b *Bundle) Pool() *Pool { return b.pool }

// Group is a placement group: bundles that are reserved together, each a pool of its own from then on.
type Group struct {
	Strategy Strategy
	Bundles  []*Bundle
	state    GroupState
}

// NewGroup makes a group that has nothing yet. A bundle that asks for nothing is an error.
func NewGroup(strategy Strategy, bundles []*Bundle) (*Group, error) {
	if strategy > StrictSpread {
		return nil, fmt.Errorf("%w: there is no strategy number %d", ErrGroup, strategy)
	}
	if len(bundles) == 0 {
		return nil, fmt.Errorf("%w: it has no bundles", ErrGroup)
	}
	for i, b := range bundles {
		if b.Want.IsZero() {
			return nil, fmt.Errorf("%w: bundle %d asks for nothing", ErrGroup, i)
		}
	}
	return &Group{Strategy: strategy, Bundles: bundles}, nil
}

// State is where the group stands.
func (g *Group) State() GroupState { return g.state }

// Infeasible says why the machine can never hold the group, in a sentence; "" when it can once it is empty enough.
func (g *Group) Infeasible(machine *Pool) string {
	if g.Strategy == StrictSpread && len(g.Bundles) > 1 {
		return fmt.Sprintf("STRICT_SPREAD puts its %d bundles on as many machines, and there is one", len(g.Bundles))
	}
	var all Resources
	for i, b := range g.Bundles {
		switch {
		case b.Nowhere:
			return fmt.Sprintf("no machine has the labels that bundle %d asks for", i)
		case !machine.Feasible(b.Want):
			return fmt.Sprintf("bundle %d asks for %s, and the machine has %s", i, b.Want, machine.node.total.Of(b.Want))
		}
		all = all.plus(b.Want)
	}
	if !machine.node.Feasible(all) {
		return fmt.Sprintf("its bundles ask for %s together, and the machine has %s", all, machine.node.total.Of(all))
	}
	return ""
}

// Reserve takes the resources of all bundles from the machine, or nothing.
func (g *Group) Reserve(machine *Pool) bool {
	if g.state != GroupPending || g.Infeasible(machine) != "" {
		return false
	}
	for i, b := range g.Bundles {
		gpus, ok := machine.Take(b.Want)
		if !ok {
			for _, had := range g.Bundles[:i] {
				// What was taken a moment ago can be given back.
				_ = machine.Give(had.Want, had.gpus)
				had.gpus = nil
			}
			return false
		}
		b.gpus = gpus
	}
	for _, b := range g.Bundles {
		b.pool = &Pool{node: New(b.Want), gpus: partOf(b.Want, b.gpus)}
	}
	g.state = GroupCreated
	return true
}

// Remove ends the group: nothing is granted in it any more. Sweep then gives its bundles back.
func (g *Group) Remove() { g.state = GroupRemoved }

// Sweep gives the machine the bundles of a removed group that nobody holds anything of any more. A GPU is not another's
// before the process that had it is gone. It says whether any came back.
func (g *Group) Sweep(machine *Pool) (back bool, err error) {
	if g.state != GroupRemoved {
		return false, nil
	}
	for _, b := range g.Bundles {
		if b.pool == nil || b.pool.holders > 0 {
			continue
		}
		err = errors.Join(err, machine.Give(b.Want, b.gpus))
		b.pool, b.gpus, back = nil, nil, true
	}
	return back, err
}

// Take takes the request from the bundle of that index, or from the first that has room for it.
func (g *Group) Take(bundle int, req Resources) (pool *Pool, gpus []int, ok bool) {
	for i, b := range g.Bundles {
		if g.state != GroupCreated || bundle != AnyBundle && bundle != i {
			continue
		}
		if gpus, ok = b.pool.Take(req); ok {
			return b.pool, gpus, true
		}
	}
	return nil, nil, false
}

// Has says whether the pool is one of its bundles: of that index, or any.
func (g *Group) Has(bundle int, p *Pool) bool {
	if p == nil {
		return false
	}
	if bundle != AnyBundle {
		return g.Bundles[bundle].pool == p
	}
	return slices.ContainsFunc(g.Bundles, func(b *Bundle) bool { return b.pool == p })
}

// Validate checks what must hold between calls.
func (g *Group) Validate() error {
	for i, b := range g.Bundles {
		switch {
		case b.pool == nil && g.state == GroupCreated:
			return fmt.Errorf("sched: bundle %d of a group that was made has no pool", i)
		case b.pool != nil && g.state == GroupPending:
			return fmt.Errorf("sched: bundle %d of a pending group has a pool", i)
		case b.pool != nil:
			if err := b.pool.Validate(); err != nil {
				return fmt.Errorf("bundle %d: %w", i, err)
			}
		}
	}
	return nil
}
