package plasma

import (
	"context"
	"errors"
	"net"
	"path/filepath"
	"sync"
	"testing"
	"time"

	flatbuffers "github.com/google/flatbuffers/go"
	"golang.org/x/sys/unix"

	"github.com/mobula/mobula/coreworker/cluster/internal/ipc"
	"github.com/mobula/mobula/coreworker/ids"
)

const patience = 60 * time.Second

// fake is a store for one connection, where there is no Ray. It does what a stock store does with the requests that these tests
// send, and fails the test where that one would end its process. Its files are one for all, and one for each object of the fallback.
type fake struct {
	t    *testing.T
	c    *net.UnixConn
	next int64 // number of the next file

	objects map[ids.ObjectID]*fakeObject
	sent    map[file]bool
	gets    []fakeGet // that wait
	fds     map[file]int
	main    file
	used    uint64
	retries int   // that are answered before a creation that has no room goes to the fallback
	refuse  int32 // what the next creation is answered
	aborted chan<- ids.ObjectID
}

type fakeObject struct {
	place        place
	size         uint64
	sealed, held bool
}

type fakeGet struct{ list [][]byte }

const fakeFile = 1 << 16

// serve starts a fake store and returns a client of it.
func serve(t *testing.T, prepare func(*fake)) *Client {
	t.Helper()
	path := filepath.Join(t.TempDir(), "s")
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	f := &fake{t: t, objects: map[ids.ObjectID]*fakeObject{}, sent: map[file]bool{}, fds: map[file]int{}}
	f.main = f.file()
	if prepare != nil {
		prepare(f)
	}
	var done sync.WaitGroup
	done.Go(func() {
		defer func() { _ = l.Close() }()
		var err error
		if f.c, err = l.AcceptUnix(); err == nil {
			f.run()
		}
	})
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	c, err := Dial(ctx, path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = c.Close()
		done.Wait()
		for _, fd := range f.fds {
			_ = unix.Close(fd)
		}
	})
	return c
}

func (f *fake) file() file {
	fd, err := unix.MemfdCreate("plasma-fake", unix.MFD_CLOEXEC)
	if err == nil {
		err = unix.Ftruncate(fd, fakeFile)
	}
	if err != nil {
		f.t.Error(err)
	}
	f.next++
	name := file{int32(fd), f.next}
	f.fds[name] = fd
	return name
}

func (f *fake) run() {
	defer func() { _ = f.c.Close() }()
	for {
		k, body, err := ipc.Read(f.c)
		if err != nil || !f.take(kind(k), ipc.Root(body)) {
			return
		}
	}
}

func (f *fake) reply(k kind, body []byte, files ...file) {
	if _, err := f.c.Write(ipc.Append(nil, int64(k), body)); err != nil {
		return // the client is gone
	}
	for _, name := range files {
		if f.sent[name] {
			continue
		}
		f.sent[name] = true
		if _, _, err := f.c.WriteMsgUnix([]byte{0}, unix.UnixRights(f.fds[name]), nil); err != nil {
			return
		}
	}
}

// table builds a reply of an id and up to two numbers.
func table(id []byte, numbers ...int32) []byte {
	b := flatbuffers.NewBuilder(0)
	at := b.CreateByteString(id)
	b.StartObject(3)
	b.PrependUOffsetTSlot(0, at, 0)
	for i, n := range numbers {
		b.PrependInt32Slot(i+1, n, 0)
	}
	b.Finish(b.EndObject())
	return b.FinishedBytes()
}

