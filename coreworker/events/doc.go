// Package events owns what has happened in a session: bounded streams, in the order in which things ended, of the
// attempts of tasks and of the gets of what they return. timeline() reads them; it refuses to know how anything is shown.
//
// It is pure: no clock (times are given), no goroutine, no I/O, no lock. It is called under the core's state lock, once an
// attempt or a ref, so an entry costs the same however many there are: the stream grows by chunks and is never copied.
package events
