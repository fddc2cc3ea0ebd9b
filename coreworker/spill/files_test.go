package spill

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/mobula/mobula/coreworker/objects"
)

func files(t *testing.T) Files {
	t.Helper()
	arena, err := unix.MemfdCreate("test-arena", unix.MFD_CLOEXEC)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(arena) })
	if err := unix.Ftruncate(arena, 64<<20); err != nil {
		t.Fatal(err)
	}
	disk, err := os.OpenFile(filepath.Join(t.TempDir(), "disk"), os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { disk.Close() })
	return Files{Arena: arena, Disk: disk}
}

// What goes out comes back to another place, whatever its length; and the file system has its space again after Erase.
func TestOutAndBack(t *testing.T) {
	f := files(t)
	for _, size := range []uint64{1, 4095, 4096, 4097, step, 2*step + 5} {
		data := bytes.Repeat([]byte("mobula7"), int(size/7)+1)[:size]
		if _, err := unix.Pwrite(f.Arena, data, 4096); err != nil {
			t.Fatal(err)
		}
		sum, err := f.WriteOut(4096, 8192, size)
		if err != nil {
			t.Fatal(err)
		}
		back, err := f.ReadBack(32<<20, 8192, size)
		checked, err2 := f.Check(8192, size)
		if err != nil || err2 != nil || back != sum || checked != sum {
			t.Fatalf("%d bytes: sums %d, %d, %d, errors %v, %v", size, sum, back, checked, err, err2)
		}
		got := make([]byte, size)
		if _, err := unix.Pread(f.Arena, got, 32<<20); err != nil || !bytes.Equal(got, data) {
			t.Fatalf("%d bytes came back changed: %v", size, err)
		}
	}
	if err := f.Reserve(0, 1<<20); err != nil {
		t.Fatal(err)
	}
	if err := f.Erase(0, 64<<20); err != nil {
		t.Fatal(err)
	}
	var stat unix.Stat_t
	if err := unix.Fstat(int(f.Disk.Fd()), &stat); err != nil || stat.Blocks != 0 {
		t.Errorf("%d blocks are left: %v", stat.Blocks, err)
	}
}

func TestAFileThatWasCutShort(t *testing.T) {
	f := files(t)
	if _, err := f.WriteOut(0, 0, 10000); err != nil {
		t.Fatal(err)
	}
	if err := f.Disk.Truncate(9000); err != nil {
		t.Fatal(err)
	}
	if _, err := f.ReadBack(0, 0, 10000); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("read back: %v", err)
	}
	if _, err := f.Check(0, 10000); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("check: %v", err)
	}
}

// A worker does jobs in order, says what a changed byte is, and after Close tells nobody any more.
func TestWorker(t *testing.T) {
	f := files(t)
	w := Start(f)
	ended := make(chan error)
	do := func(j *objects.Job) error {
		w.Do(j, func(err error) { ended <- err })
		return <-ended
	}
	out := &objects.Job{Kind: objects.WriteOut, Size: 5000}
	if err := do(out); err != nil || out.Sum == 0 {
		t.Fatal(err, out.Sum)
	}
	if err := do(&objects.Job{Kind: objects.ReadBack, Size: 5000, Sum: out.Sum}); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Disk.WriteAt([]byte{1}, 4999); err != nil {
		t.Fatal(err)
	}
	if err := do(&objects.Job{Kind: objects.Check, Size: 5000, Sum: out.Sum}); !errors.Is(err, errChanged) {
		t.Errorf("a changed byte: %v", err)
	}
	if err := errors.Join(do(&objects.Job{Kind: objects.Reserve, Size: 5000}), do(&objects.Job{Kind: objects.Erase, Size: 8192})); err != nil {
		t.Fatal(err)
	}
	w.Close()
	w.Do(out, func(error) { t.Error("told after Close") })
}
