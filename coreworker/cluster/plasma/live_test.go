package plasma_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/mobula/mobula/coreworker/cluster/internal/stock"
	"github.com/mobula/mobula/coreworker/cluster/plasma"
	"github.com/mobula/mobula/coreworker/ids"
)

func TestMain(m *testing.M) { stock.Main(m) }

const patience = 60 * time.Second

func patient(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}

// live is a connection to a stock store, and an owner that nobody is: what the raylet tells it comes to a port without a server.
type live struct {
	*testing.T
	*plasma.Client
	cluster *stock.Cluster
	owner   plasma.Owner
	task    ids.TaskID
	last    uint32
}

func join(t *testing.T) *live {
	t.Helper()
	cluster := stock.Shared(t)
	client, err := plasma.Dial(patient(t), cluster.Nodes[0].StoreSocket)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := client.Close(); err != nil {
			t.Error(err)
		}
	})
	// A port that is bound and does not listen: nobody else gets it.
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Close(fd) })
	ip := net.ParseIP(cluster.Nodes[0].IP).To4()
	if err := unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte(ip)}); err != nil {
		t.Fatal(err)
	}
	bound, err := unix.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	job := ids.JobFromInt(77)
	return &live{T: t, Client: client, cluster: cluster, task: ids.NewTaskID(job),
		owner: plasma.Owner{Node: ids.NewNodeID(), IP: ip.String(), Port: uint16(bound.(*unix.SockaddrInet4).Port), Worker: ids.NewWorkerID()}}
}

func (l *live) id() ids.ObjectID {
	l.last++
	return l.task.Put(0, l.last)
}

func (l *live) create(id ids.ObjectID, data, meta string, room plasma.Room) *plasma.Creation {
	l.Helper()
	n, err := l.Create(patient(l.T), id, l.owner, uint64(len(data)), uint64(len(meta)), room)
	if err != nil {
		l.Fatal(err)
	}
	copy(n.Data, data)
	copy(n.Metadata, meta)
	return n
}

func (l *live) put(id ids.ObjectID, data, meta string) *plasma.Object {
	l.Helper()
	o, err := l.create(id, data, meta, plasma.Spill).Seal(patient(l.T))
	if err != nil {
		l.Fatal(err)
	}
	return o
}

// blank is an object of zeros that were never written, which cost nobody anything.
func (l *live) blank(size uint64) *plasma.Object {
	l.Helper()
	n, err := l.Create(patient(l.T), l.id(), l.owner, size, 0, plasma.Spill)
	if err != nil {
		l.Fatal(err)
	}
	o, err := n.Seal(patient(l.T))
	if err != nil {
		l.Fatal(err)
	}
	return o
}

func (l *live) get(wait time.Duration, list ...ids.ObjectID) []*plasma.Object {
	l.Helper()
	out, err := l.Get(patient(l.T), list, wait)
	if err != nil {
		l.Fatal(err)
	}
	return out
}

func (l *live) release(list ...*plasma.Object) {
	l.Helper()
	for _, o := range list {
		if err := o.Release(); err != nil {
			l.Error(err)
		}
	}
}

func (l *live) contains(id ids.ObjectID) bool {
	l.Helper()
	yes, err := l.Contains(patient(l.T), id)
	if err != nil {
		l.Fatal(err)
	}
	return yes
}

func (l *live) delete(list ...ids.ObjectID) error { return l.Delete(patient(l.T), list...) }

func TestAnObjectComesAndGoes(t *testing.T) {
	l, other := join(t), join(t)
	if l.Capacity() < 100<<20 {
		t.Errorf("a store of %d bytes", l.Capacity())
	}
	id := l.id()
	if l.contains(id) || l.get(0, id)[0] != nil {
		t.Fatal("it is there before it was put")
	}
	written := l.create(id, "the value", "RAW", plasma.Spill)
	if l.contains(id) {
		t.Error("the store has it before it is sealed")
	}
	if _, err := other.Create(patient(t), id, other.owner, 1, 1, plasma.Spill); !errors.Is(err, plasma.ErrExists) {
		t.Errorf("a second creation: %v", err)
	}
	mine, err := written.Seal(patient(t))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := written.Seal(patient(t)); err == nil {
		t.Error("sealed twice")
	}
	if err := written.Abort(); err == nil {
		t.Error("aborted after the seal")
	}
	theirs := other.get(0, id, id)
	for _, o := range theirs {
		if string(o.Data) != "the value" || string(o.Metadata) != "RAW" || o.ID != id {
			t.Errorf("got %q %q", o.Data, o.Metadata)
		}
	}
	if !l.contains(id) || other.Held() != 1 {
		t.Errorf("held: %d", other.Held())
	}
	if err := l.delete(id); !errors.Is(err, plasma.ErrInUse) {
		t.Errorf("deleted what is used: %v", err)
	}
	other.release(theirs...)
	other.release(theirs...) // does nothing
	if string(mine.Data) != "the value" {
		t.Error("it is overwritten while it is used")
	}
	l.release(mine)
	if l.Held() != 0 || other.Held() != 0 {
		t.Error("something is held")
	}
	if l.contains(id) { // the store deletes what it was asked to when the last user leaves
		t.Error("it is not deleted")
	}
	if err := l.delete(id); !errors.Is(err, plasma.ErrNotFound) {
		t.Errorf("deleted what is not there: %v", err)
	}
}

