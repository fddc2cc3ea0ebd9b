package sched

import (
	"errors"
	"fmt"
	"slices"
)

// ErrGPUs is returned by GPUs.Free for what was not assigned.
var ErrGPUs = errors.New("GPU was not assigned")

// GPUs says which GPU of the machine a holder has, beside a Node that says how many are held. Whole numbers get whole
// GPUs; a fraction gets a part of one. The two need not agree: of two GPUs that are 0.6 taken each, 0.8 are free for
// the node, but no GPU has them.
type GPUs struct {
	free []int64
	cap  []int64 // of each, what free is when nothing is assigned
}

// NewGPUs makes n GPUs, numbered from 0, all free.
func NewGPUs(n int) *GPUs { return withCap(slices.Repeat([]int64{unit}, n)) }

// partOf makes the GPUs that a holder of req was assigned, to be assigned further under the numbers of the machine.
func partOf(req Resources, indices []int) *GPUs {
	var parts []int64
	if len(indices) > 0 {
		parts = make([]int64, slices.Max(indices)+1)
	}
	for _, i := range indices {
		parts[i] = min(req.get(GPU), unit)
	}
	return withCap(parts)
}

func withCap(parts []int64) *GPUs { return &GPUs{free: slices.Clone(parts), cap: parts} }

// feasible says whether Assign would find the GPUs if all were free.
func (g *GPUs) feasible(req Resources) bool {
	if req.get(GPU) == 0 {
		return true
	}
	_, ok := withCap(g.cap).Assign(req)
	return ok
}

// Assign gives the GPUs for the request, or false where they are not there. A request without GPU gets none.
// A request of more than one GPU is in whole ones; a fraction above one is refused (Ray does not allow it either).
func (g *GPUs) Assign(req Resources) (indices []int, ok bool) {
	want := req.get(GPU)
	if want < unit {
		return g.part(want)
	}
	if want%unit != 0 {
		return nil, false
	}
	for i, free := range g.free {
		if int64(len(indices)) == want/unit {
			break
		}
		if free == unit {
			indices = append(indices, i)
		}
	}
	if int64(len(indices)) < want/unit {
		return nil, false
	}
	for _, i := range indices {
		g.free[i] = 0
	}
	return indices, true
}

// part finds the fullest GPU that has room, so that whole ones stay whole.
func (g *GPUs) part(want int64) ([]int, bool) {
	if want == 0 {
		return nil, true
	}
	best := -1
	for i, free := range g.free {
		if free >= want && (best < 0 || free < g.free[best]) {
			best = i
		}
	}
	if best < 0 {
		return nil, false
	}
	g.free[best] -= want
	return []int{best}, true
}

// Free gives back what Assign gave for the request.
func (g *GPUs) Free(req Resources, indices []int) error {
	each := min(req.get(GPU), unit)
	for _, i := range indices {
		if i < 0 || i >= len(g.free) || g.free[i]+each > g.cap[i] {
			return fmt.Errorf("free GPU %d of %s: %w", i, req, ErrGPUs)
		}
	}
	for _, i := range indices {
		g.free[i] += each
	}
	return nil
}
