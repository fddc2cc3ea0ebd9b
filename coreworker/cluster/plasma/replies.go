package plasma

import (
	"encoding/binary"
	"fmt"
	"math"

	"github.com/mobula/mobula/coreworker/cluster/internal/ipc"
	"github.com/mobula/mobula/coreworker/ids"
)

// file names a file of the store's memory within one connection. The store uses descriptors again, so they carry a number.
type file struct {
	descriptor int32
	unique     int64
}

// place is where an object lies.
type place struct {
	file           file
	data, dataSize uint64
	meta, metaSize uint64
	fallback       bool // in a file of its own
	device         int32
	mutable        bool
	absent         bool // there is none; the rest is zero
}

// within says whether the object lies in so many bytes.
func (p *place) within(size uint64) bool {
	return p.data <= size && p.dataSize <= size-p.data && p.meta <= size && p.metaSize <= size-p.meta
}

const (
	placeSize  = 80
	sizeAbsent = math.MaxUint64 // -1
)

// readPlace reads the struct that stands for an object: numbers at fixed offsets.
func readPlace(b []byte) place {
	le := binary.LittleEndian
	p := place{
		file: file{int32(le.Uint32(b)), int64(le.Uint64(b[8:]))},
		data: le.Uint64(b[24:]), dataSize: le.Uint64(b[32:]),
		meta: le.Uint64(b[40:]), metaSize: le.Uint64(b[48:]),
		fallback: b[64] != 0, device: int32(le.Uint32(b[68:])), mutable: b[72] != 0,
	}
	if p.dataSize == sizeAbsent {
		return place{absent: true}
	}
	return p
}

// mapping is a file that the store sends after a reply, unless it has sent it before.
type mapping struct {
	file file
	size uint64
}

// created answers createRequest and createRetryRequest.
type created struct {
	object  ids.ObjectID
	retry   uint64 // ask again with this number
	err     error
	place   place
	mapping mapping
}

func readCreated(body []byte) (r created, err error) {
	t := ipc.Root(body)
	raw := t.Bytes(0)
	r.retry = t.Uint64(1)
	r.err = refused(t.Int32(3))
	r.mapping = mapping{file{t.Int32(4), int64(t.Uint64(5))}, t.Uint64(6)}
	spec := t.Struct(2, placeSize)
	if err := t.Err(); err != nil {
		return r, err
	}
	if r.object, err = ids.Object(raw); err != nil {
		return r, fmt.Errorf("%w: %w", ipc.ErrFrame, err)
	}
	if r.retry != 0 || r.err != nil {
		return r, nil
	}
	if spec == nil {
		return r, fmt.Errorf("%w: an object was created nowhere", ipc.ErrFrame)
	}
	r.place = readPlace(spec)
	// The place names no file here: the store fills it in for others only.
	r.place.file = r.mapping.file
	if r.place.absent || r.place.device != 0 || !r.place.within(r.mapping.size) {
		return r, fmt.Errorf("%w: an object was created outside of its file", ipc.ErrFrame)
	}
	return r, nil
}

// got answers getRequest. Places are as many as objects.
type got struct {
	objects  []ids.ObjectID
	places   []place
	mappings []mapping
}

func readGot(body []byte) (r got, err error) {
	t := ipc.Root(body)
	for _, raw := range t.List(0) {
		id, err := ids.Object(raw)
		if err != nil {
			return r, fmt.Errorf("%w: %w", ipc.ErrFrame, err)
		}
		r.objects = append(r.objects, id)
	}
	places, descriptors, uniques, sizes := t.Vector(1, placeSize), t.Vector(2, 4), t.Vector(3, 8), t.Vector(4, 8)
	if err := t.Err(); err != nil {
		return r, err
	}
	if len(places) != len(r.objects)*placeSize || len(uniques) != 2*len(descriptors) || len(sizes) != 2*len(descriptors) {
		return r, fmt.Errorf("%w: %d objects in %d bytes of places, %d, %d and %d bytes of files",
			ipc.ErrFrame, len(r.objects), len(places), len(descriptors), len(uniques), len(sizes))
	}
	for ; len(places) > 0; places = places[placeSize:] {
		r.places = append(r.places, readPlace(places))
	}
	le := binary.LittleEndian
	for i := range len(descriptors) / 4 {
		f := file{int32(le.Uint32(descriptors[4*i:])), int64(le.Uint64(uniques[8*i:]))}
		r.mappings = append(r.mappings, mapping{f, le.Uint64(sizes[8*i:])})
	}
	return r, nil
}

// told is every other reply: about one object, or one number.
type told struct {
	object ids.ObjectID
	yes    bool // it has the object; the file is not needed any more
	err    error
}

func readSealed(body []byte) (told, error) {
	t := ipc.Root(body)
	return about(t, false, t.Int32(1))
}

func readAborted(body []byte) (told, error) { return about(ipc.Root(body), false, 0) }

func readContained(body []byte) (told, error) {
	t := ipc.Root(body)
	return about(t, t.Int32(1) != 0, 0)
}

func readReleased(body []byte) (told, error) {
	t := ipc.Root(body)
	return about(t, t.Bool(1), t.Int32(2))
}

func about(t *ipc.Table, yes bool, code int32) (r told, err error) {
	raw := t.Bytes(0)
	if err := t.Err(); err != nil {
		return r, err
	}
	id, err := ids.Object(raw)
	if err != nil {
		return r, fmt.Errorf("%w: %w", ipc.ErrFrame, err)
	}
	return told{id, yes, refused(code)}, nil
}

// readDeleted gives one error for each object, in their order; nil for what is deleted.
func readDeleted(body []byte, asked []ids.ObjectID) ([]error, error) {
	t := ipc.Root(body)
	objects, codes := t.List(1), t.Vector(2, 4)
	if err := t.Err(); err != nil {
		return nil, err
	}
	if len(objects) != len(asked) || len(codes) != 4*len(asked) {
		return nil, fmt.Errorf("%w: %d objects and %d bytes of errors for %d", ipc.ErrFrame, len(objects), len(codes), len(asked))
	}
	out := make([]error, len(asked))
	for i, id := range asked {
		if string(objects[i]) != string(id[:]) {
			return nil, fmt.Errorf("%w: an object was deleted that nobody named", ipc.ErrFrame)
		}
		out[i] = refused(int32(binary.LittleEndian.Uint32(codes[4*i:])))
	}
	return out, nil
}

func readConnected(body []byte) (capacity uint64, err error) {
	t := ipc.Root(body)
	capacity = t.Uint64(0)
	return capacity, t.Err()
}
