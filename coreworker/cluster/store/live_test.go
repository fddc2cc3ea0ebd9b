package store_test

import (
	"bytes"
	"context"
	"net"
	"os"
	"strconv"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"

	"github.com/mobula/mobula/coreworker/cluster/internal/stock"
	"github.com/mobula/mobula/coreworker/cluster/objects"
	"github.com/mobula/mobula/coreworker/cluster/plasma"
	"github.com/mobula/mobula/coreworker/cluster/raylet"
	"github.com/mobula/mobula/coreworker/cluster/store"
	"github.com/mobula/mobula/coreworker/ids"
	"github.com/mobula/mobula/proto/ray"
)

const patience = 60 * time.Second

// driver is as much of one as owns objects: it serves what an owner must, and registers on both nodes, as two drivers of one job
// would on two machines.
type driver struct {
	*testing.T
	*objects.Service
	ray.UnimplementedCoreWorkerServiceServer
	ctx     context.Context
	address raylet.Address
	job     ids.JobID
	nodes   []*node
	freer   *store.Freer
}

// node is what the driver has of one.
type node struct {
	*store.Store
	id      ids.NodeID
	manager ray.NodeManagerServiceClient
	plasma  *plasma.Client
}

func (d *driver) GetObjectStatus(ctx context.Context, r *ray.GetObjectStatusRequest) (*ray.GetObjectStatusReply, error) {
	return d.Service.GetObjectStatus(ctx, r)
}

func (d *driver) UpdateObjectLocationBatch(ctx context.Context, r *ray.UpdateObjectLocationBatchRequest) (*ray.UpdateObjectLocationBatchReply, error) {
	return d.Service.UpdateObjectLocationBatch(ctx, r)
}

func (d *driver) GetObjectLocationsOwner(ctx context.Context, r *ray.GetObjectLocationsOwnerRequest) (*ray.GetObjectLocationsOwnerReply, error) {
	return d.Service.GetObjectLocationsOwner(ctx, r)
}

func (d *driver) PubsubCommandBatch(ctx context.Context, r *ray.PubsubCommandBatchRequest) (*ray.PubsubCommandBatchReply, error) {
	return d.Service.PubsubCommandBatch(ctx, r)
}

func (d *driver) PubsubLongPolling(ctx context.Context, r *ray.PubsubLongPollingRequest) (*ray.PubsubLongPollingReply, error) {
	return d.Service.PubsubLongPolling(ctx, r)
}

func (d *driver) NumPendingTasks(context.Context, *ray.NumPendingTasksRequest) (*ray.NumPendingTasksReply, error) {
	return &ray.NumPendingTasksReply{}, nil
}

func (d *driver) dial(address string) *grpc.ClientConn {
	d.Helper()
	c, err := grpc.NewClient("passthrough:///"+address, grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithNoProxy())
	if err != nil {
		d.Fatal(err)
	}
	d.Cleanup(func() { _ = c.Close() })
	return c
}

func join(t *testing.T, cluster *stock.Cluster) *driver {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*patience)
	t.Cleanup(cancel)
	d := &driver{T: t, ctx: metadata.AppendToOutgoingContext(ctx, "authorization", "Bearer "+cluster.Token)}
	next, err := ray.NewJobInfoGcsServiceClient(d.dial(cluster.Address)).GetNextJobID(d.ctx, &ray.GetNextJobIDRequest{})
	if err != nil {
		t.Fatal(err)
	}
	d.job = ids.JobFromInt(uint32(next.JobId))
	d.address = raylet.Address{IP: cluster.Nodes[0].IP, Worker: ids.DriverWorker(d.job)}
	d.freer = store.NewFreer(d.ctx, d.manager, func(err error) { t.Error(err) })
	d.Service = objects.NewService(d.address.Worker, d.freer.Free)
	for i, n := range cluster.Nodes {
		d.register(i, n)
	}
	return d
}

func (d *driver) config() *ray.JobConfig {
	return &ray.JobConfig{RayNamespace: "owner-test", RuntimeEnvInfo: &ray.RuntimeEnvInfo{SerializedRuntimeEnv: "{}"}}
}

func (d *driver) manager(id ids.NodeID) (ray.NodeManagerServiceClient, bool) {
	for _, n := range d.nodes {
		if n.id == id {
			return n.manager, true
		}
	}
	return nil, false
}

func (d *driver) register(i int, n stock.Running) {
	d.Helper()
	c, err := raylet.Dial(d.ctx, n.RayletSocket)
	if err != nil {
		d.Fatal(err)
	}
	d.Cleanup(func() { _ = c.Close() })
	worker := d.address.Worker
	if i > 0 {
		worker = ids.NewWorkerID() // the second one asks for copies only
	}
	id, port, err := c.Register(d.ctx, raylet.Driver{Worker: worker, Job: d.job, PID: os.Getpid(), IP: n.IP,
		Config: d.config()})
	if err != nil {
		d.Fatal(err)
	}
	serving, err := net.Listen("tcp", net.JoinHostPort(n.IP, strconv.Itoa(int(port))))
	if err != nil {
		d.Fatal(err)
	}
	server := grpc.NewServer()
	ray.RegisterCoreWorkerServiceServer(server, d)
	go func() { _ = server.Serve(serving) }()
	d.Cleanup(server.Stop)
	if i == 0 {
		d.address.Node, d.address.Port = id, uint16(serving.Addr().(*net.TCPAddr).Port)
		if err := c.AnnouncePort(d.ctx, d.address.Port, "owner test"); err != nil {
			d.Fatal(err)
		}
	}
	p, err := plasma.Dial(d.ctx, n.StoreSocket)
	if err != nil {
		d.Fatal(err)
	}
	d.Cleanup(func() { _ = p.Close() })
	manager := ray.NewNodeManagerServiceClient(d.dial(net.JoinHostPort(n.IP, strconv.Itoa(n.NodeManagerPort))))
	d.nodes = append(d.nodes, &node{store.New(p, c, manager), id, manager, p})
}

