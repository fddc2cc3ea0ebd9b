// Command mobula-core is the core of one mobula session. A driver starts it as a child, talks to it over a unix socket
// in a private folder, and takes it along when it ends: the core watches the driver's pidfd, and a lifeline pipe as
// the second line. It reads nothing from the environment, but for a core built with faults (package faults).
//
// # Start
//
// Arena, cancel page, token, lifeline and worker configuration are inherited descriptors, named by flags. When the
// socket listens, one line goes to stdout and nothing ever after:
//
//	mobula-core|1|<version>|unix|<path of the socket>
//
// With --address it is a driver of a Ray cluster by then, and two fields follow: the job's id, and the driver's address as references
// to its objects carry it, both in hex. There are no workers of its own then.
//
// # End
//
// The driver's death, the lifeline's end, SIGTERM, SIGINT and SIGHUP all end it in order: serving stops, workers get
// SIGTERM and then SIGKILL, the zygote and every orphan go, the session folder is removed.
//
// Exit codes: 0 an ordinary end; 1 serving failed, or the end took too long; 2 wrong flags; 3 the session folder was refused or
// cannot be listened in; 4 an inherited descriptor is not what it should be; 5 workers cannot be started here; 6 the cluster was
// not joined.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"time"

	"github.com/spf13/pflag"
	"golang.org/x/sys/unix"

	"github.com/mobula/mobula/coreworker/version"
	"github.com/mobula/mobula/coreworker/workers"
	"github.com/mobula/mobula/pyshim/door"
)

// Exit codes, as the command's documentation lists them.
const (
	exitServe = 1 + iota
	exitUsage
	exitFolder
	exitInherited
	exitWorkers
	exitCluster
)

const (
	grace    = 500 * time.Millisecond // between SIGTERM and SIGKILL for workers
	patience = 15 * time.Second       // for an orderly end; after it the kernel's parent-death signals do the rest
)

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }

func run(args []string, stdout, stderr io.Writer) int {
	unix.Umask(0o077) // before anything is made: socket and files are never another's, not for a moment
	withoutCoreDumps()
	fail := func(code int, err error) int {
		fmt.Fprintf(stderr, "mobula-core: %v\n", err)
		return code
	}
	flags, done, err := parseFlags(args, stdout)
	if errors.Is(err, pflag.ErrHelp) || done {
		return 0
	}
	if err != nil {
		return fail(exitUsage, err)
	}
	cfg, err := inherit(flags)
	if err != nil {
		return fail(exitInherited, err)
	}
	refuse := func(why string) { fmt.Fprintf(stderr, "mobula-core: %s\n", why) }
	ln, err := door.Listen(cfg.SessionDir, refuse)
	if err != nil {
		return fail(exitFolder, err)
	}
	defer os.RemoveAll(cfg.SessionDir) // checked by Listen: a private folder of this user; the pool's end does it before, if there is a pool
	defer ln.Close()

	ctx, stop := context.WithCancelCause(context.Background())
	defer stop(nil)
	if err := watch(cfg, stop); err != nil {
		return fail(exitInherited, err)
	}
	if cfg.Address != "" {
		return far(ctx, cfg, ln, stdout, stderr, stop)
	}
	more, err := door.ListenPackets(cfg.SessionDir, refuse) // before the driver tells anybody of the session
	if err != nil {
		return fail(exitFolder, err)
	}
	defer more.Close()
	pool, err := workers.Start(workers.Config{
		Python: cfg.Python, SocketPath: ln.Addr().String(), Token: cfg.Token, SessionDir: cfg.SessionDir,
		ArenaFD: cfg.ArenaFD, ArenaBytes: cfg.ArenaBytes, PageFD: cfg.PageFD, SpillFD: cfg.SpillFD, Options: cfg.WorkerOptions,
		Emptied: func() { os.RemoveAll(cfg.SessionDir) },
		Logf:    func(format string, args ...any) { fmt.Fprintf(stderr, "mobula-core: "+format+"\n", args...) },
	})
	if err != nil {
		return fail(exitWorkers, err)
	}
	defer pool.Close(grace)
	if err := greet(ctx, stdout, stderr, ln.Addr()); err != nil {
		return fail(exitServe, err)
	}
	if err := serve(ctx, cfg, ln, more, pool, nil, stderr); err != nil && ctx.Err() == nil {
		return fail(exitServe, err)
	}
	return 0
}

// greet writes the one line that the driver waits for, and sees that the end takes no longer than it may.
func greet(ctx context.Context, stdout, stderr io.Writer, socket net.Addr, more ...string) error {
	line := fmt.Sprintf("mobula-core|%d|%s|unix|%s", version.Handshake, version.Version, socket)
	for _, field := range more {
		line += "|" + field
	}
	fmt.Fprintln(stdout, line)
	context.AfterFunc(ctx, func() {
		time.AfterFunc(patience, func() {
			// Without goodbye: the zygote takes this for a kill and cleans up.
			fmt.Fprintf(stderr, "mobula-core: the end took longer than %v\n", patience)
			os.Exit(exitServe)
		})
	})
	return silence(stdout)
}

// silence puts /dev/null in stdout's place: the driver reads one line and no more, and an unread pipe would block.
func silence(stdout io.Writer) error {
	file, ok := stdout.(*os.File)
	if !ok {
		return nil
	}
	null, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	defer null.Close()
	return unix.Dup3(int(null.Fd()), int(file.Fd()), 0)
}
