// Package objects is what the owner of objects serves in a Ray cluster: raylets and borrowers ask it where an object is, what
// it holds and whether it still exists, and tell it of copies; it learns who else holds a reference, and says which nodes are
// to free their copies at the end.
//
// Owner decides and does nothing else: no clock, no goroutine, no I/O, no lock. Answers that wait are functions which it calls
// once, under its caller's lock; they never block. Service puts it behind gRPC.
//
// It refuses to know why an object is wanted. Who uses a reference in this process is counted elsewhere: Expect and Forget,
// Borrow and Return are the ends of such a count.
package objects
