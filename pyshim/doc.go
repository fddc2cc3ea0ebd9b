// Package pyshim is the Go side of the Python boundary: the gRPC service of proto/boundary.proto. It translates between
// messages and calls of package coreworker, numbers nothing, decides nothing.
//
// A lane of the shim's own client has no goroutine: the loop of package direct serves them all. A lane of a stock client
// has three: one reads, one writes what was queued, and the stream's handler waits for the lane's end, for only its return
// ends a stream, also one whose reader or writer waits in gRPC. Nothing is ever sent with the core's state lock held; what is
// queued for a lane is bounded, and a shim that does not read what it asked for is cut off.
package pyshim
