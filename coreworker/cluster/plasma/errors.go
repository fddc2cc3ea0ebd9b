package plasma

import (
	"errors"
	"fmt"

	"github.com/mobula/mobula/coreworker/ids"
)

// What the store refuses. Errors about one object are of type *ObjectError and wrap one of these.
var (
	// ErrExists is returned by Create: the store has an object of this id, or somebody is writing one.
	ErrExists = errors.New("the object exists")
	// ErrNotFound says that the store has no such object.
	ErrNotFound = errors.New("no such object")
	// ErrFull is returned by Create where there is no room: nothing can be evicted or spilled, and the fallback has none either.
	ErrFull = errors.New("the object store is full")
	// ErrNotSealed is returned by Delete: somebody is writing the object. It is deleted afterwards.
	ErrNotSealed = errors.New("the object is being written")
	// ErrInUse is returned by Delete: somebody holds the object. It is deleted afterwards.
	ErrInUse = errors.New("the object is in use")
	// ErrSealed is returned where an object was to be written that is sealed.
	ErrSealed = errors.New("the object is sealed")
	// ErrDisk is returned by Create where the file system of the fallback is full.
	ErrDisk = errors.New("the disk behind the object store is full")
	// ErrUnexpected is what the store says of its own or our errors.
	ErrUnexpected = errors.New("unexpected error of the object store")
	// ErrMutable is returned by Get for an object that is written again and again: a channel of a compiled graph, which is no value.
	ErrMutable = errors.New("the object is a channel of a compiled graph")
)

// ErrGone is returned by every method after the store has closed the connection, or has sent what is no answer.
var ErrGone = errors.New("the object store has closed the connection")

// errEnded is for a second Seal or Abort.
var errEnded = errors.New("sealed or aborted before")

// ObjectError says which object the store refused, and how.
type ObjectError struct {
	Op     string // what was asked: create, seal, delete
	Object ids.ObjectID
	Size   uint64 // of data and metadata, where it was to be created
	Err    error
}

// Error names all of it.
func (e *ObjectError) Error() string {
	if e.Size > 0 {
		return fmt.Sprintf("plasma: %s %s of %d bytes: %v", e.Op, e.Object, e.Size, e.Err)
	}
	return fmt.Sprintf("plasma: %s %s: %v", e.Op, e.Object, e.Err)
}

// Unwrap makes errors.Is find what the store said.
func (e *ObjectError) Unwrap() error { return e.Err }

// refusals are the store's numbers.
var refusals = map[int32]error{
	1: ErrExists, 2: ErrNotFound, 3: ErrFull, 4: ErrNotSealed, 5: ErrInUse, 6: ErrUnexpected, 7: ErrSealed, 8: ErrDisk,
}

// refused is the error that a number stands for; nil for 0.
func refused(code int32) error {
	if code == 0 {
		return nil
	}
	if err := refusals[code]; err != nil {
		return err
	}
	return fmt.Errorf("%w: number %d", ErrUnexpected, code)
}