// take answers a request; false ends the connection.
func (f *fake) take(k kind, m *ipc.Table) bool {
	var id ids.ObjectID
	if k != kindConnect && k != kindGet && k != kindDelete { // whose first field is another
		var err error
		if id, err = ids.Object(m.Bytes(0)); err != nil {
			f.t.Errorf("the store ends: %v", err)
			return false
		}
	}
	o := f.objects[id]
	switch k {
	case kindConnect:
		b := flatbuffers.NewBuilder(0)
		b.StartObject(1)
		b.PrependInt64Slot(0, fakeFile, 0)
		b.Finish(b.EndObject())
		f.reply(kindConnected, b.FinishedBytes())
	case kindCreate:
		f.create(id, o, m.Uint64(6), m.Uint64(7), m.Bool(10))
	case kindCreateRetry:
		if f.retries--; f.retries > 0 {
			f.reply(kindCreated, aCreated(id[:], m.Uint64(1), 0, nil, mapping{}))
			return true
		}
		f.make(id, 10, 0, true)
	case kindSeal:
		if o == nil || o.sealed || !o.held {
			f.t.Errorf("the store ends: %s is sealed", id)
			return false
		}
		o.sealed = true
		f.reply(kindSealed, table(id[:]))
		f.wake()
	case kindAbort:
		if o == nil || o.sealed || !o.held {
			f.t.Errorf("the store ends: %s is aborted", id)
			return false
		}
		delete(f.objects, id)
		f.reply(kindAborted, table(id[:]))
		if f.aborted != nil {
			f.aborted <- id
		}
	case kindRelease:
		if o == nil || !o.held || o.place.fallback != m.Bool(1) {
			f.t.Errorf("the store ends: %s is released", id)
			return false
		}
		o.held = false
		if o.place.fallback {
			delete(f.sent, o.place.file)
			b := flatbuffers.NewBuilder(0)
			at := b.CreateByteString(id[:])
			b.StartObject(3)
			b.PrependUOffsetTSlot(0, at, 0)
			b.PrependBoolSlot(1, true, false)
			b.Finish(b.EndObject())
			f.reply(kindReleased, b.FinishedBytes())
		}
	case kindGet:
		f.get(fakeGet{m.List(0)}, m.Uint64(1) == 0)
	case kindContains:
		var has int32
		if o != nil && o.sealed {
			has = 1
		}
		f.reply(kindContained, table(id[:], has))
	case kindDelete:
		f.delete(m.List(1))
	default:
		f.t.Errorf("the store ends: message %d", k)
		return false
	}
	return true
}

func (f *fake) create(id ids.ObjectID, o *fakeObject, data, meta uint64, immediately bool) {
	switch {
	case o != nil:
		f.reply(kindCreated, aCreated(id[:], 0, 1, nil, mapping{}))
	case f.refuse != 0:
		f.reply(kindCreated, aCreated(id[:], 0, f.refuse, nil, mapping{}))
	case f.retries > 0:
		f.reply(kindCreated, aCreated(id[:], 99, 0, nil, mapping{}))
	default:
		f.make(id, data, meta, immediately)
	}
}

func (f *fake) make(id ids.ObjectID, data, meta uint64, fallback bool) {
	p := place{file: f.main, data: f.used, meta: f.used + data, metaSize: meta, fallback: fallback}
	if fallback {
		p.file, p.data, p.meta = f.file(), 64, 64+data
	} else {
		f.used += data + meta
	}
	f.objects[id] = &fakeObject{place: p, size: data, held: true}
	f.reply(kindCreated, aCreated(id[:], 0, 0, spec(p, data), mapping{p.file, fakeFile}), p.file)
}

// get answers if all is there, or at once; else it waits. The connection holds what is there from now on.
func (f *fake) get(g fakeGet, now bool) {
	all := true
	for _, raw := range g.list {
		if o := f.objects[ids.ObjectID(raw)]; o == nil || !o.sealed {
			all = false
		} else {
			o.held = true
		}
	}
	if !all && !now {
		f.gets = append(f.gets, g)
		return
	}
	var specs [][]byte
	var files []mapping
	var names []file
	seen := map[file]bool{}
	for _, raw := range g.list {
		o := f.objects[ids.ObjectID(raw)]
		if o == nil || !o.sealed {
			specs = append(specs, spec(place{}, sizeAbsent))
			continue
		}
		specs = append(specs, spec(o.place, o.size))
		if !seen[o.place.file] {
			seen[o.place.file] = true
			files, names = append(files, mapping{o.place.file, fakeFile}), append(names, o.place.file)
		}
	}
	f.reply(kindGot, aGot(g.list, specs, files), names...)
}

func (f *fake) wake() {
	waiting := f.gets
	f.gets = nil
	for _, g := range waiting {
		f.get(g, false)
	}
}

