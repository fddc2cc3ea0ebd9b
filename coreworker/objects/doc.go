// Package objects owns the values of objects: which are known, which are there, and where their bytes lie.
//
//	Store   every known object: pending or ready, its value, and who waits for it
//	Arena   blocks of the shared-memory arena: free space, writers, pins; it never touches the bytes
//	Room    who gets room in the arena, in which order, and what goes to disk for it
//	errors  the values that stand for a failure, made in Ray's encoding
//
// It refuses to decide when an object may go (refs does) and to read a value: data is passed through. It holds no
// lock, starts no goroutine and does no I/O; whoever uses it guards it, and lends it the one system call the arena
// needs.
package objects
