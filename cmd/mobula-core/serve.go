package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"time"

	"golang.org/x/sys/unix"
	"google.golang.org/grpc"

	"github.com/mobula/mobula/coreworker"
	"github.com/mobula/mobula/coreworker/backend"
	"github.com/mobula/mobula/coreworker/ids"
	"github.com/mobula/mobula/coreworker/sched"
	"github.com/mobula/mobula/coreworker/spill"
	"github.com/mobula/mobula/coreworker/version"
	"github.com/mobula/mobula/coreworker/workers"
	pb "github.com/mobula/mobula/proto/boundary"
	"github.com/mobula/mobula/pyshim"
	"github.com/mobula/mobula/pyshim/direct"
	"github.com/mobula/mobula/pyshim/door"
	"github.com/mobula/mobula/pyshim/guests"
)

const (
	// goodbye is how long lanes may take to read what is left for them at the end.
	goodbye = time.Second
	// lastWords is how long the end of a worker waits for what it had sent before. It is there already, and is read at once:
	// only what the worker forked, and what holds its connections, makes this time pass.
	lastWords = 200 * time.Millisecond
	// maxPrestart bounds the workers that are started before anybody asks.
	maxPrestart = 4
)

// serve runs a core on ln until ctx ends. At the end the workers go first, so that what they printed last still reaches
// the driver, then the lanes.
//
// With a joined cluster there is no pool: nothing runs on this machine but the driver, and nobody joins it.
func serve(ctx context.Context, cfg Config, ln net.Listener, more guests.Listener, pool *workers.Pool, joined backend.Cluster, complain io.Writer) error {
	resources, err := sched.From(cfg.Resources)
	if err != nil {
		return err
	}
	options, err := readOptions(cfg.WorkerOptions)
	if err != nil {
		return err
	}
	var page *pyshim.Page
	if cfg.PageFD >= 0 {
		if page, err = pyshim.MapPage(cfg.PageFD); err != nil {
			return err
		}
		defer page.Close()
	}
	var disk coreworker.Disk
	if cfg.SpillFD >= 0 && cfg.ArenaFD >= 0 {
		file := os.NewFile(uintptr(cfg.SpillFD), "spill")
		defer file.Close()
		signal.Ignore(unix.SIGXFSZ) // a limit of file sizes is an error of the write that meets it
		worker := spill.Start(spill.Files{Arena: cfg.ArenaFD, Disk: file})
		defer worker.Close() // before the file
		disk = worker
	}
	show := options.showsLogs()
	var shim *pyshim.Server
	prestart := min(int(resources.Get("CPU")), maxPrestart)
	if options.Lazy || joined != nil {
		prestart = 0
	}
	core := coreworker.New(coreworker.Config{
		Resources: resources, Labels: options.Labels, NodeName: options.NodeName, Namespace: options.Namespace,
		ArenaBytes: cfg.ArenaBytes,
		Reserve:    func(offset, length uint64) error { return reserve(cfg.ArenaFD, offset, length) },
		Disk:       disk, Cluster: joined,
		Processes: processes{pool, func(id ids.WorkerID) { shim.HearOut(id, lastWords) }}, Prestart: prestart, SessionEnv: options.SessionEnv,
		Warn:   func(job ids.JobID, text string) { shim.Warn(job, text) },
		Report: func(err error) { fmt.Fprintf(complain, "mobula-core: broken invariant: %v\n", err) },
	})
	shim = pyshim.NewServer(core, page, version.Version, options.Namespace)
	if show {
		shim.Show(core.Job)
	}
	if pool != nil {
		pool.SetOutput(func(id ids.WorkerID, printed workers.Printed) {
			shim.Output(cmp.Or(printed.Job, core.Job), id, printed.Pid, printed.IsErr, printed.Label, printed.Lines)
		})
	}
	if joined != nil {
		joined.Listen(show, shim.Printed)
	}
	loop, err := direct.NewLoop(direct.Limits{Window: door.Window, MaxMessage: door.MaxMessage, MaxHeaders: door.MaxHeaderList})
	if err != nil {
		return err
	}
	admits := door.Admits(cfg.Token)
	ln = loop.Listen(ln, func(o direct.Opening) func(*direct.Line) direct.Handler {
		if o.Path != pb.Boundary_Lane_FullMethodName || !admits(o.Authorization) {
			return nil // the library serves it, or says why not
		}
		return shim.Direct
	})
	server := grpc.NewServer(door.ServerOptions(cfg.Token)...)
	pb.RegisterBoundaryServer(server, shim)

	var visitors *guests.Server
	if more != nil {
		visitors = guests.Serve(more, guests.Config{
			Version: version.Version, Language: options.Language, Token: cfg.Token, CorePID: os.Getpid(), DriverPID: cfg.DriverPID,
			ArenaFD: cfg.ArenaFD, ArenaBytes: cfg.ArenaBytes, SpillFD: cfg.SpillFD, Host: &host{ctx, core, shim, pool},
			Refused: func(why string) { fmt.Fprintf(complain, "mobula-core: %s\n", why) },
		})
	}
	ended := make(chan struct{})
	stopped := context.AfterFunc(ctx, func() {
		defer close(ended)
		core.Close()
		if visitors != nil {
			visitors.Close()
		}
		if joined != nil {
			if err := joined.Close(); err != nil {
				fmt.Fprintf(complain, "mobula-core: leave the cluster: %v\n", err)
			}
		}
		if pool != nil {
			pool.Close(grace)
		}
		shim.Close()
		hurry := time.AfterFunc(goodbye, server.Stop)
		server.GracefulStop()
		hurry.Stop()
		loop.Close(goodbye)
	})
	core.Start()
	err = server.Serve(ln)
	if !stopped() {
		<-ended
		err = nil
	}
	shim.Wait()
	return err
}
