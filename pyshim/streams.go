package pyshim

import (
	"encoding/binary"
	"fmt"

	"github.com/mobula/mobula/coreworker"
	"github.com/mobula/mobula/coreworker/ids"
	pb "github.com/mobula/mobula/proto/boundary"
)

// maxItems is the highest index of an item: the ids of puts begin beyond.
const maxItems = ids.PutIndexBase - 4

func (l *lane) decodeItem(m *pb.GeneratorItem) (func(), error) {
	if l.process.Role != coreworker.Worker {
		return nil, fmt.Errorf("an item from a process that runs no tasks")
	}
	id, err := ids.Task(m.GetTaskId())
	if err != nil {
		return nil, err
	}
	if m.Index > maxItems {
		return nil, fmt.Errorf("task %s: item %d, at most %d", id, m.Index, maxItems)
	}
	v, err := decodeValue(m.GetValue())
	if err != nil {
		return nil, err
	}
	index := int(m.Index)
	return func() { l.process.Item(id, index, v) }, nil
}

// dropLen is the length of one entry of Mutation.drop_streams.
const dropLen = ids.ObjectLen + 4

func (l *lane) decodeDropStreams(list []byte) (func(), error) {
	if len(list)%dropLen != 0 {
		return nil, fmt.Errorf("dropped streams: %d bytes are not a multiple of %d", len(list), dropLen)
	}
	type drop struct {
		id    ids.ObjectID
		taken int
	}
	drops := make([]drop, 0, len(list)/dropLen)
	for ; len(list) > 0; list = list[dropLen:] {
		id, err := ids.Object(list[:ids.ObjectLen])
		if err != nil {
			return nil, err
		}
		drops = append(drops, drop{id, int(binary.LittleEndian.Uint32(list[ids.ObjectLen:]))})
	}
	return func() {
		for _, d := range drops {
			l.process.DropStream(d.id, d.taken)
		}
	}, nil
}

func (l *lane) decodeNextItems(id uint64, q *pb.NextItems) (func(), error) {
	obj, err := ids.Object(q.GetObjectId())
	if err != nil {
		return nil, err
	}
	if obj.IsPut() || obj.Index() < 2 {
		return nil, fmt.Errorf("%s is not an item of a generator", obj)
	}
	asker, err := l.asker(q.TaskId, q.Told)
	if err != nil {
		return nil, err
	}
	timeout, limited := limit(q.TimeoutMs)
	most := int(q.Most)
	return func() {
		l.hold(id, func() func() {
			return l.server.core.NextItems(asker, obj, most, timeout, limited, func(i coreworker.Items) { l.answer(id, encodeItems(i)) })
		})
	}, nil
}

func (l *lane) decodeDemand(id uint64, q *pb.Demand) (func(), error) {
	obj, err := ids.Object(q.GetObjectId())
	if err != nil {
		return nil, err
	}
	// A producer is not told between its items: whatever it knows, it has nothing to wait for any more.
	asker, err := l.asker(q.TaskId, false)
	if err != nil {
		return nil, err
	}
	produced := int(q.Produced)
	return func() {
		l.hold(id, func() func() {
			return l.server.core.Demand(asker, obj, produced, func(canceled bool) {
				if canceled {
					l.answer(id, canceledReply())
					return
				}
				l.answer(id, &pb.Reply{})
			})
		})
	}, nil
}

func encodeItems(i coreworker.Items) *pb.Reply {
	if i.Canceled {
		return canceledReply()
	}
	out := &pb.ItemsReply{TimedOut: i.TimedOut, Ended: i.Ended, Failed: i.Failed, Values: make([]*pb.Value, len(i.Values))}
	for n, v := range i.Values {
		// What is in the arena is fetched when it is read: a value that is never read needs no pin.
		out.Values[n] = &pb.Value{}
		if v.Block == nil {
			out.Values[n] = &pb.Value{Data: v.Data, Metadata: v.Metadata}
		}
	}
	return &pb.Reply{Kind: &pb.Reply_Items{Items: out}}
}

func canceledReply() *pb.Reply {
	return &pb.Reply{Error: "the task that waits here was canceled", ErrorKind: pb.ErrorKind_ERROR_CANCELED}
}
