package objects_test

import (
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/mobula/mobula/coreworker/ids"
	"github.com/mobula/mobula/coreworker/objects"
)

func obj(n byte) ids.ObjectID { return ids.ObjectID{0: n, 27: n} }

func data(s string) objects.Value {
	return objects.Value{Data: []byte(s), Metadata: []byte("RAW")}
}

func TestPutWakesInOrder(t *testing.T) {
	s := objects.NewStore()
	s.Expect(obj(1))
	s.Expect(obj(1))
	var got []int
	for i := range 3 {
		if _, ok := s.OnReady(obj(1), func() { got = append(got, i) }); !ok {
			t.Fatal("expected objects can be waited for")
		}
	}
	if _, ok := s.Get(obj(1)); ok || s.State(obj(1)) != objects.Pending {
		t.Fatal("there before it came")
	}
	if !s.Put(obj(1), data("x")) || !slices.Equal(got, []int{0, 1, 2}) {
		t.Fatalf("called %v", got)
	}
	if v, ok := s.Get(obj(1)); !ok || string(v.Data) != "x" || v.Size() != 1 {
		t.Fatalf("value %v", v)
	}
	if s.Put(obj(1), data("y")) {
		t.Fatal("a second value was taken")
	}
}

func TestReadyCallsAtOnce(t *testing.T) {
	s := objects.NewStore()
	s.Put(obj(1), data("x"))
	called := false
	w, ok := s.OnReady(obj(1), func() { called = true })
	if !ok || !called {
		t.Fatal("not called")
	}
	w.Cancel()
	if _, ok := s.OnReady(obj(2), func() { t.Error("called for an unknown object") }); ok {
		t.Fatal("unknown objects cannot be waited for")
	}
}

func TestCancelFromWithinACall(t *testing.T) {
	s := objects.NewStore()
	s.Expect(obj(1))
	var second *objects.Waiting
	calls := 0
	_, _ = s.OnReady(obj(1), func() { calls++; second.Cancel(); second.Cancel() })
	second, _ = s.OnReady(obj(1), func() { t.Error("called after it was canceled") })
	_, _ = s.OnReady(obj(1), func() { calls++ })
	s.Put(obj(1), data("x"))
	if calls != 2 || s.Stats().Waiting != 0 {
		t.Fatalf("%d calls, %+v", calls, s.Stats())
	}
	second.Cancel()
}

func TestStoreIsUsableFromWithinACall(t *testing.T) {
	s := objects.NewStore()
	s.Expect(obj(1))
	s.Expect(obj(2))
	var order []string
	_, _ = s.OnReady(obj(2), func() { order = append(order, "second") })
	_, _ = s.OnReady(obj(1), func() {
		_, _ = s.OnReady(obj(1), func() { order = append(order, "at once") })
		s.Put(obj(2), data("y"))
		s.Delete(obj(1))
	})
	_, _ = s.OnReady(obj(1), func() {
		if s.State(obj(1)) != objects.Unknown {
			t.Error("deleted by the first call")
		}
		order = append(order, "late")
	})
	s.Put(obj(1), data("x"))
	if want := []string{"at once", "second", "late"}; !slices.Equal(order, want) {
		t.Fatalf("order %v, want %v", order, want)
	}
}

func TestDeleteWakesWhoWaits(t *testing.T) {
	s := objects.NewStore()
	s.Expect(obj(1))
	var state objects.State = 99
	_, _ = s.OnReady(obj(1), func() { state = s.State(obj(1)) })
	if _, ok := s.Delete(obj(1)); ok {
		t.Fatal("a pending object has no value to give back")
	}
	if state != objects.Unknown {
		t.Fatalf("who waited found %v", state)
	}
	s.Put(obj(2), objects.Value{Block: &objects.Block{ID: 7, Size: 1 << 20}})
	if v, ok := s.Delete(obj(2)); !ok || v.Block.ID != 7 || v.Size() != 1<<20 {
		t.Fatal("whoever deletes gets the block to release")
	}
	if _, ok := s.Delete(obj(2)); ok {
		t.Fatal("deleted twice")
	}
}

