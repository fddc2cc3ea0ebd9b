// Package cancel owns the canceled set of an executor: which of the tasks that it has now were canceled.
//
// One set an executor, keyed by task id, shared by all of its threads. Never per thread: the request that cancels runs
// elsewhere. Never on the submitter: the question is asked where the method runs. An id is in the set only while its
// task is with the executor, so the set is bounded by what runs and queues there.
package cancel

import "github.com/mobula/mobula/coreworker/ids"

// Set is the canceled set. The zero value is empty and ready. Guarded by the core's state lock.
type Set struct{ ids map[ids.TaskID]struct{} }

// Add puts a task in; false when it was in already.
func (s *Set) Add(id ids.TaskID) bool {
	if _, in := s.ids[id]; in {
		return false
	}
	if s.ids == nil {
		s.ids = map[ids.TaskID]struct{}{}
	}
	s.ids[id] = struct{}{}
	return true
}

// Has says whether the task was canceled: the answer of is_canceled().
func (s *Set) Has(id ids.TaskID) bool { _, in := s.ids[id]; return in }

// Remove takes a task out as it ends.
func (s *Set) Remove(id ids.TaskID) { delete(s.ids, id) }

// Len is the number of canceled tasks that the executor still has.
func (s *Set) Len() int { return len(s.ids) }