func TestEmptyDataAndNothingAtAll(t *testing.T) {
	l := join(t)
	id := l.id()
	l.release(l.put(id, "", "RAW"))
	o := l.get(0, id)[0]
	if len(o.Data) != 0 || string(o.Metadata) != "RAW" {
		t.Errorf("got %q %q", o.Data, o.Metadata)
	}
	l.release(o)
	if out := l.get(-1); len(out) != 0 {
		t.Error("nothing was asked for")
	}
	if err := l.delete(); err != nil {
		t.Error(err)
	}
}

// TestAGetWaitsAndKeepsNobody has one that waits for what another makes later, on the same connection.
func TestAGetWaitsAndKeepsNobody(t *testing.T) {
	l := join(t)
	early, late := l.id(), l.id()
	l.release(l.put(early, "early", ""))
	type answer struct {
		out []*plasma.Object
		err error
	}
	answers := make(chan answer, 3)
	for range cap(answers) {
		go func() {
			out, err := l.Get(patient(t), []ids.ObjectID{late, early}, -1)
			answers <- answer{out, err}
		}()
	}
	for range 50 { // released while gets are on the way that name it
		l.release(l.get(0, early)...)
	}
	l.release(l.put(late, "late", ""))
	for range cap(answers) {
		a := <-answers
		if a.err != nil {
			t.Fatal(a.err)
		}
		if string(a.out[0].Data) != "late" || string(a.out[1].Data) != "early" {
			t.Errorf("got %q %q", a.out[0].Data, a.out[1].Data)
		}
		l.release(a.out...)
	}
	never := l.id()
	if out := l.get(20*time.Millisecond, never, early); out[0] != nil || out[1] == nil {
		t.Error("what is there comes when the time is over")
	} else {
		l.release(out[1])
	}
	ctx, cancel := context.WithCancel(patient(t))
	go cancel()
	if out, err := l.Get(ctx, []ids.ObjectID{early, never}, -1); !errors.Is(err, context.Canceled) || out != nil {
		t.Errorf("given up: %v %v", out, err)
	}
	await(t, "what was given up is released", func() bool { return l.Held() == 0 })
}

func await(t *testing.T, what string, is func() bool) {
	t.Helper()
	for ctx := patient(t); !is(); {
		select {
		case <-ctx.Done():
			t.Fatal(what)
		case <-time.After(2 * time.Millisecond):
		}
	}
}

func TestAbortGivesTheRoomBack(t *testing.T) {
	l := join(t)
	id := l.id()
	if err := l.create(id, "1", "2", plasma.Spill).Abort(); err != nil {
		t.Fatal(err)
	}
	if l.Held() != 0 {
		t.Error("it is held")
	}
	l.release(l.put(id, "again", ""))
	if !l.contains(id) {
		t.Error("an aborted id can be created")
	}
}

// TestTheStoreIsFull fills it with what cannot be evicted. The fallback then takes what still comes, in files of their own,
// which go with the objects.
func TestTheStoreIsFull(t *testing.T) {
	l := join(t)
	var held []*plasma.Object
	const piece = 8 << 20
	for room := l.Capacity(); room > piece+piece/2; room -= piece {
		held = append(held, l.blank(piece))
	}
	maps := countMaps(t)
	large := l.id()
	for range 3 {
		n := l.create(large, string(bytes.Repeat([]byte{9}, piece)), "x", plasma.Fallback)
		o, err := n.Seal(patient(t))
		if err != nil {
			t.Fatal(err)
		}
		if again := l.get(0, large)[0]; again.Data[piece-1] != 9 || countMaps(t) != maps+1 {
			t.Errorf("%d maps, before %d", countMaps(t), maps)
		} else {
			l.release(again)
		}
		l.release(o)
		await(t, "its file is not mapped any more", func() bool { return countMaps(t) == maps })
		again := l.get(0, large)[0] // the file is sent a second time
		if again == nil || again.Data[0] != 9 {
			t.Error("it is lost")
		} else {
			l.release(again)
		}
		if err := l.delete(large); err != nil {
			t.Error(err)
		}
	}
	for _, size := range []uint64{1 << 50, 1<<64 - 1} { // the store would die of it
		_, err := l.Create(patient(t), l.id(), l.owner, size, 0, plasma.Fallback)
		var refused *plasma.ObjectError
		if !errors.As(err, &refused) || refused.Size != size || !errors.Is(err, plasma.ErrFull) {
			t.Errorf("%d bytes: %v", size, err)
		}
	}
	// A creation that waits for room is given up; the store works on, and nothing of it stays.
	ctx, cancel := context.WithTimeout(patient(t), 15*time.Millisecond)
	defer cancel()
	switch late, err := l.Create(ctx, l.id(), l.owner, 2*piece, 0, plasma.Spill); {
	case errors.Is(err, context.DeadlineExceeded):
	case err != nil:
		t.Errorf("no room: %v", err)
	default: // after seconds the store takes the fallback
		if err := late.Abort(); err != nil {
			t.Error(err)
		}
	}
	l.release(held...)
	await(t, "all is given back", func() bool { return l.Held() == 0 })
	l.release(l.blank(50 << 20)) // what is not used makes room
}

