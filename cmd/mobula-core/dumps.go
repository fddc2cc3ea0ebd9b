package main

import "golang.org/x/sys/unix"

// withoutCoreDumps sees to it that a crash writes the token to no file: not the core's, and not that of any process below
// it, which all inherit the limit. The hard limit stays, so a task that wants a dump of its own process can raise it again.
//
// PR_SET_DUMPABLE would also keep debuggers out, but it gives /proc/self to root: the core could count its descriptors no
// more, nor `mobula stack` look at it. A limit that cannot be read or set is no reason not to start.
func withoutCoreDumps() {
	var limit unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_CORE, &limit) == nil {
		limit.Cur = 0
		_ = unix.Setrlimit(unix.RLIMIT_CORE, &limit) // lowering the soft limit is always allowed
	}
}
