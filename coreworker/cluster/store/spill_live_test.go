package store_test

import (
	"bytes"
	"testing"

	"github.com/mobula/mobula/coreworker/cluster/objects"
	"github.com/mobula/mobula/coreworker/ids"
)

// spill puts more than the store has room for: the raylet writes some to disk and tells us where, and reads them again when they
// are asked for. At the end nothing of them is anywhere.
func spill(t *testing.T, d *driver) {
	const size, count = 16 << 20, 7
	var list []ids.ObjectID
	for i := range count {
		id := ids.DriverTask(d.job).Put(0, uint32(100+i))
		d.put(id, bytes.Repeat([]byte{byte(i + 1)}, size))
		list = append(list, id)
	}
	spilled := func() (n int) {
		d.Do(func(o *objects.Owner) []objects.Free {
			for _, where := range o.Locations(list) {
				if where.SpilledUrl != "" && bytes.Equal(where.SpilledNodeId, d.nodes[0].id[:]) && where.DidSpill {
					n++
				}
			}
			return nil
		})
		return n
	}
	d.await("the raylet says what it has spilled", func() bool { return spilled() > 0 })
	for i, id := range list {
		got := d.get(d.nodes[0], id)
		if len(got.Data) != size || got.Data[0] != byte(i+1) || got.Data[size-1] != byte(i+1) {
			t.Errorf("object %d is another", i)
		}
		if err := got.Release(); err != nil {
			t.Error(err)
		}
	}
	// What was spilled is read on another node too.
	got := d.get(d.nodes[1], list[0])
	if len(got.Data) != size || got.Data[size/2] != 1 {
		t.Error("the other node has another value")
	}
	if err := got.Release(); err != nil {
		t.Error(err)
	}
	for _, id := range list {
		d.Do(func(o *objects.Owner) []objects.Free { return o.Forget(id) })
	}
	for _, id := range list {
		for _, n := range d.nodes {
			d.await("it is freed", func() bool { return !d.contains(n, id) })
		}
	}
	d.freer.Wait()
}
