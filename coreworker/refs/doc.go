// Package refs owns the reference counts of objects: which process holds how many, which tasks in flight need one,
// which objects are pickled inside which, and so when an object may go.
//
// An object is referred to by
//
//	holders      the handles of a process: Add, Drop, DropHolder
//	uses         tasks in flight with it among, or inside, their arguments: Use, Unuse
//	containment  objects that are referred to and have it pickled inside: Contain
//
// and goes when the last of these goes; what only it contained goes with it. The caller is told, in order, and frees
// the value, the block, the pending task's claim. Two objects that contain each other keep each other for ever, as in
// Ray.
//
// It refuses to know what an object is: no value, no state, no task. It keeps no lineage. It holds no lock.
//
// A table of a million objects that their owner alone holds is a slab of 64-byte entries without pointers and a map of
// numbers; further holders, and containment, cost extra only where they occur.
package refs
