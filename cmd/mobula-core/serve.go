package main

import (
	"context"
	"net"

	"google.golang.org/grpc"

	"github.com/mobula/mobula/coreworker/workers"
	"github.com/mobula/mobula/pyshim/door"
)

// serve answers on ln until ctx ends. The caller closes the pool afterwards.
func serve(ctx context.Context, cfg Config, ln net.Listener, pool *workers.Pool) error {
	server := grpc.NewServer(door.ServerOptions(cfg.Token)...)
	stopped := context.AfterFunc(ctx, server.Stop)
	defer stopped()
	return server.Serve(ln)
}
