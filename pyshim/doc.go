// Package pyshim is the Go side of the Python boundary: the gRPC service of proto/boundary.proto. It translates between
// messages and calls of package coreworker, numbers nothing, decides nothing.
//
// A lane has two goroutines: the stream's handler reads, and a writer sends what was queued. The handler owns the writer
// and waits for it. Nothing is ever sent with the core's state lock held; what is queued for a lane is bounded, and a
// shim that does not read what it asked for is cut off.
package pyshim
