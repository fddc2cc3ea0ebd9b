package objects

import (
	"bytes"
	"fmt"
	"strconv"
)

// ErrorType is Ray's number for the kind of a failure. It is the metadata of the value, in decimal.
type ErrorType int32

// Ray's numbers; 2 was never given out.
const (
	WorkerDiedType             ErrorType = 0
	ActorDiedType              ErrorType = 1
	TaskExecutionExceptionType ErrorType = 3 // made by the executor: only Python can
	objectInPlasma             ErrorType = 4 // a marker, not an error
	TaskCancelledType          ErrorType = 5
	ActorCreationFailedType    ErrorType = 6
	RuntimeEnvSetupFailedType  ErrorType = 7
	ObjectLostType             ErrorType = 8
	OwnerDiedType              ErrorType = 9
	ObjectDeletedType          ErrorType = 10
	DependencyFailedType       ErrorType = 11
	// Why a lost object was not made again.
	ReconstructionExhaustedType     ErrorType = 12
	ReconstructionEvictedType       ErrorType = 13
	UnreconstructablePutType        ErrorType = 27
	UnreconstructableMaxRetriesType ErrorType = 28
	UnreconstructableRefType        ErrorType = 30

	ObjectFetchTimedOutType ErrorType = 14
	LocalRayletDiedType     ErrorType = 15
	TaskGroupRemovedType    ErrorType = 16
	ActorGroupRemovedType   ErrorType = 17
	TaskUnschedulableType   ErrorType = 18
	ActorUnschedulableType  ErrorType = 19
	OutOfDiskType           ErrorType = 20
	ObjectFreedType         ErrorType = 21
	OutOfMemoryType         ErrorType = 22
	NodeDiedType            ErrorType = 23
	EndOfStreamType         ErrorType = 24 // a mark: what follows the last item of a stream
	ActorUnavailableType    ErrorType = 25
	WorkerStartupFailedType ErrorType = 33
)

// String gives the number, as it stands in the metadata.
func (t ErrorType) String() string { return strconv.Itoa(int(t)) }

// Metadata says whether a value with this metadata is an error, and which. Metadata is fields with commas between;
// the first decides: a decimal number is an error type, except the one that marks a value kept in plasma.
func Metadata(metadata []byte) (ErrorType, bool) {
	field, _, _ := bytes.Cut(metadata, []byte(","))
	if len(field) == 0 || len(field) > 9 {
		return 0, false
	}
	n := ErrorType(0)
	for _, c := range field {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = n*10 + ErrorType(c-'0')
	}
	return n, n != objectInPlasma
}

// known are the metadata that nearly all values have. Sharing one copy of each saves a small allocation per object.
var known = func() map[string][]byte {
	m := make(map[string][]byte)
	for _, s := range []string{"PYTHON", "RAW", "XLANG", "ACTOR_HANDLE"} {
		m[s] = []byte(s)
	}
	for n := range 35 {
		s := fmt.Sprint(n)
		m[s] = []byte(s)
	}
	return m
}()

func intern(metadata []byte) []byte {
	if shared, ok := known[string(metadata)]; ok {
		return shared
	}
	return metadata
}
