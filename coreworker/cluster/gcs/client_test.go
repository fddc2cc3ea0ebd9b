package gcs_test

import (
	"context"
	"net"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"

	"github.com/mobula/mobula/coreworker/cluster/gcs"
	"github.com/mobula/mobula/coreworker/cluster/internal/stock"
	"github.com/mobula/mobula/proto/ray"
)

func TestMain(m *testing.M) { stock.Main(m) }

const patience = 60 * time.Second

// other is a GCS of a version of the test's choice.
type other struct {
	ray.UnimplementedNodeInfoGcsServiceServer
	version string
}

func (o other) GetClusterId(context.Context, *ray.GetClusterIdRequest) (*ray.GetClusterIdReply, error) {
	return &ray.GetClusterIdReply{ClusterId: make([]byte, 28)}, nil
}

func (o other) CheckAlive(ctx context.Context, _ *ray.CheckAliveRequest) (*ray.CheckAliveReply, error) {
	if len(metadata.ValueFromIncomingContext(ctx, "ray_cluster_id")) != 1 {
		return &ray.CheckAliveReply{RayVersion: "was not told which cluster is meant"}, nil
	}
	return &ray.CheckAliveReply{RayVersion: o.version}, nil
}

// serve serves the version, for those who have the token.
func serve(t *testing.T, version, token string) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer(grpc.UnaryInterceptor(gcs.NewDialer(token).Admit))
	ray.RegisterNodeInfoGcsServiceServer(server, other{version: version})
	go func() { _ = server.Serve(listener) }() // ends with Stop
	t.Cleanup(server.Stop)
	return listener.Addr().String()
}

func open(t *testing.T, address, token string, patience time.Duration) (*gcs.Client, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	d := gcs.NewDialer(token)
	t.Cleanup(func() { _ = d.Close() })
	return gcs.Open(ctx, d, address)
}

func TestRefusals(t *testing.T) {
	nobody, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = nobody.Close() // so that nobody listens there
	for name, c := range map[string]struct{ address, token, want string }{
		"another version": {serve(t, "2.59.1", "right"), "right", "runs Ray 2.59.1, and mobula joins Ray 2.60.0 only"},
		"no token":        {serve(t, gcs.Version, "right"), "", "asks for a token and none is set"},
		"another's token": {serve(t, gcs.Version, "right"), "wrong", "refuses the token"},
	} {
		if _, err := open(t, c.address, c.token, patience); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := open(t, nobody.Addr().String(), "", 50*time.Millisecond); err == nil || !strings.Contains(err.Error(), "no Ray cluster answers") {
		t.Errorf("nobody there: %v", err)
	}
	if _, err := open(t, serve(t, gcs.Version, "right"), "right", patience); err != nil {
		t.Errorf("the right one: %v", err)
	}
}

// TestStockGCS asks an unmodified cluster everything that a driver asks before it registers.
func TestStockGCS(t *testing.T) {
	cluster := stock.Shared(t)
	c, err := open(t, cluster.Address, cluster.Token, patience)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	one, err := c.NextJob(ctx)
	if err != nil {
		t.Fatal(err)
	}
	two, err := c.NextJob(ctx)
	if err != nil || one == two {
		t.Errorf("jobs %s and %s, %v", one, two, err)
	}
	nodes, err := c.Nodes(ctx)
	if err != nil || len(nodes) != 1 || nodes[0].RayletSocketName != cluster.Nodes[0].RayletSocket {
		t.Errorf("nodes %v, %v", nodes, err)
	}
	if err := c.Put(ctx, "mobula-test", []byte("k"), []byte("v")); err != nil {
		t.Error(err)
	}
	got, found, err := c.Get(ctx, "mobula-test", []byte("k"))
	if err != nil || !found || string(got) != "v" {
		t.Errorf("%q, %v, %v", got, found, err)
	}
	if _, found, err := c.Get(ctx, "mobula-test", []byte("another")); found || err != nil {
		t.Errorf("a key that nobody has: %v, %v", found, err)
	}
	if _, err := open(t, cluster.Address, "wrong", patience); err == nil || !strings.Contains(err.Error(), "refuses the token") {
		t.Errorf("a wrong token: %v", err)
	}
}
