// Package spill does the work that the object store has with its disk: one goroutine that carries out jobs in the order they
// come, on a file without a name. Which blocks move, and when, package objects decides; the state lock is never held here.
package spill