// countMaps counts this process's maps of the store.
func countMaps(t *testing.T) int {
	t.Helper()
	text, err := os.ReadFile("/proc/self/maps")
	if err != nil {
		t.Fatal(err)
	}
	return bytes.Count(text, []byte("plasma"))
}

func TestWhatWasGotOutlivesTheConnection(t *testing.T) {
	l := join(t)
	id := l.id()
	o := l.put(id, "stays", "")
	waiting := make(chan error, 1)
	began := make(chan struct{})
	go func() {
		close(began)
		_, err := l.Get(patient(t), []ids.ObjectID{l.task.Put(0, 1000)}, -1)
		waiting <- err
	}()
	<-began
	open := l.create(l.id(), "never sealed", "", plasma.Spill)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-waiting; !errors.Is(err, net.ErrClosed) {
		t.Errorf("a get at the end: %v", err)
	}
	if string(o.Data) != "stays" {
		t.Error("it is not mapped any more")
	}
	l.release(o)
	if err := open.Abort(); err != nil {
		t.Error(err)
	}
	if _, err := l.Contains(patient(t), id); !errors.Is(err, net.ErrClosed) {
		t.Errorf("after the end: %v", err)
	}
}

// mapAndPrint maps what lies at an offset of another process's file, and prints it.
const mapAndPrint = `
import mmap, os, sys
fd = os.open("/proc/%d/fd/%d", os.O_RDONLY)
at, size = %d, %d
page = at - at %% mmap.PAGESIZE
whole = mmap.mmap(fd, at - page + size, mmap.MAP_SHARED, mmap.PROT_READ, offset=page)
os.close(fd)
view = memoryview(whole)[at - page :]
sys.stdout.write(bytes(view).decode())
`

// TestAnotherProcessMapsWhatWasGot is how Python reads an object without a copy.
func TestAnotherProcessMapsWhatWasGot(t *testing.T) {
	l := join(t)
	l.release(l.blank(100_000)) // what follows does not begin at a page
	o := l.put(l.id(), "shared", "meta")
	fd, data, meta := o.Where()
	for at, want := range map[uint64]string{data: "shared", meta: "meta"} {
		got := string(stock.Output(t, fmt.Sprintf(mapAndPrint, os.Getpid(), fd, at, len(want))))
		if got != want {
			t.Errorf("got %q", got)
		}
	}
	l.release(o)
}

// TestManyAtOnce has all of it at the same time; the store's process ends at the first slip.
func TestManyAtOnce(t *testing.T) {
	l := join(t)
	var list []ids.ObjectID
	for range 8 {
		list = append(list, l.id())
	}
	done := make(chan error)
	const workers, rounds = 8, 40
	for w := range workers {
		go func() {
			done <- func() error {
				for i := range rounds {
					id := list[(i*7+w)%len(list)]
					n, err := l.Create(patient(t), id, l.owner, 1000, 1, plasma.Spill)
					switch {
					case errors.Is(err, plasma.ErrExists):
					case err != nil:
						return err
					case i%3 == 0:
						if err := n.Abort(); err != nil {
							return err
						}
					default:
						o, err := n.Seal(patient(t))
						if err != nil {
							return err
						}
						if err := o.Release(); err != nil {
							return err
						}
					}
					out, err := l.Get(patient(t), list, time.Duration(i%3)*time.Millisecond)
					if err != nil {
						return err
					}
					if i%5 == 0 {
						var refused *plasma.ObjectError
						if err := l.Delete(patient(t), id); err != nil && !errors.As(err, &refused) {
							return err
						}
					}
					for _, o := range slices.Backward(out) {
						if o != nil {
							if err := o.Release(); err != nil {
								return err
							}
						}
					}
				}
				return nil
			}()
		}()
	}
	for range workers {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	await(t, "all is given back", func() bool { return l.Held() == 0 })
	join(t) // the store is there
}
