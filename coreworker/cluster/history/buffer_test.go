package history_test

import (
	"testing"
	"time"

	"github.com/mobula/mobula/coreworker/cluster/history"
	"github.com/mobula/mobula/coreworker/ids"
	"github.com/mobula/mobula/proto/ray"
)

var job = ids.JobFromInt(3)

func attempt(number int) history.Attempt {
	return history.Attempt{Task: ids.NewTaskID(job), Number: number}
}

func TestStatesOfOneAttemptAreOne(t *testing.T) {
	b := history.NewBuffer(job, 10)
	a := attempt(2)
	b.Note(a, ray.TaskStatus_PENDING_ARGS_AVAIL, time.Unix(1, 5), func(e *ray.TaskEvents) { e.TaskInfo = &ray.TaskInfoEntry{Name: "f"} })
	b.Note(attempt(0), ray.TaskStatus_PENDING_ARGS_AVAIL, time.Unix(2, 0), nil)
	b.Note(a, ray.TaskStatus_FINISHED, time.Unix(3, 0), nil)
	data := b.Take(1)
	if len(data.EventsByTask) != 1 {
		t.Fatalf("%v", data)
	}
	e := data.EventsByTask[0]
	if string(e.TaskId) != string(a.Task[:]) || e.AttemptNumber != 2 || e.TaskInfo.Name != "f" || len(e.StateUpdates.StateTsNs) != 2 ||
		e.StateUpdates.StateTsNs[1] != 1_000_000_005 || e.StateUpdates.StateTsNs[11] != 3_000_000_000 || string(e.JobId) != string(job[:]) {
		t.Errorf("%v", e)
	}
	b.Note(a, ray.TaskStatus_FAILED, time.Unix(4, 0), nil) // told before: only what is new
	if data = b.Take(10); len(data.EventsByTask) != 2 || len(data.EventsByTask[1].StateUpdates.StateTsNs) != 1 {
		t.Errorf("%v", data)
	}
	if b.Take(10) != nil {
		t.Error("there is nothing, and something came")
	}
}

func TestWhatDoesNotFitIsDroppedAndTold(t *testing.T) {
	b := history.NewBuffer(job, 4)
	all := make([]history.Attempt, 20)
	for i := range all {
		all[i] = attempt(i)
		b.Note(all[i], ray.TaskStatus_FINISHED, time.Unix(1, 0), nil)
	}
	data := b.Take(100)
	if len(data.EventsByTask) != 4 || data.EventsByTask[0].AttemptNumber != 16 || len(data.DroppedTaskAttempts) != 4 || data.DroppedTaskAttempts[0].AttemptNumber != 0 {
		t.Errorf("%v", data)
	}
	b.Lost(data)
	if again := b.Take(100); len(again.EventsByTask) != 0 || len(again.DroppedTaskAttempts) != 4 || again.DroppedTaskAttempts[0].AttemptNumber != 16 {
		t.Errorf("%v", again)
	}
}
