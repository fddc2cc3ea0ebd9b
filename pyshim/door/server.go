package door

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"math"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

// What one peer may cost before it is turned down. Peers are of our own user and hold the token: these bound
// mistakes, not attacks.
const (
	MaxMessage    = 512 << 20 // bytes; objects over 100 KiB go through the arena, batches of small ones do not
	MaxHeaderList = 16 << 10  // bytes of metadata
	MaxStreams    = 128       // on one connection; a lane has one
	Window        = 4 << 20   // bytes under way from a peer before the core has read them
)

// withoutToken are the calls that only look. Who may open the socket is of our own user, and could read the same out of
// our memory; `mobula status` has no way to the token, which is handed down to the session's own processes alone.
var withoutToken = map[string]struct{}{
	"/mobula.boundary.v1.Boundary/Inspect": {},
	"/mobula.boundary.v1.Boundary/State":   {},
	"/mobula.boundary.v1.Boundary/Why":     {},
	"/mobula.boundary.v1.Boundary/Events":  {},
}

// times are how long a connection may be of no use.
type times struct {
	opening time.Duration // it has said nothing that HTTP/2 begins with
	idle    time.Duration // nothing is called on it
	refused time.Duration // a call on it had no token or the wrong one: then it has this long to read so
}

var usual = times{opening: 30 * time.Second, idle: 30 * time.Second, refused: time.Second}

// ServerOptions are the limits of the gRPC server and its token check. token is the hex form.
func ServerOptions(token string) []grpc.ServerOption { return serverOptions(token, usual) }

func serverOptions(token string, limits times) []grpc.ServerOption {
	admit := tokenCheck(token)
	check := func(ctx context.Context) error {
		err := admit(ctx)
		if err != nil {
			endSoon(ctx, limits.refused)
		}
		return err
	}
	return []grpc.ServerOption{
		grpc.Creds(newCarrier()),
		grpc.MaxRecvMsgSize(MaxMessage),
		grpc.MaxSendMsgSize(math.MaxInt32),
		grpc.MaxHeaderListSize(MaxHeaderList),
		grpc.HeaderTableSize(0), // the shim's client keeps no table, and so none is needed here
		grpc.MaxConcurrentStreams(MaxStreams),
		// Fixed windows: without them grpc-go pings every peer to estimate a bandwidth that a unix socket does not have.
		grpc.InitialWindowSize(Window),
		grpc.InitialConnWindowSize(Window),
		grpc.ConnectionTimeout(limits.opening),
		// A client of the library's makes another connection when it calls again.
		grpc.KeepaliveParams(keepalive.ServerParameters{MaxConnectionIdle: limits.idle}),
		// A dead peer closes its socket: no ping is needed, and a client that pings is not to be cut off for it.
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: time.Second, PermitWithoutStream: true}),
		grpc.UnaryInterceptor(func(ctx context.Context, req any, call *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
			if _, open := withoutToken[call.FullMethod]; !open {
				if err := check(ctx); err != nil {
					return nil, err
				}
			}
			return handler(ctx, req)
		}),
		grpc.StreamInterceptor(func(srv any, stream grpc.ServerStream, _ *grpc.StreamServerInfo, handler grpc.StreamHandler) error {
			if err := check(stream.Context()); err != nil {
				return err
			}
			return handler(srv, stream)
		}),
	}
}

// tokenCheck compares digests, so that neither the time nor the length says anything of the token.
func tokenCheck(token string) func(context.Context) error {
	want := sha256.Sum256([]byte("Bearer " + token))
	return func(ctx context.Context) error {
		md, _ := metadata.FromIncomingContext(ctx)
		values := md.Get("authorization")
		if len(values) != 1 {
			return status.Error(codes.Unauthenticated, "the call carries no token of this session")
		}
		if !same(values[0], want) {
			return status.Error(codes.Unauthenticated, "the call's token is not that of this session")
		}
		return nil
	}
}

func same(value string, want [sha256.Size]byte) bool {
	got := sha256.Sum256([]byte(value))
	return subtle.ConstantTimeCompare(got[:], want[:]) == 1
}

// Admits says whether these are the `authorization` headers of a call with the session's token.
func Admits(token string) func(authorization []string) bool {
	want := sha256.Sum256([]byte("Bearer " + token))
	return func(values []string) bool { return len(values) == 1 && same(values[0], want) }
}