func (f *fake) delete(list [][]byte) {
	b := flatbuffers.NewBuilder(0)
	var offsets []flatbuffers.UOffsetT
	var codes []int32
	for _, raw := range list {
		offsets = append(offsets, b.CreateByteString(raw))
		o := f.objects[ids.ObjectID(raw)]
		switch {
		case o == nil:
			codes = append(codes, 2)
		case !o.sealed:
			codes = append(codes, 4)
		case o.held:
			codes = append(codes, 5)
		default:
			codes = append(codes, 0)
			delete(f.objects, ids.ObjectID(raw))
		}
	}
	objects := b.CreateVectorOfTables(offsets)
	b.StartVector(4, len(codes), 4)
	for i := len(codes) - 1; i >= 0; i-- {
		b.PrependInt32(codes[i])
	}
	errs := b.EndVector(len(codes))
	b.StartObject(3)
	b.PrependInt32Slot(0, int32(len(list)), 0)
	b.PrependUOffsetTSlot(1, objects, 0)
	b.PrependUOffsetTSlot(2, errs, 0)
	b.Finish(b.EndObject())
	f.reply(kindDeleted, b.FinishedBytes())
}

func put(t *testing.T, c *Client, id ids.ObjectID, data string, room Room) *Object {
	t.Helper()
	n, err := c.Create(t.Context(), id, Owner{IP: "127.0.0.3"}, uint64(len(data)), 1, room)
	if err != nil {
		t.Fatal(err)
	}
	copy(n.Data, data)
	n.Metadata[0] = 'M'
	o, err := n.Seal(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return o
}

func get(t *testing.T, c *Client, list ...ids.ObjectID) []*Object {
	t.Helper()
	out, err := c.Get(t.Context(), list, 0)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestAStoreWithoutRay(t *testing.T) {
	c := serve(t, nil)
	one, two, three := ids.ObjectID{1}, ids.ObjectID{2}, ids.ObjectID{3}
	if c.Capacity() != fakeFile {
		t.Errorf("capacity %d", c.Capacity())
	}
	mine := put(t, c, one, "first", Spill)
	large := put(t, c, two, "in a file of its own", Fallback)
	if _, err := c.Create(t.Context(), one, Owner{}, 1, 0, Spill); !errors.Is(err, ErrExists) {
		t.Errorf("a second creation: %v", err)
	}
	list := get(t, c, one, three, two, one)
	if list[1] != nil || string(list[0].Data) != "first" || string(list[2].Data) != "in a file of its own" || string(list[3].Metadata) != "M" {
		t.Error("other values")
	}
	if err := c.Delete(t.Context(), one, three); !errors.Is(err, ErrInUse) || !errors.Is(err, ErrNotFound) {
		t.Errorf("delete: %v", err)
	}
	for range 2 { // the second does nothing
		for _, o := range append(list, mine, large) {
			if o != nil {
				if err := o.Release(); err != nil {
					t.Error(err)
				}
			}
		}
	}
	if c.Held() != 0 {
		t.Errorf("%d are held", c.Held())
	}
	again := get(t, c, two)[0] // its file is sent again
	if string(again.Data) != "in a file of its own" {
		t.Errorf("got %q", again.Data)
	}
	if err := again.Release(); err != nil {
		t.Error(err)
	}
	if err := c.Delete(t.Context(), one, two); err != nil {
		t.Error(err)
	}
	if yes, err := c.Contains(t.Context(), one); yes || err != nil {
		t.Errorf("deleted: %v %v", yes, err)
	}
	n, err := c.Create(t.Context(), three, Owner{}, 4, 0, Spill)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Delete(t.Context(), three); !errors.Is(err, ErrNotSealed) {
		t.Errorf("delete: %v", err)
	}
	if err := n.Abort(); err != nil {
		t.Error(err)
	}
	if _, err := n.Seal(t.Context()); err == nil {
		t.Error("sealed after the abort")
	}
}

// TestGetsThatWait: they keep nobody, and what they name is not released before they are answered.
func TestGetsThatWait(t *testing.T) {
	c := serve(t, nil)
	early, late := ids.ObjectID{1}, ids.ObjectID{2}
	o := put(t, c, early, "early", Spill)
	type answer struct {
		out []*Object
		err error
	}
	answers := make(chan answer, 2)
	for range cap(answers) {
		go func() {
			out, err := c.Get(t.Context(), []ids.ObjectID{late, early}, -1)
			answers <- answer{out, err}
		}()
	}
	if err := o.Release(); err != nil {
		t.Error(err)
	}
	if err := put(t, c, late, "late", Spill).Release(); err != nil {
		t.Error(err)
	}
	for range cap(answers) {
		a := <-answers
		if a.err != nil {
			t.Fatal(a.err)
		}
		for i, want := range []string{"late", "early"} {
			if string(a.out[i].Data) != want {
				t.Errorf("got %q", a.out[i].Data)
			}
			if err := a.out[i].Release(); err != nil {
				t.Error(err)
			}
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := c.Get(ctx, []ids.ObjectID{{9}}, -1); !errors.Is(err, context.Canceled) {
		t.Errorf("given up: %v", err)
	}
	if c.Held() != 0 {
		t.Errorf("%d are held", c.Held())
	}
}

func TestAStoreWithoutRoom(t *testing.T) {
	c := serve(t, func(f *fake) { f.retries = 3 })
	n, err := c.Create(t.Context(), ids.ObjectID{1}, Owner{}, 10, 0, Spill)
	if err != nil || len(n.Data) != 10 {
		t.Fatalf("there is room at last: %v", err)
	}
	if err := n.Abort(); err != nil {
		t.Error(err)
	}
	for code, want := range map[int32]error{3: ErrFull, 8: ErrDisk, 6: ErrUnexpected} {
		c := serve(t, func(f *fake) { f.refuse = code })
		_, err := c.Create(t.Context(), ids.ObjectID{1}, Owner{}, 10, 5, Spill)
		var refused *ObjectError
		if !errors.As(err, &refused) || !errors.Is(err, want) || refused.Size != 15 || refused.Object != (ids.ObjectID{1}) {
			t.Errorf("%d: %v", code, err)
		}
	}
	// Given up while the store has no room: what it makes of it later is aborted.
	aborted := make(chan ids.ObjectID, 1)
	c = serve(t, func(f *fake) { f.retries, f.aborted = 2, aborted })
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := c.Create(ctx, ids.ObjectID{1}, Owner{}, 10, 0, Spill); !errors.Is(err, context.Canceled) {
		t.Errorf("given up: %v", err)
	}
	select {
	case <-aborted:
	case <-time.After(patience):
		t.Error("what was given up stays")
	}
}

// TestAStoreThatErrs: an answer that is none ends the connection, and everybody who waits hears of it.
func TestAStoreThatErrs(t *testing.T) {
	id := ids.ObjectID{1}
	for name, wrong := range map[string]func(*fake){
		"an answer that nobody asked for": func(f *fake) { f.reply(kindSealed, table(id[:])) },
		"a body that is none":             func(f *fake) { f.reply(kindContained, []byte{1, 2, 3}) },
		"an id of three bytes":            func(f *fake) { f.reply(kindContained, table([]byte("abc"))) },
		"another get":                     func(f *fake) { f.reply(kindGot, aGot(nil, nil, nil)) },
		"an object outside of its file": func(f *fake) {
			p := place{file: f.main, data: fakeFile - 1}
			f.reply(kindGot, aGot([][]byte{id[:]}, [][]byte{spec(p, 9)}, []mapping{{f.main, 1 << 40}}), f.main)
		},
		"a file that is not sent": func(f *fake) {
			f.sent[f.main] = true
			f.reply(kindGot, aGot([][]byte{id[:]}, [][]byte{spec(place{file: f.main}, 9)}, []mapping{{f.main, fakeFile}}))
			f.reply(kindContained, table(id[:]))
		},
		"the end": func(f *fake) { _ = f.c.Close() },
	} {
		t.Run(name, func(t *testing.T) {
			var at *fake
			c := serve(t, func(f *fake) { at = f })
			waiting := make(chan error, 2)
			go func() {
				_, err := c.Get(t.Context(), []ids.ObjectID{id}, -1)
				waiting <- err
			}()
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			awaitGet(ctx, t, c)
			if name != "an answer that nobody asked for" {
				go func() {
					_, err := c.Contains(ctx, ids.ObjectID{7})
					waiting <- err
				}()
				if err := <-waiting; err != nil {
					t.Fatal(err)
				}
			}
			wrong(at)
			if err := <-waiting; !errors.Is(err, ErrGone) {
				t.Errorf("the get: %v", err)
			}
			if _, err := c.Contains(ctx, id); !errors.Is(err, ErrGone) {
				t.Errorf("afterwards: %v", err)
			}
		})
	}
}

// awaitGet returns when a get is on the way.
func awaitGet(ctx context.Context, t *testing.T, c *Client) {
	t.Helper()
	for {
		c.mu.Lock()
		n := len(c.getting)
		c.mu.Unlock()
		if n > 0 {
			return
		}
		select {
		case <-ctx.Done():
			t.Fatal("no get")
		case <-time.After(time.Millisecond):
		}
	}
}
