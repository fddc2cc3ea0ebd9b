package ids

import (
	"encoding/hex"
	"fmt"
)

// Lengths in bytes, as they appear on the wire.
const (
	JobLen    = 4
	ActorLen  = 16
	GroupLen  = 18
	TaskLen   = 24
	ObjectLen = 28
	UniqueLen = 28
)

type (
	// JobID names one driver's run.
	JobID [JobLen]byte
	// ActorID names an actor for as long as anything refers to it, restarts included.
	ActorID [ActorLen]byte
	// GroupID names a placement group.
	GroupID [GroupLen]byte
	// TaskID names one submitted task; its attempts share it.
	TaskID [TaskLen]byte
	// ObjectID names one value: a return of a task, or something that a task put.
	ObjectID [ObjectLen]byte
	// WorkerID names an attached process; it is never used again when the process is gone.
	WorkerID [UniqueLen]byte
	// NodeID names a machine.
	NodeID [UniqueLen]byte
	// FunctionID is the hash of an exported function or class.
	FunctionID [UniqueLen]byte
)

// Job reads a job id.
func Job(b []byte) (id JobID, err error) { err = fill("job", id[:], b); return id, err }

// Actor reads an actor id.
func Actor(b []byte) (id ActorID, err error) { err = fill("actor", id[:], b); return id, err }

// Group reads the id of a placement group.
func Group(b []byte) (id GroupID, err error) { err = fill("placement group", id[:], b); return id, err }

// Task reads a task id.
func Task(b []byte) (id TaskID, err error) { err = fill("task", id[:], b); return id, err }

// Object reads an object id.
func Object(b []byte) (id ObjectID, err error) { err = fill("object", id[:], b); return id, err }

// Worker reads a worker id.
func Worker(b []byte) (id WorkerID, err error) { err = fill("worker", id[:], b); return id, err }

// Node reads a node id.
func Node(b []byte) (id NodeID, err error) { err = fill("node", id[:], b); return id, err }

// Function reads a function id.
func Function(b []byte) (id FunctionID, err error) { err = fill("function", id[:], b); return id, err }

func fill(kind string, id, b []byte) error {
	if len(b) != len(id) {
		return fmt.Errorf("%s id: want %d bytes, got %d", kind, len(id), len(b))
	}
	copy(id, b)
	return nil
}

// String gives the id in hex, as Ray prints it.
func (id JobID) String() string { return hex.EncodeToString(id[:]) }

// String gives the id in hex, as Ray prints it.
func (id ActorID) String() string { return hex.EncodeToString(id[:]) }

// String gives the id in hex, as Ray prints it.
func (id GroupID) String() string { return hex.EncodeToString(id[:]) }

// String gives the id in hex, as Ray prints it.
func (id TaskID) String() string { return hex.EncodeToString(id[:]) }

// String gives the id in hex, as Ray prints it.
func (id ObjectID) String() string { return hex.EncodeToString(id[:]) }

// String gives the id in hex, as Ray prints it.
func (id WorkerID) String() string { return hex.EncodeToString(id[:]) }

// String gives the id in hex, as Ray prints it.
func (id NodeID) String() string { return hex.EncodeToString(id[:]) }

// String gives the id in hex, as Ray prints it.
func (id FunctionID) String() string { return hex.EncodeToString(id[:]) }

// Bytes gives the wire form, in memory of its own.
func (id JobID) Bytes() []byte { return append([]byte(nil), id[:]...) }

// Bytes gives the wire form, in memory of its own.
func (id ActorID) Bytes() []byte { return append([]byte(nil), id[:]...) }

// Bytes gives the wire form, in memory of its own.
func (id GroupID) Bytes() []byte { return append([]byte(nil), id[:]...) }

// Bytes gives the wire form, in memory of its own.
func (id TaskID) Bytes() []byte { return append([]byte(nil), id[:]...) }

// Bytes gives the wire form, in memory of its own.
func (id ObjectID) Bytes() []byte { return append([]byte(nil), id[:]...) }

// Bytes gives the wire form, in memory of its own.
func (id WorkerID) Bytes() []byte { return append([]byte(nil), id[:]...) }

// Bytes gives the wire form, in memory of its own.
func (id NodeID) Bytes() []byte { return append([]byte(nil), id[:]...) }

// Bytes gives the wire form, in memory of its own.
func (id FunctionID) Bytes() []byte { return append([]byte(nil), id[:]...) }

// IsNil says whether the id was never set: Ray's nil, all 0xFF, or Go's zero value.
func (id JobID) IsNil() bool { return uniform(id[:]) }

// IsNil says whether the id was never set: Ray's nil, all 0xFF, or Go's zero value.
func (id ActorID) IsNil() bool { return uniform(id[:]) }

// IsNil says whether the id was never set: Ray's nil, all 0xFF, or Go's zero value.
func (id TaskID) IsNil() bool { return uniform(id[:]) }

// IsNil says whether the id was never set: Ray's nil, all 0xFF, or Go's zero value.
func (id ObjectID) IsNil() bool { return uniform(id[:]) }

// IsNil says whether the id was never set: Ray's nil, all 0xFF, or Go's zero value.
func (id WorkerID) IsNil() bool { return uniform(id[:]) }

// IsNil says whether the id was never set: Ray's nil, all 0xFF, or Go's zero value.
func (id NodeID) IsNil() bool { return uniform(id[:]) }

// IsNil says whether the id was never set: Ray's nil, all 0xFF, or Go's zero value.
func (id FunctionID) IsNil() bool { return uniform(id[:]) }

// uniform says whether b is nothing but 0xFF or nothing but 0x00.
func uniform(b []byte) bool {
	if b[0] != 0x00 && b[0] != 0xFF {
		return false
	}
	for _, c := range b[1:] {
		if c != b[0] {
			return false
		}
	}
	return true
}

func allFF(b []byte) bool {
	for _, c := range b {
		if c != 0xFF {
			return false
		}
	}
	return true
}
