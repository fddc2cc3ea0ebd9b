// Package workers owns every process below the core: it starts them, reads what they print, signals them, reaps
// them, and says how they died. It knows nothing of tasks, leases or lanes, and refuses to guess at causes.
//
// # How a worker is made
//
// One zygote (python, with what workers need already imported) forks a worker on request, twice: the first child
// forks the second and ends, so that the kernel hands the worker to the nearest subreaper, which is the core.
//
//	core                         zygote                 first child      worker
//	 │ spawn id, env             │
//	 │ + ticket, out, err, go ──▶│ fork ────────────────▶│ fork ─────────▶│ own process group
//	 │                           │ wait for its end ◀────┘ pid            │ reads "go"
//	 │◀── born id, pid ──────────┤                                        │
//	 │ pidfd, registered with the reaper, onStart                         │
//	 ├── one byte on "go" ───────────────────────────────────────────────▶│ PDEATHSIG, run_worker
//
// The worker runs nothing before "go", so onStart always comes before its first lane; if the core or the zygote
// fails in between, the pipe's end makes it exit. A worker that needs another interpreter or variables read at
// start-up (PYTHON*, LD_*, MALLOC_*) is executed by the core instead, and so are all when something imported into
// the zygote started a thread, because a fork would copy locks that nobody will ever release.
//
// # What the caller can rely on
//
//   - Spawn returns at once. onExit is called exactly once for each, onStart at most once and before it.
//   - When onExit is called the process is reaped, its process group is killed, and its output has been read
//     (though perhaps not handed on yet). After onExit returns the tickets are closed.
//   - Callbacks run on goroutines of the worker: they may block, but Close waits for them. OnOutput runs on one
//     goroutine for all; while it blocks, output is held up to a bound and then dropped, oldest first, and counted.
//   - The process that has a Pool is a subreaper with one owner of wait (reaper.go). Children made by other means
//     must be announced with Foreign.
package workers
