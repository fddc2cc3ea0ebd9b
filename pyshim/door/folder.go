package door

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"
)

// ErrFolder is wrapped by every refusal of a session folder.
var ErrFolder = errors.New("the session folder is not safe")

// CheckFolder refuses a folder that another user could have made, entered or exchanged.
func CheckFolder(dir string) error {
	info, err := os.Lstat(dir) // not Stat: a symbolic link could be pointed elsewhere after the look
	if err != nil {
		return fmt.Errorf("%w: %w", ErrFolder, err)
	}
	if info.Mode()&fs.ModeSymlink != 0 {
		return fmt.Errorf("%w: %s is a symbolic link", ErrFolder, dir)
	}
	if !info.IsDir() {
		return fmt.Errorf("%w: %s is not a folder", ErrFolder, dir)
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return fmt.Errorf("%w: %s has no owner that can be read", ErrFolder, dir)
	}
	if int(stat.Uid) != os.Getuid() {
		return fmt.Errorf("%w: %s belongs to uid %d, this process to uid %d", ErrFolder, dir, stat.Uid, os.Getuid())
	}
	if mode := info.Mode().Perm(); mode&0o077 != 0 {
		return fmt.Errorf("%w: %s has mode %04o, which lets others in; 0700 is needed", ErrFolder, dir, mode)
	}
	return nil
}
