package task

// Outcome is how one attempt ended, as its executor (or the one who saw it die) tells it.
type Outcome uint8

// The ends of an attempt.
const (
	OK         Outcome = iota // the function returned
	Failed                    // user code or loading raised; the error object tells what
	Stopped                   // the interrupt or CancelledError ended it, or it was canceled before user code was entered
	NotStarted                // taken back before it ran: nobody's attempt is used up
	Died                      // the worker went while it ran
	LeftActor                 // exit_actor()
)

func (o Outcome) String() string {
	return [...]string{"ok", "failed", "stopped", "not-started", "died", "left-actor"}[o]
}

// Verdict is what the owner does about an attempt that ended.
type Verdict uint8

// What to do.
const (
	Complete    Verdict = iota // the returned values are the outcome
	FailWith                   // the executor's error object is the outcome
	FailCancel                 // TASK_CANCELLED is the outcome
	FailDead                   // the death of the worker (or actor) is the outcome
	Retry                      // again, attempt number + 1
	Resubmit                   // again, the same attempt
	FailCrashed                // canceled with force while it ran: WorkerCrashedError, as documented
)

func (v Verdict) String() string {
	return [...]string{"complete", "fail-with-error", "fail-canceled", "fail-dead", "retry", "resubmit", "fail-crashed"}[v]
}

// Decide is the one place that says what an ended attempt means for the task. It follows Ray
// (src/ray/core_worker/task_manager.cc, actor_task_submitter.cc), with one deliberate asymmetry kept: a canceled
// actor method that returned normally is canceled, while a normal task that caught the interrupt keeps its value.
func Decide(e *Entry, end Outcome, retryable bool) Verdict {
	actor := e.Spec.Type == ActorMethod
	switch end {
	case OK:
		if e.Canceled && actor {
			return FailCancel
		}
		return Complete
	case Failed:
		switch {
		case e.Canceled:
			return FailWith // its own exception after seeing the flag: that is what get raises
		case retryable && e.Retries != 0:
			return Retry
		}
		return FailWith
	case Stopped:
		return FailCancel
	case NotStarted:
		if e.Canceled {
			return FailCancel
		}
		return Resubmit
	case LeftActor:
		return FailDead
	default:
		switch {
		case e.Canceled && e.Forced && !actor:
			return FailCrashed
		case e.Canceled:
			return FailCancel
		case e.Retries != 0:
			return Retry
		}
		return FailDead
	}
}

// UseAttempt counts a retry.
func (e *Entry) UseAttempt() {
	e.Attempt++
	if e.Retries > 0 {
		e.Retries--
	}
}
