// Package coreworker is the core: what stands where Ray's C++ core worker stands, for every Python process attached to it.
//
// It wires the rooms and decides little itself. What each owns:
//
//	ids         identifiers
//	task        what a task is; the one decision of what a reply means
//	cancel      the canceled set of an executor
//	refs        who refers to which object
//	sched       resources
//	objects     values, and the arena that large ones lie in
//	submit      the caller's side of tasks and actor calls
//	execute     the executor's side
//	peer        how the one speaks to the other
//	embedded    the one-machine back end: workers, actors, function table
//	workers     processes; the only room with goroutines and a lock of its own
//
// # The lock
//
// All state of a Core is guarded by one lock, and every room above but workers is called with it held. So each event, of
// a shim or of a process, happens as a whole before or after every other one, and a race between two of them is a
// question of order only: golden scripts play both orders. Nothing under the lock blocks: what goes out goes into a
// lane's queue, a signal, or the pool's own queue. docs/lock-order.md has the order of all locks.
//
// Methods of Core and Process are called inside Do unless they say otherwise.
package coreworker
