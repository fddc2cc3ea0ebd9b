package raylet

import (
	"fmt"
	"strings"

	flatbuffers "github.com/google/flatbuffers/go"

	"github.com/mobula/mobula/coreworker/ids"
)

// kind is Ray's number of a message on a raylet's socket. The constants are all there are of this type in the program.
type kind int64

// Of the numbers from 0 to 16 these are used. Those that a raylet sends are never sent to it.
const (
	kindRegister       kind = 1
	kindRegistered     kind = 2
	kindAnnouncePort   kind = 3
	kindPortAnnounced  kind = 4
	kindDisconnect     kind = 5
	kindDisconnected   kind = 6
	kindFetch          kind = 7
	kindCancelFetch    kind = 8
	kindWait           kind = 11
	kindWaited         kind = 12
	kindSubscribeReady kind = 16
)

// message is what can be sent. Only the types below are messages.
type message interface {
	kind() kind
	build(*flatbuffers.Builder) flatbuffers.UOffsetT
}

// encode is the flatbuffer of a message.
func encode(m message) []byte {
	b := flatbuffers.NewBuilder(256)
	b.Finish(m.build(b))
	return b.FinishedBytes()
}

// Numbers that stand in the table of a registration.
const (
	workerTypeDriver = 1
	languagePython   = 0
)

// registerRequest makes this connection a driver's. Its job configuration has been marshaled by Conn.
type registerRequest struct {
	worker    ids.WorkerID
	job       ids.JobID
	pid       int
	ip        string
	jobConfig []byte
}

func (*registerRequest) kind() kind { return kindRegister }

func (m *registerRequest) build(b *flatbuffers.Builder) flatbuffers.UOffsetT {
	worker, job, ip, config := b.CreateByteString(m.worker[:]), b.CreateByteString(m.job[:]), str(b, m.ip), b.CreateByteString(m.jobConfig)
	b.StartObject(9)
	b.PrependInt32Slot(0, workerTypeDriver, 0)
	b.PrependUOffsetTSlot(1, worker, 0)
	b.PrependInt64Slot(2, int64(m.pid), 0)
	b.PrependUOffsetTSlot(3, job, 0)
	b.PrependInt32Slot(4, 0, 0) // of a runtime environment: a driver was started in none
	b.PrependInt32Slot(5, languagePython, 0)
	b.PrependUOffsetTSlot(6, ip, 0)
	b.PrependInt32Slot(7, 0, 0) // the port comes later
	b.PrependUOffsetTSlot(8, config, 0)
	return b.EndObject()
}

// announceRequest tells where the driver serves. The raylet then enters the job into the cluster's table.
type announceRequest struct {
	port       uint16
	entrypoint string
}

func (*announceRequest) kind() kind { return kindAnnouncePort }

func (m *announceRequest) build(b *flatbuffers.Builder) flatbuffers.UOffsetT {
	entrypoint := str(b, m.entrypoint)
	b.StartObject(2)
	b.PrependInt32Slot(0, int32(m.port), 0)
	b.PrependUOffsetTSlot(1, entrypoint, 0)
	return b.EndObject()
}

// exitIntended is Ray's WorkerExitType of a driver whose program has ended.
const exitIntended = 3

// disconnectRequest says that the driver leaves of its own will.
type disconnectRequest struct{ detail string }

func (*disconnectRequest) kind() kind { return kindDisconnect }

func (m *disconnectRequest) build(b *flatbuffers.Builder) flatbuffers.UOffsetT {
	detail := str(b, m.detail)
	b.StartObject(3)
	b.PrependInt32Slot(0, exitIntended, 0)
	b.PrependUOffsetTSlot(1, detail, 0)
	return b.EndObject()
}

// fetchRequest asks for copies of objects in this node's store.
type fetchRequest struct {
	refs []Ref
	id   int64
}

func (*fetchRequest) kind() kind { return kindFetch }

func (m *fetchRequest) build(b *flatbuffers.Builder) flatbuffers.UOffsetT {
	objects, owners := refVectors(b, m.refs)
	b.StartObject(3)
	b.PrependUOffsetTSlot(0, objects, 0)
	b.PrependUOffsetTSlot(1, owners, 0)
	b.PrependInt64Slot(2, m.id, 0)
	return b.EndObject()
}

