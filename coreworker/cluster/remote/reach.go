package remote

import (
	"context"
	"fmt"

	"github.com/mobula/mobula/coreworker/ids"
)

// A machine that is gone answers nothing and closes nothing, so what was asked there waits for as long as its connection takes for
// dead, which is minutes. So what is asked of a node's raylet and workers ends when the GCS says that the node is dead.

// reach is what ends with a node.
type reach struct {
	ctx context.Context
	end context.CancelCauseFunc
}

func (c *Carrier) at(node ids.NodeID) *reach {
	r := c.reach[node]
	if r == nil {
		r = &reach{}
		r.ctx, r.end = context.WithCancelCause(c.ctx)
		c.reach[node] = r
	}
	return r
}

// runAt does what waits for a raylet or worker of the node.
func (c *Carrier) runAt(node ids.NodeID, wait func(ctx context.Context) (then func())) {
	c.runIn(c.at(node).ctx, wait)
}

// dead is why nothing is asked of the node any more; nil while it lives.
func (c *Carrier) dead(node ids.NodeID) error {
	if r := c.reach[node]; r != nil {
		return context.Cause(r.ctx)
	}
	return nil
}

// NodeDied ends what was asked of a node: wishes for workers are asked elsewhere, tasks that run there have died, and no worker that is
// still leased there is used again. Called under the state lock.
func (c *Carrier) NodeDied(node ids.NodeID, why string) {
	c.at(node).end(fmt.Errorf("the node is dead: %s", why))
	c.leases.NodeDied(node)
}
