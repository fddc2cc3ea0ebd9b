"""What a session of this process holds and leaves: the checks behind `nothing_left` and the pytest plugin.

A session that runs on has to come to rest: each task it was ever given has exactly one outcome, no task, lease or parked
request, no canceled id, no object or block that the driver has no ref to, no pin without a view, every invariant of the core
holds, and it has no more goroutines and descriptors than at an earlier rest with as many workers and lanes. A session that
has ended leaves no process, folder, descriptor, thread or shared memory.
"""

from __future__ import annotations

import gc
import os
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from mobula.testing.machine import Machine, live, live_views, mark

_QUIET = ("tasks_pending", "tasks_queued", "tasks_running", "canceled", "parked", "leases")


@dataclass
class Watched:
    """A session that this process started."""

    started: Any  # None once it has ended: it would keep the session's memory mapped
    session_dir: str  # "" where it stays, as another driver's
    before: Machine
    # Goroutines and descriptors of the core at earlier rests, by how many workers and lanes there were.
    rests: dict[tuple[int, int], tuple[int, int]] = field(default_factory=dict)

    def restless(self, allowed: frozenset[str]) -> list[str]:
        """What keeps the session from rest, at this moment, but for the counts that are `allowed`."""
        # Garbage in cycles may hold refs and views. To collect it takes fifty times as long as the rest, so only if there is
        # something to explain.
        if not self._restless(allowed):
            return []
        gc.collect()
        return self._restless(allowed)

    def _restless(self, allowed: frozenset[str]) -> list[str]:
        counts = self.started.process.inspect(validate=True)
        found = [f"{name}={getattr(counts, name)}" for name in _QUIET if getattr(counts, name) and name not in allowed]
        if counts.task_outcomes + counts.tasks_pending != counts.tasks_submitted:
            pending = f"{counts.tasks_pending} of them pending"
            found.append(f"{counts.tasks_submitted} tasks, {pending}, and {counts.task_outcomes} outcomes")
        if counts.broken:
            found.append(f"an invariant of the core does not hold: {counts.broken}")
        if counts.blocks_without_ref > counts.pins:
            found.append(f"{counts.blocks_without_ref} blocks without a ref, {counts.pins} pins")
        if counts.actors == 0 and counts.processes == 1 + counts.workers:
            found += self._unowned(counts, allowed)
        key, now = (counts.workers, counts.lanes), (counts.goroutines, counts.fds)
        # A driver of a cluster has connections to as many workers as have ever run something for it.
        if not found and counts.idle_workers == counts.workers and not self.started.settings.address:
            then = self.rests.setdefault(key, now)
            # A connection that was just closed is still being taken down, which the caller waits for.
            if now[0] > then[0] + 4 or now[1] > then[1] + 2:
                found.append(f"with {key[0]} workers and {key[1]} lanes the core had {then} goroutines and fds, now {now}")
            self.rests[key] = (min(then[0], now[0]), min(then[1], now[1]))
        return found

    def _unowned(self, counts: Any, allowed: frozenset[str]) -> list[str]:
        """Only the driver can hold anything: nothing runs, and there is no actor."""
        from mobula.object_ref import ObjectRef

        found = []
        # To look for refs and views takes a look at every object there is.
        refs = {ref.binary() for ref in live(ObjectRef)} if counts.objects or counts.blocks else set()
        if counts.objects > len(refs) and "objects" not in allowed:
            found.append(f"{counts.objects} objects, {len(refs)} refs")
        if counts.blocks - counts.blocks_without_ref > len(refs) and "objects" not in allowed:
            found.append(f"{counts.blocks} blocks, {len(refs)} refs")
        if counts.pins and counts.pins > len(live_views()) and "pins" not in allowed:
            found.append(f"{counts.pins} pins, {len(live_views())} views")
        return found

    def left(self) -> list[str]:
        """What the session left when it had ended."""
        found = self._left()
        if found:
            gc.collect()
            found = self._left()
        return found

    def _left(self) -> list[str]:
        folder = [f"folder {self.session_dir}"] if self.session_dir and os.path.exists(self.session_dir) else []
        return folder + self.before.new_since(Machine())


class Watch:
    """The sessions of this process, as they start and end, from `begin` on."""

    def __init__(self) -> None:
        self.live: Watched | None = None
        self.ended: list[Watched] = []
        self.before = Machine({}, Counter(), set(), set())
        self.begun = False

    def begin(self) -> None:
        """Forgets what has ended, and looks at the machine as it is now. The first call wraps the start and end of sessions."""
        mark()
        if not self.begun:
            self._install()
        self.ended = []
        self.before = Machine()

    def running(self) -> Watched | None:
        """The session that runs now and whose core has not died."""
        watched = self.live
        return watched if watched is not None and watched.started.process.session.ended is None else None

    def _install(self) -> None:
        import mobula
        from mobula import session

        self.begun = True
        start, shutdown = session._start, session.shutdown
        running = session.started()
        if running is not None:
            self.live = Watched(running, running.own_dir, Machine())

        def watched_start(settings: Any) -> None:
            start(settings)
            started = session.started()
            assert started is not None
            self.live = Watched(started, started.own_dir, self.before)

        def watched_shutdown(*args: Any, **kwargs: Any) -> None:
            try:
                shutdown(*args, **kwargs)
            finally:
                if self.live is not None and session.started() is None:
                    self.live.started = None
                    self.ended.append(self.live)
                    self.live = None

        session._start = watched_start
        session.shutdown = watched_shutdown
        mobula.shutdown = watched_shutdown


#: The one of this process: a session has one start and one end.
watch = Watch()
