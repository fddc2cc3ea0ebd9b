package gcs

import (
	"context"
	"crypto/subtle"
	"errors"
	"maps"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

// MaxMessage is how large a message may be, both ways (Ray: max_grpc_message_size).
const MaxMessage = 512 << 20

// Window is how much may be on its way without a word of who reads, both ways. Where it is not fixed, the library finds it out by pings:
// one for each answer of a worker, which has to be answered in its turn.
const Window = 16 << 20

// Ray's own times: peers hang up on who pings more often.
const (
	keepaliveTime    = 300 * time.Second
	keepaliveTimeout = 120 * time.Second
)

// Dialer keeps one connection to each address, with the cluster's token on every call.
type Dialer struct {
	token string

	mu      sync.Mutex
	headers map[string]string // of each call; a new one where it changes
	conns   map[string]*grpc.ClientConn
	closed  bool
}

// NewDialer makes a dialer. An empty token is none: authentication is off in the cluster.
func NewDialer(token string) *Dialer {
	headers := map[string]string{}
	if token != "" {
		headers["authorization"] = "Bearer " + token
	}
	return &Dialer{token: token, headers: headers, conns: map[string]*grpc.ClientConn{}}
}

// Dial gives the connection to host:port. It does not wait.
func (d *Dialer) Dial(address string) (grpc.ClientConnInterface, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return nil, errors.New("the cluster was left")
	}
	if c := d.conns[address]; c != nil {
		return c, nil
	}
	c, err := grpc.NewClient("passthrough:///"+address,
		grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithNoProxy(), grpc.WithPerRPCCredentials(d),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(MaxMessage), grpc.MaxCallSendMsgSize(MaxMessage)),
		grpc.WithInitialWindowSize(Window), grpc.WithInitialConnWindowSize(Window),
		grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: keepaliveTime, Timeout: keepaliveTimeout}))
	if err != nil {
		return nil, err
	}
	d.conns[address] = c
	return c, nil
}

// Close ends all connections and every call on them.
func (d *Dialer) Close() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.closed = true
	var errs []error
	for _, c := range d.conns {
		errs = append(errs, c.Close())
	}
	clear(d.conns)
	return errors.Join(errs...)
}

// joined is told the cluster's id in hex, after the first call.
func (d *Dialer) joined(cluster string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.headers = maps.Clone(d.headers)
	d.headers["ray_cluster_id"] = cluster
}

// GetRequestMetadata implements credentials.PerRPCCredentials. Who calls it only reads.
func (d *Dialer) GetRequestMetadata(context.Context, ...string) (map[string]string, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.headers, nil
}

// RequireTransportSecurity implements credentials.PerRPCCredentials. Ray's token travels in the clear where RAY_USE_TLS is not set.
func (d *Dialer) RequireTransportSecurity() bool { return false }

// Admit lets those in who have the cluster's token: what a driver serves is asked for by its raylets, the GCS and workers only.
func (d *Dialer) Admit(ctx context.Context, request any, _ *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
	if d.token != "" {
		given := metadata.ValueFromIncomingContext(ctx, "authorization")
		if len(given) != 1 || subtle.ConstantTimeCompare([]byte(given[0]), []byte("Bearer "+d.token)) != 1 {
			return nil, status.Error(codes.Unauthenticated, "InvalidAuthToken: Authentication token is missing or incorrect")
		}
	}
	return handler(ctx, request)
}
