package task

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/mobula/mobula/coreworker/ids"
)

// State is where a task is on its owner's side.
type State uint8

// A task goes Waiting → Queued → Pushed → gone, and back from Pushed to Waiting when it is tried again.
const (
	Waiting State = iota // for its arguments
	Queued               // for a worker, or for its actor
	Pushed               // an executor has it
)

func (s State) String() string { return [...]string{"waiting", "queued", "pushed"}[s] }

// Entry is a task that has no outcome yet.
type Entry struct {
	Spec     *Spec
	Owner    ids.WorkerID
	State    State
	Attempt  int
	Retries  int // left; -1 = for ever
	Canceled bool
	Forced   bool // canceled with force
	// Recursive says that what it submits is canceled too, as long as it cannot know that it is canceled.
	Recursive bool
	// Items is how many items it has yielded, in any of its attempts.
	Items int
	// Canceling is set while a cancel of it is carried out.
	Canceling bool
	// Seq is the entry's place among the calls of its owner to its actor.
	Seq uint64
	// Born numbers all tasks in the order they were submitted.
	Born uint64
}

// Manager is the table of tasks without an outcome. An id is in it from its submission until its outcome is fixed,
// and never twice: submitting a known id again is not an error but does nothing.
type Manager struct {
	entries map[ids.TaskID]*Entry
	// By parent. A task may outlive its parent, so families are kept apart from entries.
	families map[ids.TaskID]map[ids.TaskID]struct{}
	born     uint64
	twice    uint64 // outcomes of tasks that had one already
}

// NewManager returns an empty table.
func NewManager() *Manager {
	return &Manager{entries: map[ids.TaskID]*Entry{}, families: map[ids.TaskID]map[ids.TaskID]struct{}{}}
}

// Add enters a submitted task; false when its id is known already.
func (m *Manager) Add(spec *Spec, owner ids.WorkerID) (*Entry, bool) {
	if e := m.entries[spec.ID]; e != nil {
		return e, false
	}
	m.born++
	e := &Entry{Spec: spec, Owner: owner, Retries: spec.MaxRetries, Born: m.born}
	m.entries[spec.ID] = e
	siblings := m.families[spec.Parent]
	if siblings == nil {
		siblings = map[ids.TaskID]struct{}{}
		m.families[spec.Parent] = siblings
	}
	siblings[spec.ID] = struct{}{}
	return e, true
}

// Get returns the entry of a task without an outcome, or nil.
func (m *Manager) Get(id ids.TaskID) *Entry { return m.entries[id] }

// Finish removes a task whose outcome is fixed. A second outcome changes nothing but Totals.
func (m *Manager) Finish(id ids.TaskID) {
	e := m.entries[id]
	if e == nil {
		m.twice++
		return
	}
	delete(m.entries, id)
	siblings := m.families[e.Spec.Parent]
	delete(siblings, id)
	if len(siblings) == 0 {
		delete(m.families, e.Spec.Parent)
	}
}

// Children returns the tasks without an outcome that `parent` has submitted, the newest first: so that who cancels them
// comes to the calls of an actor before it comes to the actor.
func (m *Manager) Children(parent ids.TaskID) []*Entry {
	out := make([]*Entry, 0, len(m.families[parent]))
	for id := range m.families[parent] {
		out = append(out, m.entries[id])
	}
	slices.SortFunc(out, func(a, b *Entry) int { return cmp.Compare(b.Born, a.Born) })
	return out
}

// Each calls fn with every task without an outcome.
func (m *Manager) Each(fn func(*Entry)) {
	for _, e := range m.entries {
		fn(e)
	}
}

// Len is the number of tasks without an outcome.
func (m *Manager) Len() int { return len(m.entries) }

// Totals is how many tasks were ever submitted, and how many outcomes they were given: what is submitted, minus what has
// no outcome yet, unless a task was given two.
func (m *Manager) Totals() (submitted, outcomes uint64) {
	return m.born, m.born - uint64(len(m.entries)) + m.twice
}

// Validate checks that the family table and the entries agree.
func (m *Manager) Validate() error {
	n := 0
	for parent, set := range m.families {
		if len(set) == 0 {
			return fmt.Errorf("task: empty family of %s", parent)
		}
		for id := range set {
			if e := m.entries[id]; e == nil || e.Spec.Parent != parent {
				return fmt.Errorf("task: %s is listed under %s but is not its child", id, parent)
			}
			n++
		}
	}
	if n != len(m.entries) {
		return fmt.Errorf("task: %d entries, %d listed as children", len(m.entries), n)
	}
	return nil
}
