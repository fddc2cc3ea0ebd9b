// Package ipc is the form that messages have on a Ray node's two unix sockets, the raylet's and the object store's: a frame
// of three numbers and a flatbuffer. It reads frames and tables that anybody may have written, and never trusts a length or an
// offset. It knows no message: which ones there are is each socket's own business.
package ipc

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// cookie begins every frame.
const cookie uint64 = 0x5241590000000000

const (
	header = 24
	// maxBody is far above any message of either socket: bytes of objects never pass through them.
	maxBody = 256 << 20
	// chunk is how much is made room for before it has come.
	chunk = 1 << 20
)

// ErrFrame is wrapped by every error about bytes that are no frame, or a body that is no flatbuffer.
var ErrFrame = errors.New("not a message of a Ray node")

// Append adds a frame to b.
func Append(b []byte, kind int64, body []byte) []byte {
	b = binary.LittleEndian.AppendUint64(b, cookie)
	b = binary.LittleEndian.AppendUint64(b, uint64(kind))
	b = binary.LittleEndian.AppendUint64(b, uint64(len(body)))
	return append(b, body...)
}

// Read reads one frame and no byte more: the store's socket carries bytes of another kind between frames. io.EOF says that the
// peer closed the socket between two frames.
func Read(r io.Reader) (kind int64, body []byte, err error) {
	var h [header]byte
	if _, err := io.ReadFull(r, h[:]); err != nil {
		return 0, nil, err
	}
	if got := binary.LittleEndian.Uint64(h[:]); got != cookie {
		return 0, nil, fmt.Errorf("%w: it begins with %#x", ErrFrame, got)
	}
	length := binary.LittleEndian.Uint64(h[16:])
	if length > maxBody {
		return 0, nil, fmt.Errorf("%w: a body of %d bytes", ErrFrame, length)
	}
	// A length alone makes no room: whoever names a large one has to send it.
	for left := int(length); left > 0; {
		part := min(left, chunk)
		at := len(body)
		body = append(body, make([]byte, part)...)
		if _, err := io.ReadFull(r, body[at:]); err != nil {
			if errors.Is(err, io.EOF) {
				err = io.ErrUnexpectedEOF
			}
			return 0, nil, err
		}
		left -= part
	}
	return int64(binary.LittleEndian.Uint64(h[8:])), body, nil
}
