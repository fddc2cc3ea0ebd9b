package plasma

import (
	"errors"
	"fmt"
	"net"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"github.com/mobula/mobula/coreworker/cluster/internal/ipc"
)

// segment is a file of the store's memory, mapped. The connection and every object that lies in it hold it; the last unmaps it.
type segment struct {
	fd    int
	bytes []byte
	users atomic.Int64
}

// mapSegment takes the descriptor over. What it maps is what the file has: a page behind its end kills who touches it.
func mapSegment(fd int, size uint64) (*segment, error) {
	var stat unix.Stat_t
	if err := unix.Fstat(fd, &stat); err != nil {
		return nil, errors.Join(fmt.Errorf("plasma: a file of the store: %w", err), unix.Close(fd))
	}
	size = min(size, uint64(max(stat.Size, 0)))
	if size == 0 || size > 1<<62 {
		return nil, errors.Join(fmt.Errorf("%w: a file of %d bytes", ipc.ErrFrame, size), unix.Close(fd))
	}
	bytes, err := unix.Mmap(fd, 0, int(size), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("plasma: map %d bytes of the store: %w", size, err), unix.Close(fd))
	}
	s := &segment{fd: fd, bytes: bytes}
	s.users.Store(1)
	return s, nil
}

func (s *segment) retain() *segment {
	s.users.Add(1)
	return s
}

func (s *segment) release() error {
	if s.users.Add(-1) > 0 {
		return nil
	}
	return errors.Join(unix.Munmap(s.bytes), unix.Close(s.fd))
}

// part is the object's data and its metadata. Appending to either never reaches what lies behind it.
func (s *segment) part(p place) (data, meta []byte) {
	return s.bytes[p.data : p.data+p.dataSize : p.data+p.dataSize], s.bytes[p.meta : p.meta+p.metaSize : p.meta+p.metaSize]
}

// receive reads the one byte that carries a file.
func receive(c *net.UnixConn) (fd int, err error) {
	var one [1]byte
	rights := make([]byte, unix.CmsgSpace(8*4)) // more than one is an error, and would stay open unseen
	n, got, _, _, err := c.ReadMsgUnix(one[:], rights)
	if err != nil {
		return 0, fmt.Errorf("a file of the store: %w", err)
	}
	var fds []int
	messages, err := unix.ParseSocketControlMessage(rights[:got])
	for i := range messages {
		more, wrong := unix.ParseUnixRights(&messages[i])
		fds, err = append(fds, more...), errors.Join(err, wrong)
	}
	if err == nil && n == 1 && len(fds) == 1 {
		return fds[0], nil
	}
	for _, fd := range fds {
		err = errors.Join(err, unix.Close(fd))
	}
	return 0, errors.Join(fmt.Errorf("%w: %d bytes and %d files where one file was due", ipc.ErrFrame, n, len(fds)), err)
}
