package objects

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/vmihailenco/msgpack/v5"
	"google.golang.org/protobuf/proto"

	"github.com/mobula/mobula/coreworker/ids"
	"github.com/mobula/mobula/proto/rayvalue"
)

// headerLen is what Ray keeps in front of every msgpack body for its length.
const headerLen = 9

// ErrorValue makes the value that a failure of this kind leaves in every return of a task. info may be nil where Python
// needs no more than the kind; its error_type is set here.
func ErrorValue(kind ErrorType, info *rayvalue.ErrorInfo) Value {
	v := Value{Metadata: intern([]byte(kind.String())), IsError: true}
	if info == nil {
		return v
	}
	own := proto.CloneOf(info)
	own.ErrorType = int32(kind)
	own.ErrorMessage = text(own.ErrorMessage)
	body, err := proto.Marshal(own)
	if err != nil {
		// Only a string in info.Detail that is not UTF-8 gets here. The failure is told all the same, without detail.
		own.Detail = nil
		own.ErrorMessage = text(own.ErrorMessage + " (detail left out: " + err.Error() + ")")
		body, _ = proto.Marshal(own)
	}
	v.Data = packed(body)
	return v
}

// packed is the body of an error: header, then a msgpack bin of the bytes.
func packed(body []byte) []byte {
	var bin, length bytes.Buffer
	// A bytes.Buffer takes whatever is written to it, so these cannot fail.
	_ = msgpack.NewEncoder(&bin).EncodeBytes(body)
	_ = msgpack.NewEncoder(&length).EncodeUint(uint64(bin.Len()))
	data := make([]byte, headerLen, headerLen+bin.Len())
	copy(data, length.Bytes())
	return append(data, bin.Bytes()...)
}

// errNotPacked is what unpack wraps when a body is not header + msgpack bin.
var errNotPacked = errors.New("not an error body")

// unpack gives the bytes inside a body that packed made, here or in Python.
func unpack(data []byte) ([]byte, error) {
	if len(data) < headerLen {
		return nil, fmt.Errorf("%w: %d bytes, the header alone has %d", errNotPacked, len(data), headerLen)
	}
	// What follows the number in the header is padding; Ray leaves garbage there.
	length, err := msgpack.NewDecoder(bytes.NewReader(data[:headerLen])).DecodeUint64()
	if err != nil {
		return nil, fmt.Errorf("%w: header: %w", errNotPacked, err)
	}
	body := data[headerLen:]
	if length > uint64(len(body)) {
		return nil, fmt.Errorf("%w: header says %d bytes, %d are there", errNotPacked, length, len(body))
	}
	// The length of the bin is looked at before its bytes are: DecodeBytes would first make room for as many as it
	// claims, up to 4 GiB.
	rest := bytes.NewReader(body[:length])
	n, err := msgpack.NewDecoder(rest).DecodeBytesLen()
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errNotPacked, err)
	}
	if n < 0 || n > rest.Len() {
		return nil, fmt.Errorf("%w: bin of %d bytes, %d are there", errNotPacked, n, rest.Len())
	}
	start := int(length) - rest.Len()
	return body[start : start+n], nil
}

// ErrorInfo reads an error value that a submitter made, here or in Ray. It is nil where the value has no data.
func ErrorInfo(v Value) (*rayvalue.ErrorInfo, error) {
	if len(v.Data) == 0 {
		return nil, nil
	}
	inside, err := unpack(v.Data)
	if err != nil {
		return nil, fmt.Errorf("read error value: %w", err)
	}
	info := new(rayvalue.ErrorInfo)
	if err := proto.Unmarshal(inside, info); err != nil {
		return nil, fmt.Errorf("read error value: %w", err)
	}
	return info, nil
}