func TestMetadataIsShared(t *testing.T) {
	s := objects.NewStore()
	mine := []byte("PYTHON")
	s.Put(obj(1), objects.Value{Metadata: mine})
	s.Put(obj(2), objects.Value{Metadata: []byte("PYTHON")})
	a, _ := s.Get(obj(1))
	b, _ := s.Get(obj(2))
	if &a.Metadata[0] != &b.Metadata[0] || &a.Metadata[0] == &mine[0] {
		t.Fatal("each has its own copy")
	}
}

func TestStateNames(t *testing.T) {
	for state, want := range map[objects.State]string{objects.Unknown: "unknown", objects.Pending: "pending", objects.Ready: "ready", 9: "invalid"} {
		if got := state.String(); got != want {
			t.Errorf("%d is %s", state, got)
		}
	}
}

// TestStoreModel compares the store with plain maps, and checks that each call comes exactly once.
func TestStoreModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := objects.NewStore()
		states, values := map[ids.ObjectID]objects.State{}, map[ids.ObjectID]string{}
		type call struct {
			id     ids.ObjectID
			handle *objects.Waiting
			n      *int
			over   bool // called back or canceled
		}
		var calls []*call
		object := func(t *rapid.T) ids.ObjectID { return obj(byte(rapid.IntRange(1, 4).Draw(t, "object"))) }
		wake := func(t *rapid.T, id ids.ObjectID) {
			for _, c := range calls {
				if c.id == id && !c.over {
					c.over = true
					if *c.n != 1 {
						t.Fatalf("%d calls", *c.n)
					}
				}
			}
		}
		t.Repeat(map[string]func(*rapid.T){
			"expect": func(t *rapid.T) {
				id := object(t)
				s.Expect(id)
				states[id] = max(states[id], objects.Pending)
			},
			"put": func(t *rapid.T) {
				id, value := object(t), rapid.String().Draw(t, "value")
				if s.Put(id, data(value)) != (states[id] != objects.Ready) {
					t.Fatal("put")
				}
				if states[id] != objects.Ready {
					states[id], values[id] = objects.Ready, value
					wake(t, id)
				}
			},
			"delete": func(t *rapid.T) {
				id := object(t)
				if v, ok := s.Delete(id); ok != (states[id] == objects.Ready) || ok && string(v.Data) != values[id] {
					t.Fatal("delete")
				}
				delete(states, id)
				wake(t, id)
			},
			"wait": func(t *rapid.T) {
				id, n := object(t), new(int)
				w, ok := s.OnReady(id, func() { *n++ })
				if ok != (states[id] != objects.Unknown) || (*n == 1) != (states[id] == objects.Ready) {
					t.Fatalf("wait: %t, %d calls", ok, *n)
				}
				if ok && *n == 0 {
					calls = append(calls, &call{id: id, handle: w, n: n})
				}
			},
			"cancel": func(t *rapid.T) {
				if len(calls) == 0 {
					t.Skip("none")
				}
				c := rapid.SampledFrom(calls).Draw(t, "call")
				c.handle.Cancel()
				c.over = true
			},
			"": func(t *rapid.T) {
				want := objects.StoreStats{Objects: len(states)}
				for id, state := range states {
					if s.State(id) != state {
						t.Fatalf("%s is %s", id, s.State(id))
					}
					if v, ok := s.Get(id); ok != (state == objects.Ready) || ok && string(v.Data) != values[id] {
						t.Fatalf("%s has %q", id, v.Data)
					} else if ok {
						want.InlineBytes += uint64(len(v.Data))
					} else {
						want.Pending++
					}
				}
				for _, c := range calls {
					if !c.over {
						want.Waiting++
					}
					if !c.over && *c.n > 0 || *c.n > 1 {
						t.Fatalf("%d calls", *c.n)
					}
				}
				if s.Stats() != want || s.Len() != want.Objects {
					t.Fatalf("%+v, want %+v", s.Stats(), want)
				}
			},
		})
	})
}
