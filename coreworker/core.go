package coreworker

import (
	"maps"
	"sync"
	"time"

	"github.com/mobula/mobula/coreworker/backend"
	"github.com/mobula/mobula/coreworker/embedded"
	"github.com/mobula/mobula/coreworker/events"
	"github.com/mobula/mobula/coreworker/ids"
	"github.com/mobula/mobula/coreworker/objects"
	"github.com/mobula/mobula/coreworker/refs"
	"github.com/mobula/mobula/coreworker/sched"
	"github.com/mobula/mobula/coreworker/submit"
	"github.com/mobula/mobula/coreworker/task"
)

// Config is what a core is made with.
type Config struct {
	Resources  sched.Resources
	Labels     map[string]string // of the machine; its id is added
	NodeName   string            // what the user calls the machine; may be empty
	Namespace  string
	ArenaBytes uint64
	// Reserve makes the pages of a range of the arena real; it fails where there is no space.
	Reserve func(offset, length uint64) error
	// Disk does the work of spilling. Nil: objects lie in memory only.
	Disk Disk
	// Cluster is what the session has joined: functions and actors run there. Nil: all is on this machine.
	Cluster backend.Cluster
	// Processes starts and ends worker processes.
	Processes Processes
	// Report is told of broken invariants. Nil discards them.
	Report func(error)
	// Warn brings a sentence to the user of a job's driver. Called under the lock: it must not block. Nil discards them.
	Warn func(job ids.JobID, text string)
	// Prestart is how many workers are started before anybody asks.
	Prestart int
	// SessionEnv is the environment of those: what tasks have that ask for nothing of their own.
	SessionEnv string
}

// FirstJob is the job of the driver that a session begins with, save in a Ray cluster, which gives its own.
var FirstJob = ids.JobFromInt(1)

// Core is one session: its processes, tasks, objects and actors.
type Core struct {
	Job  ids.JobID // of the driver that the session began with
	Node ids.NodeID

	mu      sync.Mutex
	cfg     Config
	labels  sched.Labels
	began   time.Time
	procs   map[ids.WorkerID]*Process
	jobs    jobs
	tasks   *task.Manager
	lineage *task.Lineage
	refs    *refs.Table
	store   *objects.Store
	arena   *objects.Arena
	room    *objects.Room
	sched   *embedded.Scheduler
	actors  *embedded.Actors
	kv      *embedded.KV
	// Where functions and actors run: on this machine sched and actors, else the cluster's. Set once.
	leaser    submit.Leaser
	directory submit.Directory
	cluster   backend.Cluster // nil on this machine alone
	far       backend.Actors  // of the cluster
	witness   submit.Witness  // of the cluster
	bringing  map[ids.ObjectID][]func()
	leaving   map[ids.ActorID]struct{} // of the cluster, without a handle, that have calls
	// callers lists, for each actor, the queues of calls to it.
	callers map[ids.ActorID]map[*submit.Actor]*Process
	timers  timers
	streams map[ids.TaskID]*stream
	missing map[ids.TaskID][]missingItem
	tells   map[ids.TaskID]func(objects.Value) // whom to send the outcome to that nobody has asked for
	gates   map[ids.ActorID]*gate              // of actors that limit all their streams together
	events  *events.Log[events.Attempt]
	taken   *events.Log[events.Taken]
	made    uint64 // processes and parked requests: their numbers
	closed  bool
}

// New makes the core of a session. Start begins its work.
func New(cfg Config) *Core {
	c := &Core{Job: FirstJob, Node: ids.NewNodeID(), cfg: cfg, began: time.Now(),
		procs: map[ids.WorkerID]*Process{}, jobs: newJobs(), tasks: task.NewManager(), lineage: task.NewLineage(lineageBytes), refs: refs.New(), store: objects.NewStore(),
		arena: objects.NewArena(cfg.ArenaBytes, cfg.Reserve), kv: embedded.NewKV(),
		callers: map[ids.ActorID]map[*submit.Actor]*Process{}, timers: timers{rings: none}, streams: map[ids.TaskID]*stream{}, gates: map[ids.ActorID]*gate{}, missing: map[ids.TaskID][]missingItem{},
		tells:  map[ids.TaskID]func(objects.Value){},
		events: events.NewLog[events.Attempt](keptAttempts), taken: events.NewLog[events.Taken](keptAttempts)}
	c.labels = sched.Labels{}
	maps.Copy(c.labels, cfg.Labels)
	c.labels[nodeIDLabel] = c.Node.String()
	c.openRoom()
	host := (*host)(c)
	c.sched = embedded.NewScheduler(host, sched.NewPool(cfg.Resources), int(cfg.Resources.Get("CPU")))
	c.actors = embedded.NewActors(c.sched, embedded.ActorHooks{
		Changed: c.actorChanged, Settle: c.Settle, Busy: c.actorBusy, Kill: host.Kill, Released: c.unuse,
		Died: c.actorDied, Forgotten: c.forgetCallers})
	c.leaser, c.directory = c.sched, c.actors
	c.join()
	return c
}

// Start begins the work of the core.
func (c *Core) Start() {
	c.Do(func() { c.sched.Prestart(c.cfg.Prestart, embedded.Kind{Job: c.Job, Env: c.cfg.SessionEnv}) })
}

// Do runs fn with the state lock held.
func (c *Core) Do(fn func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	fn()
	if c.room.Waiting() { // after the event, not in the middle of it: fn may have given room back anywhere
		c.room.Retry()
	}
}

// Close stops timers and granting. Processes are ended by whoever owns them. Idempotent; takes the lock itself.
func (c *Core) Close() {
	c.Do(func() {
		c.closed = true
		c.sched.Close()
		c.dropTimers()
	})
}

func (c *Core) report(err error) {
	if err != nil && c.cfg.Report != nil {
		c.cfg.Report(err)
	}
}
