package sched

import (
	"errors"
	"fmt"
	"slices"
)

// ErrNotHeld is returned when more is given back than was taken; the node is unchanged then.
var ErrNotHeld = errors.New("more given back than was taken")

// Node counts the resources of one machine.
type Node struct {
	total   Resources
	cpu     int64   // held by those who took it, the blocked ones included
	blocked int64   // of cpu, lent out while its holders are blocked
	rest    []int64 // held, beside total.rest
}

// New makes a node that has total and holds nothing.
func New(total Resources) *Node { return &Node{total: total, rest: make([]int64, len(total.rest))} }

// Feasible says whether the request fits a node that is empty: what does not will never run here.
func (n *Node) Feasible(req Resources) bool {
	if req.cpu > n.total.cpu {
		return false
	}
	for _, want := range req.rest {
		if want.amount > n.total.get(want.name) {
			return false
		}
	}
	return true
}

// Fits says whether Acquire would take the request now.
func (n *Node) Fits(req Resources) bool {
	// What asks for no CPU runs also while the CPU is oversubscribed.
	if req.cpu > 0 && req.cpu > n.freeCPU() {
		return false
	}
	for _, want := range req.rest {
		i, ok := n.total.place(want.name)
		if !ok || want.amount > n.total.rest[i].amount-n.rest[i] {
			return false
		}
	}
	return true
}

// Acquire takes the request if all of it is there, and nothing otherwise.
func (n *Node) Acquire(req Resources) bool {
	if !n.Fits(req) {
		return false
	}
	n.cpu += req.cpu
	for _, want := range req.rest {
		i, _ := n.total.place(want.name)
		n.rest[i] += want.amount
	}
	return true
}

// Release gives back what Acquire took. A holder that ends while it is blocked is unblocked first.
func (n *Node) Release(req Resources) error {
	if req.cpu > n.cpu-n.blocked {
		return fmt.Errorf("release %s: CPU: %w", req, ErrNotHeld)
	}
	for _, want := range req.rest {
		if i, ok := n.total.place(want.name); !ok || want.amount > n.rest[i] {
			return fmt.Errorf("release %s: %s: %w", req, want.name, ErrNotHeld)
		}
	}
	n.cpu -= req.cpu
	for _, want := range req.rest {
		i, _ := n.total.place(want.name)
		n.rest[i] -= want.amount
	}
	return nil
}

// Block lends out the CPU of a holder that waits for other tasks: it would wait for ever if they needed that CPU. All
// else, a GPU's memory above all, stays with it.
func (n *Node) Block(req Resources) error {
	if req.cpu > n.cpu-n.blocked {
		return fmt.Errorf("block %s: %w", req, ErrNotHeld)
	}
	n.blocked += req.cpu
	return nil
}

// Unblock takes the CPU of a holder again that waits no more. It does not wait for those who have it now: until one of
// them ends, more is held than there is, and nothing that needs CPU starts. So does Ray.
func (n *Node) Unblock(req Resources) error {
	if req.cpu > n.blocked {
		return fmt.Errorf("unblock %s: %w", req, ErrNotHeld)
	}
	n.blocked -= req.cpu
	return nil
}

// Total is what the node has.
func (n *Node) Total() Resources { return n.total }

// Available is what is free, for people: an oversubscribed CPU shows as 0.
func (n *Node) Available() Resources {
	free := Resources{cpu: max(n.freeCPU(), 0)}
	for i, has := range n.total.rest {
		if left := has.amount - n.rest[i]; left > 0 {
			free.rest = append(free.rest, item{has.name, left})
		}
	}
	return free
}

// Idle says whether nothing is held.
func (n *Node) Idle() bool {
	return n.cpu == 0 && !slices.ContainsFunc(n.rest, func(held int64) bool { return held != 0 })
}

// Validate checks what must hold between calls.
func (n *Node) Validate() error {
	if n.cpu < 0 || n.blocked < 0 || n.blocked > n.cpu {
		return fmt.Errorf("sched: CPU held %d, of it blocked %d", n.cpu, n.blocked)
	}
	for i, has := range n.total.rest {
		if held := n.rest[i]; held < 0 || held > has.amount {
			return fmt.Errorf("sched: %s held %d of %d", has.name, held, has.amount)
		}
	}
	return nil
}

func (n *Node) freeCPU() int64 { return n.total.cpu - (n.cpu - n.blocked) }
