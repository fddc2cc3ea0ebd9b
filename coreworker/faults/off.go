//go:build !faults

package faults

// Enabled says whether this core was built with faults.
const Enabled = false

// At says what is to be done at a point, this time.
func At(string, Action) Action { return None }

// Err is the error that a system call is to return instead of being made, nil to make it.
func Err(string, error) error { return nil }
