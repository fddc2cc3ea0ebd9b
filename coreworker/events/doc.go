// Package events owns what has happened in a session: one bounded stream, in the order in which things ended. So far it
// holds the attempts of tasks. timeline() reads it; it refuses to know how anything is shown.
//
// It is pure: no clock (times are given), no goroutine, no I/O, no lock. It is called under the core's state lock, once an
// attempt, so an entry costs the same however many there are: the stream grows by chunks and is never copied.
package events
