package spill

import (
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"

	"golang.org/x/sys/unix"

	"github.com/mobula/mobula/coreworker/faults"
)

// Files is the Storage of a session: the arena's memory file and the file on disk, both without a name. Neither is ever
// shorter than what lies in it.
type Files struct {
	Arena int // descriptor
	Disk  *os.File
}

// step is how much is moved in one go.
const step = 8 << 20

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// WriteOut implements Storage.
func (f Files) WriteOut(memory, disk, size uint64) (uint32, error) {
	return f.eachPart(memory, disk, size, unix.PROT_READ, func(part []byte, at int64) error {
		if err := faults.Err("spill.write", unix.ENOSPC); err != nil {
			return err
		}
		_, err := f.Disk.WriteAt(part, at)
		return err
	})
}

// ReadBack implements Storage.
func (f Files) ReadBack(memory, disk, size uint64) (uint32, error) {
	return f.eachPart(memory, disk, size, unix.PROT_READ|unix.PROT_WRITE, func(part []byte, at int64) error {
		if err := faults.Err("spill.read", unix.EIO); err != nil {
			return err
		}
		_, err := f.Disk.ReadAt(part, at)
		return whole(err)
	})
}

// eachPart maps the arena's range in parts, and sums them once they were moved. Its pages are reserved, so touching them
// cannot fail.
func (f Files) eachPart(memory, disk, size uint64, access int, move func(part []byte, at int64) error) (sum uint32, err error) {
	for done := uint64(0); done < size; {
		n := min(size-done, step)
		err := faults.Err("spill.map", unix.ENOMEM)
		var part []byte
		if err == nil {
			part, err = unix.Mmap(f.Arena, int64(memory+done), int(n), access, unix.MAP_SHARED)
		}
		if err != nil {
			return 0, fmt.Errorf("map the object store: %w", err)
		}
		err = move(part, int64(disk+done))
		sum = crc32.Update(sum, castagnoli, part)
		if err := errors.Join(err, unix.Munmap(part)); err != nil {
			return 0, err
		}
		done += n
	}
	return sum, nil
}

// Check implements Storage: it reads all of it once.
func (f Files) Check(disk, size uint64) (sum uint32, err error) {
	if err := faults.Err("spill.check", unix.EIO); err != nil {
		return 0, err
	}
	part := make([]byte, min(size, step))
	for done := uint64(0); done < size; {
		n := min(size-done, step)
		if _, err := f.Disk.ReadAt(part[:n], int64(disk+done)); err != nil {
			return 0, whole(err)
		}
		sum = crc32.Update(sum, castagnoli, part[:n])
		done += n
	}
	return sum, nil
}

// Reserve implements Storage: writing to a map of the range cannot fail afterwards.
func (f Files) Reserve(disk, size uint64) error {
	if err := faults.Err("spill.reserve", unix.ENOSPC); err != nil {
		return err
	}
	return again(func() error { return unix.Fallocate(int(f.Disk.Fd()), 0, int64(disk), int64(size)) })
}

// Erase implements Storage.
func (f Files) Erase(disk, size uint64) error {
	if err := faults.Err("spill.erase", unix.EIO); err != nil {
		return err
	}
	return again(func() error {
		return unix.Fallocate(int(f.Disk.Fd()), unix.FALLOC_FL_PUNCH_HOLE|unix.FALLOC_FL_KEEP_SIZE, int64(disk), int64(size))
	})
}

func again(call func() error) error {
	for {
		if err := call(); !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}

// whole says in words that the file ended before what lies in it.
func whole(err error) error {
	if errors.Is(err, io.EOF) {
		return fmt.Errorf("the file for spilling was cut short: %w", io.ErrUnexpectedEOF)
	}
	return err
}
