package store

import (
	"context"
	"fmt"
	"sync"

	"google.golang.org/grpc"

	"github.com/mobula/mobula/coreworker/cluster/objects"
	"github.com/mobula/mobula/coreworker/ids"
	"github.com/mobula/mobula/proto/ray"
)

// Freer tells nodes to free what nobody refers to. One request to a node is on the way at a time, with all that has come meanwhile.
type Freer struct {
	ctx     context.Context
	connect func(ids.NodeID) (ray.NodeManagerServiceClient, bool)
	failed  func(error)

	mu      sync.Mutex
	pending map[ids.NodeID][][]byte
	busy    map[ids.NodeID]bool
	idle    sync.WaitGroup
}

// NewFreer works until ctx ends. connect gives a node's raylet, or false for a dead node, which has nothing to free; failed hears
// of requests that were not answered. Both are called by any goroutine.
func NewFreer(ctx context.Context, connect func(ids.NodeID) (ray.NodeManagerServiceClient, bool), failed func(error)) *Freer {
	return &Freer{ctx: ctx, connect: connect, failed: failed, pending: make(map[ids.NodeID][][]byte), busy: make(map[ids.NodeID]bool)}
}

// Free does not wait.
func (f *Freer) Free(list []objects.Free) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, one := range list {
		for _, id := range one.Objects {
			f.pending[one.Node] = append(f.pending[one.Node], id.Bytes())
		}
		if !f.busy[one.Node] {
			f.busy[one.Node] = true
			f.idle.Go(func() { f.work(one.Node) })
		}
	}
}

// Wait returns when nothing is on the way. Nobody calls Free meanwhile.
func (f *Freer) Wait() { f.idle.Wait() }

func (f *Freer) work(node ids.NodeID) {
	for {
		f.mu.Lock()
		list := f.pending[node]
		delete(f.pending, node)
		if len(list) == 0 {
			delete(f.busy, node)
			f.mu.Unlock()
			return
		}
		f.mu.Unlock()
		manager, alive := f.connect(node)
		if !alive {
			continue
		}
		// A raylet that is busy is waited for: what is not freed stays for as long as this core worker.
		if _, err := manager.FreeLocalObjects(f.ctx, &ray.FreeLocalObjectsRequest{ObjectIds: list}, grpc.WaitForReady(true)); err != nil {
			f.failed(fmt.Errorf("free %d objects on node %s: %w", len(list), node, err))
		}
	}
}