// TaskException reads an error value that an executor made: the exception of user code, pickled.
func TaskException(v Value) (*rayvalue.TaskException, error) {
	inside, err := unpack(v.Data)
	if err != nil {
		return nil, fmt.Errorf("read task exception: %w", err)
	}
	exc := new(rayvalue.TaskException)
	if err := proto.Unmarshal(inside, exc); err != nil {
		return nil, fmt.Errorf("read task exception: %w", err)
	}
	return exc, nil
}

// TaskCancelled is what a canceled task leaves (Python: TaskCancelledError). why may be empty.
func TaskCancelled(task ids.TaskID, why string) Value {
	says := "Task: " + task.String() + " was cancelled."
	if why != "" {
		says += " " + why
	}
	return withText(TaskCancelledType, says)
}

// WorkerDied is what a normal task leaves whose worker process ended under it (WorkerCrashedError). Ray sends no text;
// its readers skip ours.
func WorkerDied(how string) Value { return withText(WorkerDiedType, how) }

// EndOfStream marks that a generator has no more items.
func EndOfStream() Value { return ErrorValue(EndOfStreamType, nil) }

// OutOfMemory is what a task leaves whose worker was killed to free memory (OutOfMemoryError).
func OutOfMemory(how string) Value { return withText(OutOfMemoryType, how) }

// NodeDied is what a task leaves whose machine went away (NodeDiedError).
func NodeDied(how string) Value { return withText(NodeDiedType, how) }

// ObjectLost stands for a value that was there and is gone (ObjectLostError).
func ObjectLost(how string) Value { return withText(ObjectLostType, how) }

// Unreconstructable stands for a value that is gone and cannot be made again (ObjectReconstructionFailedError, or what kind
// says).
func Unreconstructable(kind ErrorType, how string) Value { return withText(kind, how) }

// ObjectFreed stands for a value that somebody refers to although its references had all gone (ObjectFreedError).
func ObjectFreed(how string) Value { return withText(ObjectFreedType, how) }

// OwnerDied stands for a value whose owner went away before it was made (OwnerDiedError).
func OwnerDied(how string) Value { return withText(OwnerDiedType, how) }

// DependencyFailed is what a task leaves that could not run because an argument has no value.
func DependencyFailed(how string) Value { return withText(DependencyFailedType, how) }

// OutOfDisk stands for a value that found no room (OutOfDiskError).
func OutOfDisk(how string) Value { return withText(OutOfDiskType, how) }

// TaskUnschedulable is what a task leaves that no machine can ever run (TaskUnschedulableError).
func TaskUnschedulable(why string) Value { return withText(TaskUnschedulableType, why) }

// ActorUnschedulable is what the calls of an actor leave that no machine can ever hold (ActorUnschedulableError).
func ActorUnschedulable(why string) Value { return withText(ActorUnschedulableType, why) }

// TaskGroupRemoved is what a task leaves whose placement group was removed before it ran (TaskPlacementGroupRemoved).
func TaskGroupRemoved(which string) Value { return withText(TaskGroupRemovedType, which) }

// ActorGroupRemoved is what the calls of an actor leave whose placement group was removed before it had a process
// (ActorPlacementGroupRemoved).
func ActorGroupRemoved(which string) Value { return withText(ActorGroupRemovedType, which) }

// RuntimeEnvSetupFailed is what a task or a call of an actor leaves whose environment could not be made
// (RuntimeEnvSetupError).
func RuntimeEnvSetupFailed(how string) Value { return withText(RuntimeEnvSetupFailedType, how) }

// WorkerStartupFailed is what a task leaves for which no worker process could be started (RaySystemError).
func WorkerStartupFailed(how string) Value { return withText(WorkerStartupFailedType, how) }

// LocalRayletDied is what tasks leave when the node they were submitted on is gone (LocalRayletDiedError).
func LocalRayletDied(how string) Value { return withText(LocalRayletDiedType, how) }

func withText(kind ErrorType, s string) Value {
	return ErrorValue(kind, &rayvalue.ErrorInfo{ErrorMessage: text(s)})
}
