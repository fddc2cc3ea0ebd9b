package raylet_test

import (
	"context"
	"fmt"
	"net"
	"os"
	"slices"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"

	"github.com/mobula/mobula/coreworker/cluster/internal/stock"
	"github.com/mobula/mobula/coreworker/cluster/raylet"
	"github.com/mobula/mobula/coreworker/ids"
	"github.com/mobula/mobula/proto/ray"
)

func TestMain(m *testing.M) { stock.Main(m) }

// TestADriverComesAndGoes says all that can be said to a stock raylet, some of it in ways that would end it.
func TestADriverComesAndGoes(t *testing.T) {
	cluster := stock.Shared(t)
	ctx := metadata.AppendToOutgoingContext(patient(t), "authorization", "Bearer "+cluster.Token)
	gcs, err := grpc.NewClient("passthrough:///"+cluster.Address, grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithNoProxy())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = gcs.Close() }()
	jobs := ray.NewJobInfoGcsServiceClient(gcs)
	next, err := jobs.GetNextJobID(ctx, &ray.GetNextJobIDRequest{})
	if err != nil {
		t.Fatal(err)
	}
	job, node := ids.JobFromInt(uint32(next.JobId)), cluster.Nodes[0]

	c, err := raylet.Dial(ctx, node.RayletSocket)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	id, port, err := c.Register(ctx, raylet.Driver{Worker: ids.DriverWorker(job), Job: job, PID: os.Getpid(), IP: node.IP,
		Config: &ray.JobConfig{RayNamespace: "raylet-test", RuntimeEnvInfo: &ray.RuntimeEnvInfo{SerializedRuntimeEnv: "{}"}}})
	if err != nil {
		t.Fatal(err)
	}
	if id.String() != node.NodeID {
		t.Errorf("registered at node %s", id)
	}
	serving, err := net.Listen("tcp", fmt.Sprintf("%s:%d", node.IP, port))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = serving.Close() }()
	port = uint16(serving.Addr().(*net.TCPAddr).Port)
	if err := c.AnnouncePort(ctx, port, "a test \xff"); err != nil {
		t.Fatal(err)
	}
	if mine := find(ctx, t, jobs, job); mine == nil || mine.IsDead || mine.Entrypoint != "a test \uFFFD" {
		t.Errorf("the job's entry: %v", mine)
	}

	owner := raylet.Address{Node: id, IP: node.IP, Port: port, Worker: ids.DriverWorker(job)}
	nothing := raylet.Ref{Object: ids.DriverTask(job).Put(0, 1), Owner: owner}
	if err := c.Fetch(1, []raylet.Ref{nothing, nothing}); err != nil {
		t.Error(err)
	}
	if err := c.SubscribeReady(nothing); err != nil {
		t.Error(err)
	}
	// A raylet that got this as it is asked would look up an object that it has just forgotten, and die.
	if found, err := c.Wait(ctx, []raylet.Ref{nothing, nothing}, 5, 20); len(found) != 0 || err != nil {
		t.Errorf("found %v, %v", found, err)
	}
	if found, err := c.Wait(ctx, nil, 1, -1); found != nil || err != nil {
		t.Errorf("found %v, %v", found, err)
	}
	if err := c.CancelFetch(1); err != nil {
		t.Error(err)
	}
	if err := c.Disconnect(ctx, "the test is over"); err != nil {
		t.Error(err)
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	if other, err := net.Dial("unix", node.RayletSocket); err != nil {
		t.Errorf("the raylet is not there any more: %v", err)
	} else {
		_ = other.Close()
	}
}

func find(ctx context.Context, t *testing.T, jobs ray.JobInfoGcsServiceClient, job ids.JobID) *ray.JobTableData {
	t.Helper()
	all, err := jobs.GetAllJobInfo(ctx, &ray.GetAllJobInfoRequest{})
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(all.JobInfoList, func(one *ray.JobTableData) bool { return string(one.JobId) == string(job[:]) })
	if i < 0 {
		return nil
	}
	return all.JobInfoList[i]
}
