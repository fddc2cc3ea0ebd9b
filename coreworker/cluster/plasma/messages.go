package plasma

import (
	"strings"

	flatbuffers "github.com/google/flatbuffers/go"

	"github.com/mobula/mobula/coreworker/ids"
)

// kind is the store's number of a message. The constants are all there are of this type in the program.
type kind int64

const (
	kindCreate      kind = 1
	kindCreateRetry kind = 2
	kindCreated     kind = 3
	kindAbort       kind = 4
	kindAborted     kind = 5
	kindSeal        kind = 6
	kindSealed      kind = 7
	kindGet         kind = 8
	kindGot         kind = 9
	kindRelease     kind = 10
	kindReleased    kind = 11
	kindDelete      kind = 12
	kindDeleted     kind = 13
	kindContains    kind = 14
	kindContained   kind = 15
	kindConnect     kind = 16
	kindConnected   kind = 17
	kindNone        kind = -1 // no reply comes
)

// Numbers that stand in requests.
const (
	sourceFromWorker = 0
	maxTimeoutMS     = int64(1) << 40
)

// message is what can be sent. Only the types below are messages.
type message interface {
	kind() kind
	reply() kind
	build(*flatbuffers.Builder) flatbuffers.UOffsetT
}

func encode(m message) []byte {
	b := flatbuffers.NewBuilder(256)
	b.Finish(m.build(b))
	return b.FinishedBytes()
}

// connectRequest comes first; its answer is the store's size.
type connectRequest struct{}

func (connectRequest) kind() kind  { return kindConnect }
func (connectRequest) reply() kind { return kindConnected }

func (connectRequest) build(b *flatbuffers.Builder) flatbuffers.UOffsetT {
	b.StartObject(0)
	return b.EndObject()
}

// Owner is whose object it is: the store reports its place there.
type Owner struct {
	Node   ids.NodeID
	IP     string
	Port   uint16
	Worker ids.WorkerID
}

// createRequest asks for room.
type createRequest struct {
	object         ids.ObjectID
	owner          Owner
	data, metadata uint64
	immediately    bool
}

func (*createRequest) kind() kind  { return kindCreate }
func (*createRequest) reply() kind { return kindCreated }

func (m *createRequest) build(b *flatbuffers.Builder) flatbuffers.UOffsetT {
	object, node, ip := b.CreateByteString(m.object[:]), b.CreateByteString(m.owner.Node[:]), b.CreateString(strings.ToValidUTF8(m.owner.IP, "\uFFFD"))
	worker := b.CreateByteString(m.owner.Worker[:])
	b.StartObject(11)
	b.PrependUOffsetTSlot(0, object, 0)
	b.PrependUOffsetTSlot(1, node, 0)
	b.PrependUOffsetTSlot(2, ip, 0)
	b.PrependInt32Slot(3, int32(m.owner.Port), 0)
	b.PrependUOffsetTSlot(4, worker, 0)
	b.PrependBoolSlot(5, false, false) // no channel of a compiled graph
	b.PrependUint64Slot(6, m.data, 0)
	b.PrependUint64Slot(7, m.metadata, 0)
	b.PrependInt32Slot(8, sourceFromWorker, 0)
	b.PrependInt32Slot(9, 0, 0) // in memory, not on a device
	b.PrependBoolSlot(10, m.immediately, false)
	return b.EndObject()
}

// createRetryRequest asks again what became of a createRequest.
type createRetryRequest struct {
	object  ids.ObjectID
	request uint64
}

func (*createRetryRequest) kind() kind  { return kindCreateRetry }
func (*createRetryRequest) reply() kind { return kindCreated }

func (m *createRetryRequest) build(b *flatbuffers.Builder) flatbuffers.UOffsetT {
	object := b.CreateByteString(m.object[:])
	b.StartObject(2)
	b.PrependUOffsetTSlot(0, object, 0)
	b.PrependUint64Slot(1, m.request, 0)
	return b.EndObject()
}

// sealRequest ends the writing of an object that this connection created.
type sealRequest struct{ object ids.ObjectID }

func (*sealRequest) kind() kind  { return kindSeal }
func (*sealRequest) reply() kind { return kindSealed }

func (m *sealRequest) build(b *flatbuffers.Builder) flatbuffers.UOffsetT { return only(b, m.object) }

// abortRequest gives up an object that this connection created and did not seal.
type abortRequest struct{ object ids.ObjectID }

func (*abortRequest) kind() kind  { return kindAbort }
func (*abortRequest) reply() kind { return kindAborted }

func (m *abortRequest) build(b *flatbuffers.Builder) flatbuffers.UOffsetT { return only(b, m.object) }

// getRequest asks for objects, within a time.
type getRequest struct {
	objects   []ids.ObjectID
	timeoutMS int64
}

func (*getRequest) kind() kind  { return kindGet }
func (*getRequest) reply() kind { return kindGot }

func (m *getRequest) build(b *flatbuffers.Builder) flatbuffers.UOffsetT {
	objects := list(b, m.objects)
	b.StartObject(2)
	b.PrependUOffsetTSlot(0, objects, 0)
	b.PrependInt64Slot(1, min(max(m.timeoutMS, 0), maxTimeoutMS), 0)
	return b.EndObject()
}

// releaseRequest says that this connection does not use the object any more. An object of the fallback lies in a file of its
// own, which the store takes back from the connection: it ends its process where the client has not said that it knows.
type releaseRequest struct {
	object   ids.ObjectID
	fallback bool
}

func (*releaseRequest) kind() kind { return kindRelease }

func (m *releaseRequest) reply() kind {
	if m.fallback {
		return kindReleased
	}
	return kindNone
}

func (m *releaseRequest) build(b *flatbuffers.Builder) flatbuffers.UOffsetT {
	object := b.CreateByteString(m.object[:])
	b.StartObject(2)
	b.PrependUOffsetTSlot(0, object, 0)
	b.PrependBoolSlot(1, m.fallback, false)
	return b.EndObject()
}

// deleteRequest takes objects out of the store.
type deleteRequest struct{ objects []ids.ObjectID }

func (*deleteRequest) kind() kind  { return kindDelete }
func (*deleteRequest) reply() kind { return kindDeleted }

func (m *deleteRequest) build(b *flatbuffers.Builder) flatbuffers.UOffsetT {
	objects := list(b, m.objects)
	b.StartObject(2)
	b.PrependInt32Slot(0, int32(len(m.objects)), 0)
	b.PrependUOffsetTSlot(1, objects, 0)
	return b.EndObject()
}

// containsRequest asks whether the store has an object, sealed.
type containsRequest struct{ object ids.ObjectID }

func (*containsRequest) kind() kind  { return kindContains }
func (*containsRequest) reply() kind { return kindContained }

func (m *containsRequest) build(b *flatbuffers.Builder) flatbuffers.UOffsetT {
	return only(b, m.object)
}

// only is a table of one field, an id.
func only(b *flatbuffers.Builder, object ids.ObjectID) flatbuffers.UOffsetT {
	id := b.CreateByteString(object[:])
	b.StartObject(1)
	b.PrependUOffsetTSlot(0, id, 0)
	return b.EndObject()
}

func list(b *flatbuffers.Builder, objects []ids.ObjectID) flatbuffers.UOffsetT {
	offsets := make([]flatbuffers.UOffsetT, len(objects))
	for i := range objects {
		offsets[i] = b.CreateByteString(objects[i][:])
	}
	return b.CreateVectorOfTables(offsets)
}
