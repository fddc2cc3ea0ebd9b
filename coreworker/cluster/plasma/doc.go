// Package plasma speaks with a node's object store: it makes objects there, seals them, and maps those that others made.
//
// One Client is one connection, and the store counts what it holds by connections: an object is held once, however often it was
// got, and released once. So the client counts by itself (holds.go) and tells the store of the first and of the last. The store
// ends its process, which is the raylet's, at the release of what the connection does not hold, at a seal or an abort of what it
// did not create, and at an id of a wrong length, and at a
// size that no file has. None of these can be said: ids are arrays, Seal and Abort are methods of what
// Create returned, and Release of what Get returned, each of them once; sizes have a limit.
//
// Requests of many goroutines are on the way at once. The store answers a get when the objects are there or its time is over,
// and everything else in the order in which it came, so a get that waits keeps nobody.
//
// An object's bytes are valid until its Release, no longer: the store gives the place to others then. Memory outlives the
// connection and the store.
package plasma
