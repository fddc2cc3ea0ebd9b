package workers

import (
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/mobula/mobula/coreworker/ids"
	"github.com/mobula/mobula/coreworker/version"
)

// Config is what all workers of a pool have in common.
type Config struct {
	Python     string // interpreter; "" is python3 of PATH
	SocketPath string // of the core, for the workers' lanes
	Token      string // hex; reaches workers in memory only, never by environment or arguments
	SessionDir string // its base name marks every process of the session (MOBULA_SESSION); the zygote removes it if the core is killed

	ArenaFD    int // -1: none
	ArenaBytes uint64
	PageFD     int // -1: none
	SpillFD    int // -1: none

	// Options is the driver's worker configuration, a JSON object passed on as it is. The pool itself reads `env`
	// (variables for all workers) and `sys_path` (to find the package).
	Options json.RawMessage
	Env     []string // NAME=value, added to the environment of zygote and workers

	// StartTimeout is how long the zygote may import, and how long it may take over one fork. 0 is 60 s.
	StartTimeout time.Duration
	// SlainPatience is how long zygotes that are killed from outside before they are ready, one after the other, are followed by
	// another while births wait. 0 is two minutes.
	SlainPatience time.Duration
	longestPause  time.Duration // between two of them; 0 is a second

	// Emptied is called by Close when no process of the session is left but the zygote, which lasts until it returns: a core
	// that is killed before has somebody who cleans up after it. nil: nothing to do.
	Emptied func()

	// Logf gets one line now and then; nil is silence.
	Logf func(format string, args ...any)
	// OnOutput gets what workers print. nil keeps the newest until SetOutput is called.
	OnOutput func(ids.WorkerID, Printed)
}

// Printed is something that a worker printed.
type Printed struct {
	Pid   int
	Job   ids.JobID // SpawnOptions.Job
	IsErr bool
	Label string // whose it is, as the worker itself said; "" where it did not
	Lines []byte // one or more lines without the last newline, valid until the handler returns
}

// SpawnOptions is what one worker has of its own.
type SpawnOptions struct {
	Job  ids.JobID // of a driver that has joined, see AddJob; zero: the session's own
	Env  []string  // NAME=value; a PYTHON*, LD_* or MALLOC_* variable makes the worker be executed
	Exec bool      // execute a fresh interpreter even where a fork would do
	// Command is another interpreter, a command with its arguments; implies Exec.
	Command []string
	// RuntimeEnv is what the worker itself does about its environment, in the form of TaskSpec.runtime_env.
	RuntimeEnv string

	setup *setup // what must have been done before: Prepare
}

func (o SpawnOptions) mustExec() bool {
	if o.Exec || len(o.Command) > 0 || o.setup != nil {
		return true
	}
	size := len(o.RuntimeEnv)
	for _, variable := range o.Env {
		size += len(variable)
		for _, prefix := range []string{"PYTHON", "LD_", "MALLOC_"} {
			if strings.HasPrefix(variable, prefix) {
				return true
			}
		}
	}
	return size > maxRequestEnv
}

// maxRequestEnv keeps the window of requests to the zygote well below its socket's buffer: sending never blocks.
const maxRequestEnv = 8 << 10

// Descriptors in a process that the core executes; 0 to 2 are the usual ones.
const (
	childControl = 3 // zygote, helper of Prepare: the control socket. Executed worker: the "go" pipe
	childConfig  = 4 // a memfd with the birth certificate
	childArena   = 5
	childPage    = 6
	childSpill   = 7
	childTicket  = 8 // executed workers
)

// certificate is what zygote and workers are told of themselves, read by mobula/_worker/config.py.
type certificate struct {
	Version    string          `json:"version"`
	CorePID    int             `json:"core_pid"`
	SocketPath string          `json:"socket_path"`
	Token      string          `json:"token"`
	SessionDir string          `json:"session_dir"`
	ArenaFD    int             `json:"arena_fd"`
	ArenaBytes uint64          `json:"arena_bytes"`
	PageFD     int             `json:"page_fd"`
	SpillFD    int             `json:"spill_fd"`
	ControlFD  int             `json:"control_fd"`
	TicketFD   int             `json:"ticket_fd"`
	WorkerID   string          `json:"worker_id,omitempty"`
	RuntimeEnv string          `json:"runtime_env,omitempty"`
	OwnPath    bool            `json:"own_path,omitempty"` // another interpreter than the driver's: it has a path of its own
	Options    json.RawMessage `json:"options"`
}

