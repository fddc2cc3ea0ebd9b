package refs_test

import (
	"fmt"
	"maps"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/mobula/mobula/coreworker/ids"
	"github.com/mobula/mobula/coreworker/refs"
)

// model is the table as one would write it without a thought for cost.
type model struct {
	objects map[ids.ObjectID]*modelObject
}

type modelObject struct {
	owner   ids.WorkerID
	handles map[ids.WorkerID]uint64
	uses    int
	inside  []ids.ObjectID
	touched bool
}

func (m *model) referred(id ids.ObjectID) bool {
	o := m.objects[id]
	if !o.touched || o.uses > 0 || len(o.handles) > 0 {
		return true
	}
	for _, outer := range m.objects {
		if slices.Contains(outer.inside, id) {
			return true
		}
	}
	return false
}

// sweep removes what nothing refers to, again and again, and says what went.
func (m *model) sweep() map[ids.ObjectID]bool {
	gone := map[ids.ObjectID]bool{}
	for more := true; more; {
		more = false
		for id := range m.objects {
			if !m.referred(id) {
				for _, in := range m.objects[id].inside {
					m.objects[in].touched = true
				}
				delete(m.objects, id)
				gone[id], more = true, true
			}
		}
	}
	return gone
}

func (m *model) drop(id ids.ObjectID, holder ids.WorkerID, n uint64) {
	o := m.objects[id]
	if n > 0 && o.handles[holder] > 0 {
		o.handles[holder] -= min(n, o.handles[holder])
		if o.handles[holder] == 0 {
			delete(o.handles, holder)
		}
	}
}

func TestTableModel(t *testing.T) {
	procs := []ids.WorkerID{driver, alice, bob}
	rapid.Check(t, func(t *rapid.T) {
		tab, m := refs.New(), &model{map[ids.ObjectID]*modelObject{}}
		proc := func(t *rapid.T) ids.WorkerID { return rapid.SampledFrom(procs).Draw(t, "process") }
		object := func(t *rapid.T) ids.ObjectID { return obj(byte(rapid.IntRange(1, 8).Draw(t, "object"))) }
		known := func(t *rapid.T, id ids.ObjectID, err error) bool {
			if (err == nil) != (m.objects[id] != nil) {
				t.Fatalf("%s: %v", id, err)
			}
			return err == nil
		}
		went := func(t *rapid.T, freed []ids.ObjectID) {
			want := m.sweep()
			got := map[ids.ObjectID]bool{}
			for _, id := range freed {
				if got[id] {
					t.Fatalf("%s freed twice", id)
				}
				got[id] = true
			}
			if !maps.Equal(got, want) {
				t.Fatalf("freed %v, want %v", got, want)
			}
		}
		t.Repeat(map[string]func(*rapid.T){
			"own": func(t *rapid.T) {
				id, owner := object(t), proc(t)
				err := tab.Own(id, owner)
				if o := m.objects[id]; o == nil {
					m.objects[id] = &modelObject{owner: owner, handles: map[ids.WorkerID]uint64{}}
				} else if (err == nil) != (o.owner == owner) {
					t.Fatalf("own again: %v", err)
				}
			},
			"add": func(t *rapid.T) {
				id, holder, n := object(t), proc(t), rapid.Uint64Range(0, 3).Draw(t, "n")
				if known(t, id, tab.Add(id, holder, n)) && n > 0 {
					m.objects[id].handles[holder] += n
					m.objects[id].touched = true
				}
			},
			"drop": func(t *rapid.T) {
				id, holder, n := object(t), proc(t), rapid.Uint64Range(0, 3).Draw(t, "n")
				freed, err := tab.Drop(id, holder, n)
				if m.objects[id] == nil {
					if err == nil {
						t.Fatal("dropped what is not there")
					}
					return
				}
				if (err == nil) != (n <= m.objects[id].handles[holder]) {
					t.Fatalf("drop %d of %d: %v", n, m.objects[id].handles[holder], err)
				}
				m.drop(id, holder, n)
				went(t, freed)
			},
			"use": func(t *rapid.T) {
				id := object(t)
				if known(t, id, tab.Use(id)) {
					m.objects[id].uses++
					m.objects[id].touched = true
				}
			},
			"unuse": func(t *rapid.T) {
				id := object(t)
				freed, err := tab.Unuse(id)
				o := m.objects[id]
				if (err == nil) != (o != nil && o.uses > 0) {
					t.Fatalf("unuse: %v", err)
				}
				if err == nil {
					o.uses--
				}
				went(t, freed)
			},
			"contain": func(t *rapid.T) {
				// Only what is younger inside what is older: a value cannot hold a ref made after it.
				outer := object(t)
				inner := object(t)
				if inner[0] <= outer[0] || m.objects[inner] == nil {
					t.Skip("not inside")
				}
				err := tab.Contain(outer, []ids.ObjectID{inner})
				if known(t, outer, err) && !slices.Contains(m.objects[outer].inside, inner) {
					m.objects[outer].inside = append(m.objects[outer].inside, inner)
					m.objects[inner].touched = true
				}
			},
			"die": func(t *rapid.T) {
				holder := proc(t)
				for id, o := range m.objects {
					if o.owner == holder {
						o.touched = true
					}
					m.drop(id, holder, 1<<40)
				}
				went(t, tab.DropHolder(holder))
			},
			"": func(t *rapid.T) {
				if err := tab.Validate(); err != nil {
					t.Fatal(err)
				}
				if tab.Len() != len(m.objects) {
					t.Fatalf("%d objects, want %d", tab.Len(), len(m.objects))
				}
				for id, o := range m.objects {
					for _, p := range procs {
						if got := tab.Count(id, p); got != o.handles[p] {
							t.Fatal(fmt.Sprint(got, o.handles[p]), tab.Story(id))
						}
					}
					if owner, ok := tab.Owner(id); !ok || owner != o.owner || tab.Holders(id) != len(o.handles) {
						t.Fatal(tab.Story(id))
					}
				}
			},
		})
	})
}
