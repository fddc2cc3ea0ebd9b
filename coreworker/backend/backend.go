// Package backend is what a core asks of a cluster that it has joined, and what the cluster asks of the core: the two sides meet in
// these interfaces, and neither imports the other.
//
// The embedded back end does not stand behind them: it shares the core's lock, workers and arena, and nothing may slow a call there.
package backend

import (
	"time"

	"github.com/mobula/mobula/coreworker/ids"
	"github.com/mobula/mobula/coreworker/objects"
	"github.com/mobula/mobula/coreworker/peer"
	"github.com/mobula/mobula/coreworker/sched"
	"github.com/mobula/mobula/coreworker/submit"
	"github.com/mobula/mobula/coreworker/task"
)

// Function says where an exported function or class comes from, as Ray's descriptors do.
type Function struct{ Module, Class, Name, Hash string }

// Core is the core, as a cluster sees it.
type Core interface {
	// Do runs fn with the state lock held. Everything else here is called under it.
	Do(fn func())
	After(d time.Duration, fn func()) (stop func())
	Settle(*task.Entry, task.Verdict, peer.Reply)
	ActorChanged(ids.ActorID)
	Cancel(id ids.ObjectID, force, recursive bool)
	// Resolved gives the value of an object that was met.
	Resolved(ids.ObjectID, objects.Value)
	// Yielded gives an item of a generator; they come in order.
	Yielded(id ids.TaskID, index int, v objects.Value)
	// Consumed says how many items of a generator were taken, of so many that were made; all, where it has no limit of its own.
	Consumed(id ids.TaskID, made int) int
	// Came gives an item of a task with num_returns="dynamic". The driver holds it until LetGo: what refers to it comes later.
	Came(ids.ObjectID, objects.Value)
	LetGo(ids.ObjectID)
	// Lost says that no copy of an object is left in the cluster's store: it is made again, written again, or becomes an error. why is
	// for people.
	Lost(id ids.ObjectID, why string)
	Report(error)
	Pending() int // tasks without an outcome
}

// Node is one node of a cluster.
type Node struct {
	ID        ids.NodeID
	Alive     bool
	Address   string
	Hostname  string
	Name      string
	Head      bool
	Total     map[string]float64
	Available map[string]float64 // as the cluster has told last
	Labels    map[string]string
}

// Group is a placement group of a cluster.
type Group struct {
	ID              ids.GroupID
	Name, Namespace string
	Strategy        sched.Strategy
	Bundles         []Bundle
	Detached        bool
	// Asked for.
	Target  []byte   // the node that it rather goes to; empty: any
	Domains []string // labels of which all its nodes have one value
	// Told.
	State      GroupState
	Scheduling string // Ray's word for how far it is
	Attempts   int
	Latency    time.Duration // of the last attempt
	Made       time.Duration // from when it was asked for until it had its resources
	RetryDelay time.Duration
}

// Bundle is a part of a group.
type Bundle struct {
	Resources map[string]float64
	Labels    map[string]string // of the nodes that it may be on, as the user wrote them
	Node      []byte            // where it is; empty: nowhere yet
}

// GroupState is where a group stands, by the numbers of the boundary.
type GroupState uint8

// States of a group.
const (
	GroupPending GroupState = iota
	GroupCreated
	GroupRemoved
	GroupRescheduling
	GroupPrepared
)

// Groups are the placement groups of a cluster. Each answer comes under the state lock.
type Groups interface {
	CreateGroup(g Group, answer func(error))
	RemoveGroup(id ids.GroupID, answer func(error))
	// AwaitGroup answers when the group has its resources, or with an error that says why it never will.
	AwaitGroup(id ids.GroupID, answer func(error))
	// FindGroups finds the group of an id, or else of a name, or else all.
	FindGroups(id *ids.GroupID, namespace, name string, answer func([]Group, error))
}

// Table is one of the tables that a cluster keeps of what it has, by the numbers of the boundary.
type Table uint8

// The tables.
const (
	TaskTable Table = iota // attempts
	ActorTable
	NodeTable
	GroupTable
	JobTable
	WorkerTable
)

