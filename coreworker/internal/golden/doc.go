// Package golden runs golden scripts against a state machine: files under testdata with one verb and its expected
// answer after the other. It is for tests only.
//
//	# A method that was canceled while it was queued is never sent.
//	# Guards the race: cancel lands between grant and push.
//
//	submit m1 actor=a1
//	----
//	queued m1
//
//	cancel m1
//	----
//	fail m1 TASK_CANCELLED
//
// Every script is one file, begins with a comment that says what it ensures, and runs on a state of its own. Every verb
// is one function. After every verb the state's invariants are checked.
//
// `go test ./… -args -rewrite` writes what the machine answers into the scripts. Commit such a diff only if you
// understand it.
//
// It refuses to know any verb. Names turns short names into ids and ids in answers back into names.
package golden
