// Package execute is the executor's side of one worker process: which task goes to which of its lanes, in which order,
// how many at once, and what it means to cancel one that is here.
//
// A task comes by PushTask and is Queued in its concurrency group until a lane of the group has room. There are
// three kinds of lanes:
//
//	main    the worker's main thread: normal tasks, actors of one thread, and every actor's creation. Several tasks may
//	        be pushed ahead of the running one; each needs a ticket to start, so that they can be taken back.
//	thread  one thread of a threaded actor: one task at a time.
//	loop    an event loop: up to the group's max_concurrency at once, canceled one by one inside the loop.
//
// The room is a state machine: no I/O of its own (Port and Worker do that, and never block), no goroutine, no clock.
// Everything runs under the core's state lock.
package execute
