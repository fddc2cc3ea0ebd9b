package golden

import (
	"crypto/sha256"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/mobula/mobula/coreworker/ids"
)

// Names stands between the short names in scripts and ids: the same name is always the same id, and an id in an answer
// is shown by its name. The zero value is ready for use.
type Names struct {
	shown map[string]string // hex to name
}

// Job is the job of all ids made here.
var Job = ids.JobFromInt(1)

// Actor is the actor of that name.
func (n *Names) Actor(name string) (id ids.ActorID) {
	fill(id[:ids.ActorLen-ids.JobLen], "actor "+name)
	copy(id[ids.ActorLen-ids.JobLen:], Job[:])
	return note(n, id, name)
}

// Task is the normal task of that name.
func (n *Names) Task(name string) ids.TaskID { return n.ActorTask(name, ids.NilActor(Job)) }

// ActorTask is the method call of that name.
func (n *Names) ActorTask(name string, actor ids.ActorID) (id ids.TaskID) {
	fill(id[:ids.TaskLen-ids.ActorLen], "task "+name)
	copy(id[ids.TaskLen-ids.ActorLen:], actor[:])
	return note(n, id, name)
}

// Object is a return of a named task, as in "t1.2", or of a normal task of that name where there is no dot: "t1" is
// "t1.1".
func (n *Names) Object(name string) (ids.ObjectID, error) {
	task, index, dotted := strings.Cut(name, ".")
	i := uint64(1)
	if dotted {
		var err error
		if i, err = strconv.ParseUint(index, 10, 32); err != nil {
			return ids.ObjectID{}, fmt.Errorf("object %s: %w", name, err)
		}
	}
	return n.Task(task).Return(uint32(i)), nil
}

// Worker is the process of that name.
func (n *Names) Worker(name string) (id ids.WorkerID) {
	fill(id[:], "worker "+name)
	return note(n, id, name)
}

// Function is the function of that name.
func (n *Names) Function(name string) (id ids.FunctionID) {
	fill(id[:], "function "+name)
	return note(n, id, name)
}

var hexRun = regexp.MustCompile(`\b[0-9a-f]{32,56}\b`)

// Show puts names in the place of the ids in an answer: also a return or an actor's creation of something named.
func (n *Names) Show(answer string) string {
	return hexRun.ReplaceAllStringFunc(answer, func(run string) string {
		if name, ok := n.shown[run]; ok {
			return name
		}
		switch len(run) {
		case 2 * ids.ObjectLen:
			return n.showObject(run)
		case 2 * ids.TaskLen:
			if actor, ok := n.shown[run[2*(ids.TaskLen-ids.ActorLen):]]; ok && strings.HasPrefix(run, "ffffffffffffffff") {
				return actor + ".__init__"
			}
		}
		return run
	})
}

func (n *Names) showObject(run string) string {
	task, ok := n.shown[run[:2*ids.TaskLen]]
	if !ok {
		return run
	}
	var index uint32
	for i := range 4 {
		b, err := strconv.ParseUint(run[2*ids.TaskLen+2*i:][:2], 16, 8)
		if err != nil {
			return run
		}
		index |= uint32(b) << (8 * i)
	}
	return fmt.Sprintf("%s.%d", task, index)
}

func fill(b []byte, name string) {
	sum := sha256.Sum256([]byte(name))
	copy(b, sum[:])
}

func note[ID fmt.Stringer](n *Names, id ID, name string) ID {
	if n.shown == nil {
		n.shown = make(map[string]string)
	}
	n.shown[id.String()] = name
	return id
}
