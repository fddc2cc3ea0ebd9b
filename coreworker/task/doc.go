// Package task holds what a task is and what its owner knows of it: the spec, the table of tasks without an
// outcome, and the one decision of what a reply means (complete, fail, retry).
//
// It is pure: no clock, no goroutine, no I/O, no lock. Everything here is called under the core's state lock.
package task