// put makes an object on the first node, as `put` does.
func (d *driver) put(id ids.ObjectID, data []byte) {
	d.Helper()
	d.Do(func(o *objects.Owner) []objects.Free { o.Expect(id); return nil })
	n := d.nodes[0]
	c, err := n.Put(d.ctx, id, d.address, uint64(len(data)), 3)
	if err != nil {
		d.Fatal(err)
	}
	copy(c.Data, data)
	copy(c.Metadata, "RAW")
	if err := n.Finish(d.ctx, c, d.address); err != nil {
		d.Fatal(err)
	}
	d.Do(func(o *objects.Owner) []objects.Free {
		err = o.Stored(id, n.id, uint64(len(data)+3))
		return nil
	})
	if err != nil {
		d.Fatal(err)
	}
}

// get gets it on a node.
func (d *driver) get(n *node, id ids.ObjectID) *plasma.Object {
	d.Helper()
	got, err := n.Get(d.ctx, []raylet.Ref{{Object: id, Owner: d.address}}, patience)
	if err != nil || got[0] == nil {
		d.Fatal(got, err)
	}
	return got[0]
}

func (d *driver) await(what string, is func() bool) {
	d.Helper()
	deadline := time.After(patience)
	for !is() {
		select {
		case <-deadline:
			d.Fatal(what)
		case <-time.After(5 * time.Millisecond):
		}
	}
}

func (d *driver) copies(id ids.ObjectID) (n int) {
	d.Do(func(o *objects.Owner) []objects.Free {
		n = len(o.Locations([]ids.ObjectID{id})[0].NodeIds)
		return nil
	})
	return n
}

func (d *driver) contains(n *node, id ids.ObjectID) bool {
	d.Helper()
	yes, err := n.plasma.Contains(d.ctx, id)
	if err != nil {
		d.Fatal(err)
	}
	return yes
}

// TestOwner has one cluster: two nodes take seconds to start.
func TestOwner(t *testing.T) {
	small := stock.Node{ObjectStoreMemory: 80 << 20}
	cluster := stock.Start(t, stock.Options{Nodes: []stock.Node{small, small}})
	t.Run("an object is pulled and freed", func(t *testing.T) { pull(t, join(t, cluster)) })
	t.Run("what has no room is spilled", func(t *testing.T) { spill(t, join(t, cluster)) })
	t.Run("a stock worker borrows", func(t *testing.T) { borrow(t, join(t, cluster), cluster) })
}

// pull has a raylet of another node ask this owner where an object is, pull it, and tell of the copy; then both copies are freed.
func pull(t *testing.T, d *driver) {
	data := bytes.Repeat([]byte("0123456789abcdef"), 1<<18)
	id := ids.DriverTask(d.job).Put(0, 1)
	d.put(id, data)
	if d.contains(d.nodes[1], id) {
		t.Fatal("it is there before it was asked for")
	}
	got := d.get(d.nodes[1], id)
	if !bytes.Equal(got.Data, data) || string(got.Metadata) != "RAW" {
		t.Error("another value has come")
	}
	d.await("the second node tells of its copy", func() bool { return d.copies(id) == 2 })
	reply, err := d.Service.GetObjectStatus(d.ctx, &ray.GetObjectStatusRequest{OwnerWorkerId: d.address.Worker.Bytes(), ObjectId: id.Bytes()})
	if err != nil || reply.Status != ray.GetObjectStatusReply_CREATED || len(reply.NodeIds) != 2 || string(reply.Object.Metadata) != "4" {
		t.Errorf("%v %v", reply, err)
	}
	if err := got.Release(); err != nil {
		t.Error(err)
	}
	d.Do(func(o *objects.Owner) []objects.Free { return o.Forget(id) })
	for _, n := range d.nodes {
		d.await("a copy stays", func() bool { return !d.contains(n, id) })
	}
	d.freer.Wait()

	// What is asked for before it is made comes when it is made.
	late := ids.DriverTask(d.job).Put(0, 2)
	d.Do(func(o *objects.Owner) []objects.Free { o.Expect(late); return nil })
	asked := make(chan *plasma.Object, 1)
	go func() {
		list, err := d.nodes[1].Get(d.ctx, []raylet.Ref{{Object: late, Owner: d.address}}, patience)
		if err != nil {
			t.Error(err)
			list = []*plasma.Object{nil}
		}
		asked <- list[0]
	}()
	d.put(late, data[:1<<20])
	if got = <-asked; got == nil {
		t.Fatal("it has not come")
	}
	if !bytes.Equal(got.Data, data[:1<<20]) {
		t.Error("another value has come")
	}
	if err := got.Release(); err != nil {
		t.Error(err)
	}
	if out, err := d.nodes[1].Get(d.ctx, []raylet.Ref{{Object: ids.DriverTask(d.job).Put(0, 3), Owner: d.address}}, 0); err != nil || out[0] != nil {
		t.Errorf("what nobody made: %v %v", out, err)
	}
	for _, n := range d.nodes {
		if held := n.plasma.Held(); held != 0 {
			t.Errorf("%d objects are held", held)
		}
	}
}