func (c *Config) certificate() certificate {
	options := c.Options
	if len(options) == 0 {
		options = json.RawMessage("{}")
	}
	arena, page, spill := -1, -1, -1
	if c.ArenaFD >= 0 {
		arena = childArena
	}
	if c.PageFD >= 0 {
		page = childPage
	}
	if c.SpillFD >= 0 {
		spill = childSpill
	}
	return certificate{
		Version: version.Version, CorePID: os.Getpid(), SocketPath: c.SocketPath, Token: c.Token,
		SessionDir: c.SessionDir, ArenaFD: arena, ArenaBytes: c.ArenaBytes, PageFD: page, SpillFD: spill,
		ControlFD: childControl, TicketFD: -1, Options: options,
	}
}

// file puts the certificate into a memfd: it holds the token, and it may be longer than an argument or a message.
func (c certificate) file() (*os.File, error) {
	raw, err := json.Marshal(c)
	if err != nil {
		return nil, fmt.Errorf("workers: worker configuration: %w", err)
	}
	fd, err := unix.MemfdCreate("mobula-config", unix.MFD_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("workers: worker configuration: %w", os.NewSyscallError("memfd_create", err))
	}
	file := os.NewFile(uintptr(fd), "config")
	if _, err := file.Write(raw); err != nil {
		file.Close()
		return nil, fmt.Errorf("workers: worker configuration: %w", err)
	}
	return file, nil
}

// bootstrap makes the package importable exactly as it is for the driver, then enters it. The entry that -c adds for
// the working directory is taken out before anything is imported, or a json.py of the user's would be ours. Another
// interpreter needs its own standard library before the driver's. What is imported stays, so the collector finds nothing in it:
// reset_process turns it on again.
const bootstrap = `import gc, sys
gc.disable()
sys.path[:] = [p for p in sys.path if p]
import json, os
c = json.loads(os.pread(4, os.fstat(4).st_size, 0))
theirs = c["options"].get("sys_path") or []
sys.path[:] = sys.path + theirs if c.get("own_path") else theirs or sys.path
from mobula._worker.%s import %s
%s(c)
`

func command(python []string, module, entry, mark string) []string {
	return slices.Concat(python, []string{"-c", fmt.Sprintf(bootstrap, module, entry, entry), mark})
}

// environment is the core's own, then the driver's variables for workers, then the pool's, then extra: the last wins.
func (c *Config) environment(extra []string) ([]string, error) {
	var options struct {
		Env map[string]string `json:"env"`
	}
	if len(c.Options) > 0 {
		if err := json.Unmarshal(c.Options, &options); err != nil {
			return nil, fmt.Errorf("workers: worker configuration: %w", err)
		}
	}
	env := os.Environ()
	given := make([]string, 0, len(options.Env))
	for name, value := range options.Env {
		given = append(given, name+"="+value)
	}
	env = append(env, expand(env, given)...)
	env = append(env, c.Env...)
	env = append(env, expand(lastWins(slices.Clone(env)), extra)...)
	return lastWins(append(env, "MOBULA_SESSION="+c.mark())), nil
}

var reference = regexp.MustCompile(`\$(\w+|\{[^}]*\})`)

// expand puts the values that variables have in base in place of $NAME and ${NAME}, as Ray does with env_vars; a name
// without a value stays as it is written.
func expand(base, variables []string) []string {
	values := make(map[string]string, len(base))
	for _, variable := range base {
		name, value, _ := strings.Cut(variable, "=")
		values[name] = value
	}
	out := make([]string, len(variables))
	for i, variable := range variables {
		name, value, _ := strings.Cut(variable, "=")
		out[i] = name + "=" + reference.ReplaceAllStringFunc(value, func(found string) string {
			if known, ok := values[strings.Trim(found[1:], "{}")]; ok {
				return known
			}
			return found
		})
	}
	return out
}

// lastWins drops earlier settings of the same name: getenv would find the first.
func lastWins(env []string) []string {
	at := make(map[string]int, len(env))
	out := env[:0:0]
	for _, variable := range env {
		name, _, _ := strings.Cut(variable, "=")
		if i, seen := at[name]; seen {
			out[i] = variable
			continue
		}
		at[name] = len(out)
		out = append(out, variable)
	}
	return out
}
