// Package raylet speaks with this node's raylet over its unix socket: a driver comes and goes there, and says which objects it
// waits for. What goes to raylets by gRPC, of this node and of others, is not here.
//
// A raylet ends its own process, and with it the node's work of everybody, on a message of a type it does not know, on an id
// of a wrong length and on a few requests that make no sense. So what is sent is closed by types: a message is one of the
// types of messages.go, which nobody else can make; their ids are arrays; and what a raylet checks is made true while a
// message is built (see waitRequest.prepare).
package raylet
