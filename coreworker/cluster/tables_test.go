package cluster

import (
	"strings"
	"testing"

	"github.com/mobula/mobula/coreworker/backend"
	"github.com/mobula/mobula/coreworker/ids"
	"github.com/mobula/mobula/proto/ray"
)

// TestIDsThatAreNoneAreNotSent: a GCS ends its process on an id of another length.
func TestIDsThatAreNoneAreNotSent(t *testing.T) {
	task, actor := ids.NewTaskID(ids.JobFromInt(1)).String(), strings.Repeat("ab", ids.ActorLen)
	wrong := []backend.Condition{{Field: "task_id"}, {Field: "task_id", Value: "x"}, {Field: "task_id", Value: task[2:]}, {Field: "job_id", Value: task},
		{Field: "actor_id", Value: "abc"}, {Field: "actor_id", Value: actor + "00"}, {Field: "unknown", Value: actor}}
	if f := taskFilters(wrong); len(f.TaskFilters)+len(f.JobFilters)+len(f.ActorFilters)+len(f.StateFilters) != 0 || !f.GetExcludeDriver() {
		t.Errorf("%v", f)
	}
	if f := actorFilters(wrong); f.ActorId != nil || f.JobId != nil {
		t.Errorf("%v", f)
	}
	right := []backend.Condition{{Field: "task_id", Value: task}, {Field: "job_id", Value: "01000000", Differs: true}, {Field: "actor_id", Value: actor},
		{Field: "state", Value: "running"}}
	f := taskFilters(right)
	if len(f.TaskFilters) != 1 || len(f.JobFilters) != 1 || len(f.ActorFilters) != 1 || len(f.StateFilters) != 1 ||
		f.TaskFilters[0].Predicate != ray.FilterPredicate_EQUAL || f.JobFilters[0].Predicate != ray.FilterPredicate_NOT_EQUAL {
		t.Errorf("%v", f)
	}
	if f := actorFilters(right); len(f.ActorId) != ids.ActorLen || f.JobId != nil {
		t.Errorf("%v", f)
	}
}
