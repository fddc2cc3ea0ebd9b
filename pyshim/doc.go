// Package pyshim is the Go side of the Python boundary: the gRPC service of proto/boundary.proto. It translates between
// messages and calls of package coreworker, numbers nothing, decides nothing.
//
// A lane has two goroutines: the stream's handler writes what was queued, and another reads. The handler ends the
// stream and with it the reader, which the server waits for. Nothing is ever sent with the core's state lock held; what is
// queued for a lane is bounded, and a shim that does not read what it asked for is cut off.
package pyshim
