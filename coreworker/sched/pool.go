package sched

import "fmt"

// Pool is resources that holders take from and give back to, with the numbers of the GPUs among them. The machine is
// one; so is each bundle of a placement group that was made.
type Pool struct {
	node    *Node
	gpus    *GPUs
	holders int // grants that were not given back, of nothing too
}

// NewPool makes a machine's pool: all of total is free, and its GPUs are numbered from 0.
func NewPool(total Resources) *Pool {
	return &Pool{node: New(total), gpus: NewGPUs(int(total.Get(GPU)))}
}

// Node counts what the pool has and what is held of it.
func (p *Pool) Node() *Node { return p.node }

// Feasible says whether the request fits the pool when it is empty.
func (p *Pool) Feasible(req Resources) bool { return p.node.Feasible(req) && p.gpus.feasible(req) }

// Take takes the request, or nothing: the node may have enough of a GPU and no single GPU that has it.
func (p *Pool) Take(req Resources) (gpus []int, ok bool) {
	if !p.node.Fits(req) {
		return nil, false
	}
	if gpus, ok = p.gpus.Assign(req); !ok {
		return nil, false
	}
	p.node.Acquire(req)
	p.holders++
	return gpus, true
}

// Give gives back what Take took. A holder that is blocked is unblocked first.
func (p *Pool) Give(req Resources, gpus []int) error {
	if p.holders == 0 {
		return fmt.Errorf("give %s: %w", req, ErrNotHeld)
	}
	if err := p.node.Release(req); err != nil {
		return err
	}
	p.holders--
	return p.gpus.Free(req, gpus)
}

// Holders is how many grants were not given back.
func (p *Pool) Holders() int { return p.holders }

// Validate checks what must hold between calls.
func (p *Pool) Validate() error {
	if p.holders == 0 && !p.node.Idle() {
		return fmt.Errorf("sched: nobody holds anything, and %s of %s are free", p.node.Available(), p.node.Total())
	}
	return p.node.Validate()
}
