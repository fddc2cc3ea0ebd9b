// Package direct serves the connections of a client that opens one gRPC stream on each, which is what the shim's lanes
// are. It owns their bytes: the little of HTTP/2 that one stream needs, flow control, and one loop that reads and writes
// all of them. It does not know what the messages mean, and it never refuses anybody: whatever does not begin exactly
// like such a client is handed on to the gRPC library, which speaks to everybody else on the same socket.
//
// docs/decisions/0008-one-loop-for-lanes.md says why it exists.
package direct
