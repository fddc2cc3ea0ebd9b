// Package faults makes named points of the core fail on purpose, as data says: MOBULA_FAULTS="point:action:nth,…".
//
// It owns the reading of that specification and the counting, and knows nothing of what happens at a point. Only a core built
// with `-tags faults` has it (`make faults`); in the product, Enabled is a constant false, Err and At are empty, and the compiler
// leaves nothing of them. docs/reliability.md says how it is used.
package faults

// Action is what is done at a point. A point says which of them it knows, as a sum.
type Action uint8

// The actions. What each means for a message stands in pyshim/faults.go.
const (
	Fail   Action = 1 << iota // the system call returns its error; the message is not carried out, and its lane ends
	Lose                      // the message is carried out, or taken to be sent, and its lane ends before anybody hears
	Delay                     // it comes later, and so does all that follows on its lane
	Double                    // it comes twice

	None Action = 0
)
