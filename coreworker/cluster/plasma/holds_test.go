package plasma

import (
	"testing"

	"pgregory.net/rapid"

	"github.com/mobula/mobula/coreworker/ids"
)

// storeModel counts as a store does: a connection uses an object or does not, from when a get comes, or the object is sealed
// while a get waits.
type storeModel struct {
	exists map[ids.ObjectID]bool
	uses   map[ids.ObjectID]bool
	gets   []ids.ObjectID // unanswered
}

// TestTheStoreIsToldOfTheLast lets users come and go while gets are on the way. Who has an object must be counted by the store
// until it leaves, and nothing is released that is not held, at which a store dies.
func TestTheStoreIsToldOfTheLast(t *testing.T) {
	all := []ids.ObjectID{{1}, {2}, {3}}
	rapid.Check(t, func(t *rapid.T) {
		h := make(holds)
		store := storeModel{map[ids.ObjectID]bool{}, map[ids.ObjectID]bool{}, nil}
		users := map[ids.ObjectID]int{}
		writing := map[ids.ObjectID]bool{}
		settle := func(id ids.ObjectID) {
			if _, now := h.release(id); now {
				if !store.uses[id] {
					t.Fatal("released what is not held")
				}
				delete(store.uses, id)
			}
		}
		id := func() ids.ObjectID { return rapid.SampledFrom(all).Draw(t, "id") }
		t.Repeat(map[string]func(*rapid.T){
			"get": func(*rapid.T) {
				id := id()
				if _, ok := h.use(id); ok {
					users[id]++
					return
				}
				h.ask(id)
				store.gets = append(store.gets, id)
				if store.exists[id] {
					store.uses[id] = true
				}
			},
			"answer": func(t *rapid.T) {
				if len(store.gets) == 0 {
					t.Skip()
				}
				i := rapid.IntRange(0, len(store.gets)-1).Draw(t, "which")
				id := store.gets[i]
				store.gets = append(store.gets[:i], store.gets[i+1:]...)
				if !store.exists[id] {
					h.absent(id)
					return
				}
				wanted := rapid.IntRange(0, 2).Draw(t, "users") // none: given up
				h.present(id, place{}, nil, wanted)
				users[id] += wanted
				settle(id)
			},
			"create": func(t *rapid.T) {
				id := id()
				if store.exists[id] || writing[id] {
					t.Skip()
				}
				writing[id], store.uses[id] = true, true
				h.create(id, place{}, nil)
				users[id]++
			},
			"appear": func(t *rapid.T) { // by another connection
				id := id()
				if store.exists[id] || writing[id] {
					t.Skip()
				}
				store.exists[id] = true
				for _, g := range store.gets {
					if g == id {
						store.uses[id] = true
					}
				}
			},
			"vanish": func(t *rapid.T) {
				id := id()
				if store.uses[id] {
					t.Skip()
				}
				delete(store.exists, id)
			},
			"seal": func(t *rapid.T) {
				id := id()
				if !writing[id] {
					t.Skip()
				}
				delete(writing, id)
				store.exists[id] = true
				h.seal(id)
			},
			"abort": func(t *rapid.T) {
				id := id()
				if !writing[id] {
					t.Skip()
				}
				delete(writing, id)
				delete(store.uses, id)
				h.abort(id)
				users[id]--
			},
			"leave": func(t *rapid.T) {
				id := id()
				if users[id] == 0 || writing[id] {
					t.Skip()
				}
				users[id]--
				h.leave(id)
				settle(id)
			},
			"": func(t *rapid.T) {
				for _, id := range all {
					if users[id] > 0 && !store.uses[id] {
						t.Fatalf("%v has users, and the store does not know", id[0])
					}
					asked := false
					for _, g := range store.gets {
						asked = asked || g == id
					}
					if users[id] == 0 && !asked && (store.uses[id] || h[id] != nil) {
						t.Fatalf("%v is held for nobody", id[0])
					}
				}
			},
		})
	})
}