// cancelFetchRequest takes a fetchRequest back.
type cancelFetchRequest struct{ id int64 }

func (*cancelFetchRequest) kind() kind { return kindCancelFetch }

func (m *cancelFetchRequest) build(b *flatbuffers.Builder) flatbuffers.UOffsetT {
	b.StartObject(1)
	b.PrependInt64Slot(0, m.id, 0)
	return b.EndObject()
}

// waitRequest asks which objects are in this node's store, once enough of them are. Only prepareWait makes one.
type waitRequest struct {
	refs      []Ref
	required  int
	timeoutMS int64
}

// prepareWait makes true what a raylet checks and dies of: no id comes twice, at least one object is asked for and at most as
// many as there are, and the time is not negative unless it is -1, for ever. ok is false where there is nothing to ask.
func prepareWait(refs []Ref, required int, timeoutMS int64) (m *waitRequest, ok bool) {
	seen := make(map[ids.ObjectID]struct{}, len(refs))
	once := make([]Ref, 0, len(refs))
	for _, r := range refs {
		if _, twice := seen[r.Object]; !twice {
			seen[r.Object] = struct{}{}
			once = append(once, r)
		}
	}
	if len(once) == 0 {
		return nil, false
	}
	return &waitRequest{refs: once, required: min(max(required, 1), len(once)), timeoutMS: max(timeoutMS, -1)}, true
}

func (*waitRequest) kind() kind { return kindWait }

func (m *waitRequest) build(b *flatbuffers.Builder) flatbuffers.UOffsetT {
	objects, owners := refVectors(b, m.refs)
	b.StartObject(4)
	b.PrependUOffsetTSlot(0, objects, 0)
	b.PrependUOffsetTSlot(1, owners, 0)
	b.PrependInt32Slot(2, int32(m.required), 0)
	b.PrependInt64Slot(3, m.timeoutMS, 0)
	return b.EndObject()
}

// subscribeReadyRequest asks for a PlasmaObjectReady call when the object is in this node's store.
type subscribeReadyRequest struct{ ref Ref }

func (*subscribeReadyRequest) kind() kind { return kindSubscribeReady }

func (m *subscribeReadyRequest) build(b *flatbuffers.Builder) flatbuffers.UOffsetT {
	object, owner := b.CreateByteString(m.ref.Object[:]), address(b, m.ref.Owner)
	b.StartObject(2)
	b.PrependUOffsetTSlot(0, object, 0)
	b.PrependUOffsetTSlot(1, owner, 0)
	return b.EndObject()
}

func address(b *flatbuffers.Builder, a Address) flatbuffers.UOffsetT {
	node, ip, worker := b.CreateByteString(a.Node[:]), str(b, a.IP), b.CreateByteString(a.Worker[:])
	b.StartObject(4)
	b.PrependUOffsetTSlot(0, node, 0)
	b.PrependUOffsetTSlot(1, ip, 0)
	b.PrependInt32Slot(2, int32(a.Port), 0)
	b.PrependUOffsetTSlot(3, worker, 0)
	return b.EndObject()
}

// refVectors are the objects and, as many, their owners.
func refVectors(b *flatbuffers.Builder, refs []Ref) (objects, owners flatbuffers.UOffsetT) {
	each := func(one func(Ref) flatbuffers.UOffsetT) flatbuffers.UOffsetT {
		offsets := make([]flatbuffers.UOffsetT, len(refs))
		for i, r := range refs {
			offsets[i] = one(r)
		}
		return b.CreateVectorOfTables(offsets)
	}
	objects = each(func(r Ref) flatbuffers.UOffsetT { return b.CreateByteString(r.Object[:]) })
	owners = each(func(r Ref) flatbuffers.UOffsetT { return address(b, r.Owner) })
	return objects, owners
}

// str makes text fit for what a raylet copies into protobufs.
func str(b *flatbuffers.Builder, s string) flatbuffers.UOffsetT {
	return b.CreateString(strings.ToValidUTF8(s, "\uFFFD"))
}

// Address names one core worker.
type Address struct {
	Node   ids.NodeID
	IP     string
	Port   uint16
	Worker ids.WorkerID
}

func (a Address) String() string { return fmt.Sprintf("%s:%d/%s", a.IP, a.Port, a.Worker) }

// Ref is an object and who owns it.
type Ref struct {
	Object ids.ObjectID
	Owner  Address
}
