package main

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"time"

	"github.com/mobula/mobula/coreworker/cluster"
)

// joinPatience is how long joining may take. The first driver of a node waits a second for its workers, under load much longer.
const joinPatience = 60 * time.Second

var errRayletGone = errors.New("the raylet of this node has ended, and with it the driver's place in the cluster")

// far is a session in a Ray cluster: joined before the driver hears that there is a session, so that it hears why not.
func far(ctx context.Context, cfg Config, ln net.Listener, stdout, stderr io.Writer, stop context.CancelCauseFunc) int {
	fail := func(code int, err error) int {
		fmt.Fprintf(stderr, "mobula-core: %v\n", err)
		return code
	}
	options, err := readOptions(cfg.WorkerOptions)
	if err != nil {
		return fail(exitUsage, err)
	}
	if cfg.ArenaFD < 0 {
		return fail(exitUsage, errors.New("--address needs --arena-fd: values of a cluster are brought there"))
	}
	arena := os.NewFile(uintptr(cfg.ArenaFD), "arena")
	joining, cancel := context.WithTimeout(ctx, joinPatience)
	defer cancel()
	driver, err := cluster.Join(joining, cluster.Config{Address: cfg.Address, Token: options.Cluster.Token, Namespace: options.Namespace,
		RuntimeEnv: options.SessionEnv, SysPath: options.Cluster.SysPath, Entrypoint: options.Cluster.Entrypoint, PID: cfg.DriverPID, Arena: arena,
		Report: func(err error) { fmt.Fprintf(stderr, "mobula-core: cluster: %v\n", err) }})
	if err != nil {
		return fail(exitCluster, err)
	}
	address, err := driver.Address()
	if err != nil {
		return fail(exitCluster, err)
	}
	if err := greet(ctx, stdout, stderr, ln.Addr(), driver.Job().String(), hex.EncodeToString(address)); err != nil {
		return fail(exitServe, err)
	}
	go func() { // ends with the driver
		<-driver.Gone()
		stop(errRayletGone)
	}()
	cfg.SpillFD = -1 // the cluster's store spills; what does not fit into the arena is said
	if err := serve(ctx, cfg, ln, nil, nil, driver, stderr); err != nil && ctx.Err() == nil {
		return fail(exitServe, err)
	}
	if errors.Is(context.Cause(ctx), errRayletGone) {
		return fail(exitCluster, errRayletGone)
	}
	return 0
}
