package task_test

import (
	"testing"

	"github.com/mobula/mobula/coreworker/task"
)

// TestDecide is the whole table: every end of an attempt against every state of the entry that matters.
func TestDecide(t *testing.T) {
	type row struct {
		typ                         task.Type
		canceled, forced, retryable bool
		retries                     int
		end                         task.Outcome
		want                        task.Verdict
	}
	for _, r := range []row{
		{end: task.OK, want: task.Complete},
		{end: task.OK, typ: task.ActorMethod, want: task.Complete},
		// The asymmetry that Ray has: a normal task that caught the interrupt keeps its value, a method does not.
		{end: task.OK, canceled: true, want: task.Complete},
		{end: task.OK, canceled: true, typ: task.ActorMethod, want: task.FailCancel},

		{end: task.Failed, want: task.FailWith},
		{end: task.Failed, retries: 3, want: task.FailWith},
		{end: task.Failed, retries: 3, retryable: true, want: task.Retry},
		{end: task.Failed, retries: -1, retryable: true, want: task.Retry},
		{end: task.Failed, retryable: true, want: task.FailWith},
		{end: task.Failed, retries: 3, retryable: true, canceled: true, want: task.FailWith},
		{end: task.Failed, canceled: true, typ: task.ActorMethod, want: task.FailWith},

		{end: task.Stopped, want: task.FailCancel},
		{end: task.Stopped, retries: 3, canceled: true, want: task.FailCancel},

		{end: task.NotStarted, want: task.Resubmit},
		{end: task.NotStarted, canceled: true, want: task.FailCancel},
		{end: task.NotStarted, canceled: true, typ: task.ActorMethod, want: task.FailCancel},

		{end: task.Died, want: task.FailDead},
		{end: task.Died, retries: 1, want: task.Retry},
		{end: task.Died, retries: -1, want: task.Retry},
		{end: task.Died, retries: 3, canceled: true, want: task.FailCancel},
		{end: task.Died, retries: 3, canceled: true, forced: true, want: task.FailCrashed},
		{end: task.Died, retries: 3, canceled: true, forced: true, typ: task.ActorMethod, want: task.FailCancel},

		{end: task.LeftActor, typ: task.ActorMethod, retries: 3, want: task.FailDead},
	} {
		e := &task.Entry{Spec: &task.Spec{Type: r.typ}, Retries: r.retries, Canceled: r.canceled, Forced: r.forced}
		if got := task.Decide(e, r.end, r.retryable); got != r.want {
			t.Errorf("%+v: got %v", r, got)
		}
	}
}

func TestUseAttempt(t *testing.T) {
	for _, c := range []struct{ before, after int }{{3, 2}, {1, 0}, {0, 0}, {-1, -1}} {
		e := &task.Entry{Retries: c.before}
		e.UseAttempt()
		if e.Retries != c.after || e.Attempt != 1 {
			t.Errorf("%d retries: %d left, attempt %d", c.before, e.Retries, e.Attempt)
		}
	}
}