func (t Table) String() string {
	if names := []string{"tasks", "actors", "nodes", "placement groups", "jobs", "workers"}; int(t) < len(names) {
		return names[t]
	}
	return "things of an unknown kind"
}

// Condition holds for a row whose field has the value, or has another one.
type Condition struct {
	Field   string
	Differs bool
	Value   string // ids in hexadecimal
}

// Printed is lines that a process of a cluster has printed.
type Printed struct {
	Node    string // its node's address; "" for the driver's own node
	PID     int    // 0: one of the cluster's own processes, of which Name says which
	Name    string // of the task or actor; may be empty
	IsError bool   // on stderr
	Lines   []string
}

// Cluster is what a core has joined. All but Close is called under the state lock and does not wait.
type Cluster interface {
	Job() ids.JobID
	Node() ids.NodeID
	// Bind begins the work for the core. Called once, before anything else.
	Bind(Core)
	Leaser() submit.Leaser
	Actors() Actors

	// Witness is told how tasks fare, for the cluster's own lists of them.
	Witness() submit.Witness
	// Export writes an entry of the function table; fn is what it holds. No task of it is sent before it is there.
	Export(namespace string, key, value []byte, fn Function)
	// Lookup reads what any driver has written there; it answers under the lock.
	Lookup(namespace string, key []byte, answer func(value []byte, found bool, err error))
	// Expect says that an object of this driver's will be, before anybody can hear of it.
	Expect(ids.ObjectID)
	// Made gives its value. Where that lies in the arena it is written to the node's store as well, for others to read; block is a
	// hold of it that is let go afterwards, under the lock. Also of one that had another value before, which was lost.
	Made(id ids.ObjectID, v objects.Value, letGo func())
	// Meet says that a value holds a reference to an object that is not this driver's; Resolved brings its value.
	Meet(ids.ObjectID)
	// CancelElsewhere asks the owner of such an object to cancel the task that makes it.
	CancelElsewhere(id ids.ObjectID, force, recursive bool)
	// Taken says how many items of a generator with a limit were taken by now: its worker waits for that.
	Taken(id ids.TaskID, n int)
	// Forget says that nobody refers to an object any more.
	Forget(ids.ObjectID)
	// Bring copies a stored object into the arena. room gives a block of so many bytes, or an error, later and under the lock; so is
	// done, with a value that lies in the block.
	Bring(id ids.ObjectID, room func(size uint64, granted func(objects.Block, error)), done func(objects.Value, error))

	Groups

	// Listen brings what the cluster has to say to the driver: errors that it reports and, where workers is true, what its workers
	// print. show is called by one goroutine without the lock. Called once, without the lock.
	Listen(workers bool, show func(Printed))
	// Rows answers under the lock with up to `most` rows of a table, as a list in JSON in the cluster's words. It may leave out what does
	// not fulfil the conditions.
	Rows(t Table, most int, conditions []Condition, answer func(rows []byte, err error))
	// Nodes answers under the lock.
	Nodes(answer func([]Node, error))
	// Close leaves the cluster: running tasks are given up, the job is over. Called without the lock.
	Close() error
}

// Actors is the directory of the actors that this driver made or has handles of.
type Actors interface {
	submit.Directory
	Register(*task.Entry) error
	Create(id ids.ActorID, args []objects.Value)
	FailCreation(id ids.ActorID, cause objects.Value)
	CancelCreation(*task.Entry)
	Kill(id ids.ActorID, noRestart bool)
	OutOfScope(ids.ActorID)
	// Meet enters an actor that somebody else made, with the class that calls of it name.
	Meet(id ids.ActorID, class Function, outOfOrder bool)
	// Find looks a living actor up by its name and answers under the lock, with found=false where there is none.
	Find(namespace, name string, answer func(id ids.ActorID, handle []byte, found bool, err error))
	// Names tells under the lock of the living named actors of a namespace, or of all.
	Names(namespace string, all bool, answer func([]Named, error))
}

// Named is the name of an actor and where that counts.
type Named struct{ Namespace, Name string }
