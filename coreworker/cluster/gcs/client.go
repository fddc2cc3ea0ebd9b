package gcs

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/mobula/mobula/coreworker/ids"
	"github.com/mobula/mobula/proto/ray"
)

// Version is the release of Ray whose messages this is built for.
const Version = "2.60.0"

// Client is a cluster's GCS, asked by one driver.
type Client struct {
	Address string
	Cluster string // its id in hex
	conn    grpc.ClientConnInterface
}

// NotFound is Ray's StatusCode of a name or key that nobody has.
const NotFound = 17

// Refusal is what the GCS answers where it does not do what it was asked for.
type Refusal struct {
	Code    int32 // Ray's StatusCode
	Message string
}

func (r *Refusal) Error() string { return r.Message }

// Check is the refusal inside a reply, or nil.
func Check(s *ray.GcsStatus) error {
	if s.GetCode() == 0 {
		return nil
	}
	return &Refusal{Code: s.GetCode(), Message: s.GetMessage()}
}

// Open asks the GCS at host:port which cluster it is. It fails with one sentence where there is none, where the token is not the
// cluster's, and where the cluster is of another version. ctx bounds how long a GCS that does not answer is waited for.
func Open(ctx context.Context, d *Dialer, address string) (*Client, error) {
	conn, err := d.Dial(address)
	if err != nil {
		return nil, fmt.Errorf("%q is no address of a cluster: %w", address, err)
	}
	nodes := ray.NewNodeInfoGcsServiceClient(conn)
	who, err := nodes.GetClusterId(ctx, &ray.GetClusterIdRequest{}, grpc.WaitForReady(true))
	if err == nil {
		err = Check(who.Status)
	}
	if err != nil {
		return nil, explain(address, d.token != "", err)
	}
	c := &Client{Address: address, Cluster: hex.EncodeToString(who.ClusterId), conn: conn}
	d.joined(c.Cluster)
	alive, err := nodes.CheckAlive(ctx, &ray.CheckAliveRequest{})
	if err != nil {
		return nil, explain(address, d.token != "", err)
	}
	if alive.RayVersion != Version {
		return nil, fmt.Errorf("the cluster at %s runs Ray %s, and mobula joins Ray %s only: start it with ray==%s, "+
			"or install a mobula that is built for its release", address, alive.RayVersion, Version, Version)
	}
	return c, nil
}

func explain(address string, token bool, err error) error {
	switch s := status.Convert(err); {
	case s.Code() == codes.Unauthenticated && !token:
		return fmt.Errorf("the cluster at %s asks for a token and none is set: set RAY_AUTH_TOKEN, or RAY_AUTH_TOKEN_PATH, or write it "+
			"to ~/.ray/auth_token", address)
	case s.Code() == codes.Unauthenticated:
		return fmt.Errorf("the cluster at %s refuses the token (RAY_AUTH_TOKEN, RAY_AUTH_TOKEN_PATH, ~/.ray/auth_token): "+
			"it is another cluster's", address)
	case s.Code() == codes.DeadlineExceeded || s.Code() == codes.Unavailable:
		return fmt.Errorf("no Ray cluster answers at %s: start one with `ray start --head`, or check the address (%s)", address,
			strings.TrimSpace(s.Message()))
	default:
		return fmt.Errorf("what answers at %s is no GCS of a Ray cluster: %s", address, s.Message())
	}
}

// Conn is the connection.
func (c *Client) Conn() grpc.ClientConnInterface { return c.conn }

// NextJob takes the number of a new job. The job itself is added by the raylet that its driver registers at.
func (c *Client) NextJob(ctx context.Context) (ids.JobID, error) {
	r, err := ray.NewJobInfoGcsServiceClient(c.conn).GetNextJobID(ctx, &ray.GetNextJobIDRequest{})
	if err == nil {
		err = Check(r.Status)
	}
	if err != nil {
		return ids.JobID{}, fmt.Errorf("ask for a job's number: %w", err)
	}
	return ids.JobFromInt(uint32(r.JobId)), nil
}

// Nodes are those of the cluster, dead ones too, as the GCS keeps them.
func (c *Client) Nodes(ctx context.Context) ([]*ray.GcsNodeInfo, error) {
	r, err := ray.NewNodeInfoGcsServiceClient(c.conn).GetAllNodeInfo(ctx, &ray.GetAllNodeInfoRequest{})
	if err == nil {
		err = Check(r.Status)
	}
	if err != nil {
		return nil, fmt.Errorf("ask for the nodes: %w", err)
	}
	return r.NodeInfoList, nil
}

// Available is what is free on each node, by its id. It lags behind by some tenths of a second.
func (c *Client) Available(ctx context.Context) (map[string]map[string]float64, error) {
	r, err := ray.NewNodeResourceInfoGcsServiceClient(c.conn).GetAllAvailableResources(ctx, &ray.GetAllAvailableResourcesRequest{})
	if err == nil {
		err = Check(r.Status)
	}
	if err != nil {
		return nil, fmt.Errorf("ask what is free: %w", err)
	}
	out := map[string]map[string]float64{}
	for _, one := range r.ResourcesList {
		out[string(one.NodeId)] = one.ResourcesAvailable
	}
	return out, nil
}

// Get reads an entry of the key-value store.
func (c *Client) Get(ctx context.Context, namespace string, key []byte) (value []byte, found bool, err error) {
	r, err := ray.NewInternalKVGcsServiceClient(c.conn).InternalKVGet(ctx, &ray.InternalKVGetRequest{Namespace: []byte(namespace), Key: key}, grpc.WaitForReady(true))
	if err == nil {
		err = Check(r.Status)
	}
	var refused *Refusal
	switch {
	case errors.As(err, &refused) && refused.Code == NotFound:
		return nil, false, nil
	case err != nil:
		return nil, false, fmt.Errorf("read %q in the cluster's key-value store: %w", key, err)
	}
	return r.Value, true, nil
}

// Put writes an entry of the key-value store, over an earlier one.
func (c *Client) Put(ctx context.Context, namespace string, key, value []byte) error {
	r, err := ray.NewInternalKVGcsServiceClient(c.conn).InternalKVPut(ctx,
		&ray.InternalKVPutRequest{Namespace: []byte(namespace), Key: key, Value: value, Overwrite: true}, grpc.WaitForReady(true))
	if err == nil {
		err = Check(r.Status)
	}
	if err != nil {
		return fmt.Errorf("write %q to the cluster's key-value store: %w", key, err)
	}
	return nil
}
