// Package wire turns what the core knows of a task into Ray's messages, and what stock workers answer into what the core
// understands. Pure: no connection, no state.
//
// Every spec is filled as Ray's own driver fills it. What a field's absence does is nowhere the same as what it says: a
// backpressure of 0 ends the worker that reads it.
package wire
