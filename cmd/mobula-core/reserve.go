package main

import (
	"errors"

	"golang.org/x/sys/unix"

	"github.com/mobula/mobula/coreworker/faults"
)

// reserve makes the pages of a range of the arena real, so that writing there cannot fail later with SIGBUS.
func reserve(fd int, offset, length uint64) error {
	if err := faults.Err("arena.reserve", unix.ENOSPC); err != nil {
		return err
	}
	for {
		err := unix.Fallocate(fd, 0, int64(offset), int64(length))
		if !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}
