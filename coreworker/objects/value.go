package objects

import (
	"encoding/binary"
	"fmt"

	"github.com/mobula/mobula/coreworker/ids"
)

// Block is where bytes lie in the arena. The id is never used again; offset and extent are.
type Block struct {
	ID     uint64
	Offset uint64 // page-aligned
	Size   uint64 // bytes of data; what the block takes up is rounded up to whole pages
}

// Value is Ray's pair of data and metadata. It is not changed once it is in a Store.
type Value struct {
	Data      []byte // nil where Block is set
	Metadata  []byte
	Block     *Block         // the data lies in the arena
	Contained []ids.ObjectID // pickled inside
	IsError   bool           // what Metadata(Value.Metadata) says
	// Stored says that the value lies in a cluster's store and nothing of it is here: no data, no metadata, no block.
	Stored bool
}

// Size is the number of bytes of data, wherever they are.
func (v *Value) Size() uint64 {
	if v.Block != nil {
		return v.Block.Size
	}
	return uint64(len(v.Data))
}

// BlockIDs splits concatenated block ids, 8 bytes little-endian each, as Mutation.unpin and Mutation.discard carry them.
func BlockIDs(b []byte) ([]uint64, error) {
	if rest := len(b) % 8; rest != 0 {
		return nil, fmt.Errorf("block ids: want a multiple of 8 bytes, got %d (%d left over)", len(b), rest)
	}
	list := make([]uint64, len(b)/8)
	for i := range list {
		list[i] = binary.LittleEndian.Uint64(b[i*8:])
	}
	return list, nil
}
