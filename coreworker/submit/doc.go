// Package submit is the caller's side: it waits for a task's arguments, finds it a worker or its actor, pushes it, and
// decides by task.Decide what the reply means.
//
// One Normal and any number of Actor queues belong to one process. Where workers come from is the Leaser's business,
// where actors live the Directory's; both have an embedded and a cluster implementation. Pure like package execute:
// called under the core's state lock, never blocking, time and timers through Env.
package submit
