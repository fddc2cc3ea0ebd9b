package refs

import "github.com/mobula/mobula/coreworker/ids"

// Look is who refers to an object.
type Look struct {
	Owner                           ids.WorkerID
	Handles                         uint64 // in the owner
	Borrowers, Uses, Inside, Inners int    // other processes; tasks in flight; objects that contain it; objects in it
}

// Look tells of one object.
func (t *Table) Look(obj ids.ObjectID) (Look, bool) {
	s, ok := t.entries.find(obj)
	if !ok {
		return Look{}, false
	}
	e := t.entries.at(s)
	return Look{Owner: t.procs.id(e.owner), Handles: e.owned, Borrowers: int(e.borrowers), Uses: int(e.uses),
		Inside: int(e.inside), Inners: len(t.inner[s])}, true
}
