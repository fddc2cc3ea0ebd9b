package door

import (
	"context"
	"net"
	"sync"
	"time"

	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/peer"
)

// carrier is credentials of gRPC that encrypt nothing and lead from a call to its connection: the library has no other way to end
// one because of what was called on it.
type carrier struct {
	credentials.TransportCredentials
}

func newCarrier() carrier { return carrier{insecure.NewCredentials()} }

// ServerHandshake implements credentials.TransportCredentials.
func (c carrier) ServerHandshake(conn net.Conn) (net.Conn, credentials.AuthInfo, error) {
	end := func(at time.Time) { _ = conn.SetReadDeadline(at) } // closed already: all the better
	return conn, &carried{CommonAuthInfo: credentials.CommonAuthInfo{SecurityLevel: credentials.NoSecurity}, end: end}, nil
}

// Clone implements credentials.TransportCredentials.
func (c carrier) Clone() credentials.TransportCredentials { return c }

// carried is a connection as the library keeps it beside each of its calls.
type carried struct {
	credentials.CommonAuthInfo
	once sync.Once
	end  func(at time.Time)
}

// AuthType implements credentials.AuthInfo.
func (*carried) AuthType() string { return "insecure" }

// endSoon ends the connection of a call, when its client has had the time to read the answer. One that calls on has no more time
// for that. The library closes what it cannot read from any more.
func endSoon(ctx context.Context, patience time.Duration) {
	if from, ok := peer.FromContext(ctx); ok {
		if c, ok := from.AuthInfo.(*carried); ok {
			c.once.Do(func() { c.end(time.Now().Add(patience)) })
		}
	}
}
