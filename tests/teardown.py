"""A pytest plugin: after every test that used a session, nothing of it may be left that nobody refers to.

    pytest -p teardown                                    (with tests/ on PYTHONPATH; tests/conftest.py loads it by itself)

Owns the checks and nothing of the suites: it watches the sessions of the test process by wrapping the start and the end of
one. A session that still runs when the test's function has returned has to come to rest: no task, lease or parked request,
no canceled id, no object or block that the driver has no ref to, no pin without a view, and no more goroutines and
descriptors than at an earlier rest with as many workers and lanes. A session that has ended leaves no process, folder,
descriptor, thread or shared memory, nor does anything that the test started. A test whose work is meant to outlive it says
so: `@pytest.mark.leaves("tasks_running")`, or `leaves("descriptor")` for what a library keeps.

Every wait is on a condition; what has not come to rest within PATIENCE_S is a finding, and the test fails by it.
"""

from __future__ import annotations

import gc
import os
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from typing import Any

import pytest

PATIENCE_S = 5.0
RUN = "MOBULA_TEST_RUN"
_QUIET = ("tasks_pending", "tasks_queued", "tasks_running", "canceled", "parked", "leases")
# What the transport of the tests (stock grpcio) keeps for ever: its C core has threads and descriptors of its own.
_GRPCIO = os.environ.get("MOBULA_TRANSPORT") == "grpcio"


def waited(findings: Callable[[], list[str]], patience: float = PATIENCE_S) -> list[str]:
    """What is still found when the time is over; [] as soon as nothing is."""
    deadline = time.monotonic() + patience
    while True:
        found = findings()
        if not found or time.monotonic() > deadline:
            return found
        time.sleep(0.01)


# ---------------------------------------------------------------------------------------------- the machine


def marked_processes() -> dict[int, str]:
    """Every other process that descends from this one, by pid: all inherit this test run's mark, daemons as well."""
    mark = f"{RUN}={os.environ.get(RUN, '?')}".encode()
    found = {}
    for name in os.listdir("/proc"):
        if not name.isdigit() or int(name) == os.getpid():
            continue
        try:
            with open(f"/proc/{name}/environ", "rb") as file:
                if mark not in file.read().split(b"\0"):
                    continue
            with open(f"/proc/{name}/cmdline", "rb") as file:
                found[int(name)] = file.read().replace(b"\0", b" ").decode(errors="replace")[:100]
        except OSError:
            continue  # it ended, or is another user's
    return found


def descriptors() -> Counter[str]:
    """What this process has open, by target, of the kinds that mobula opens."""
    found: Counter[str] = Counter()
    for fd in os.listdir("/proc/self/fd"):
        try:
            target = os.readlink(f"/proc/self/fd/{fd}")
        except OSError:
            continue
        if target.startswith(("socket:", "pipe:", "anon_inode:", "/memfd:")):
            found[target] += 1
    return found


def _shared_memory() -> set[str]:
    try:
        return {name for name in os.listdir("/dev/shm") if not name.startswith(("plasma", "ray"))}
    except OSError:
        return set()


@dataclass
class Machine:
    """What there was at some moment."""

    processes: dict[int, str] = field(default_factory=marked_processes)
    descriptors: Counter[str] = field(default_factory=descriptors)
    threads: set[threading.Thread] = field(default_factory=lambda: set(threading.enumerate()))
    shared_memory: set[str] = field(default_factory=_shared_memory)

    def new_since(self, now: Machine) -> list[str]:
        """What `now` has and this moment had not."""
        found = [f"process {pid}: {what}" for pid, what in now.processes.items() if pid not in self.processes]
        found += [f"/dev/shm/{name}" for name in now.shared_memory - self.shared_memory]
        if not _GRPCIO:
            found += [f"thread {one.name}" for one in now.threads - self.threads if one.name.startswith("mobula")]
            new = now.descriptors - self.descriptors
            # Another descriptor of the same pipe or socket is none of ours: pytest duplicates its output to capture it.
            for target in self.descriptors:
                if target.startswith(("socket:", "pipe:")):
                    del new[target]
            # Views outlive their session; before Python 3.13 each keeps a descriptor of the arena.
            new["/memfd:mobula-arena (deleted)"] -= len(_live_views())
            found += [f"descriptor {target} x{count}" for target, count in (+new).items()]
        return found


# ---------------------------------------------------------------------------------------------- the session


def _live(kind: type) -> list[Any]:
    return [one for one in gc.get_objects() if type(one) is kind]


def _live_views() -> list[Any]:
    arena = sys.modules.get("mobula._core.arena")
    return _live(arena.PinnedMap) if arena is not None else []


@dataclass
class Watched:
    """A session that this process started."""

    started: Any  # None once it has ended: it would keep the session's memory mapped
    session_dir: str
    before: Machine
    # Goroutines and descriptors of the core at earlier rests, by how many workers and lanes there were.
    rests: dict[tuple[int, int], tuple[int, int]] = field(default_factory=dict)

    def restless(self, allowed: frozenset[str]) -> list[str]:
        """What keeps the session from rest, at this moment."""
        gc.collect()
        counts = self.started.process.inspect()
        found = [f"{name}={getattr(counts, name)}" for name in _QUIET if getattr(counts, name) and name not in allowed]
        if counts.blocks_without_ref > counts.pins:
            found.append(f"{counts.blocks_without_ref} blocks without a ref, {counts.pins} pins")
        if counts.actors == 0 and counts.processes == 1 + counts.workers:
            found += self._unowned(counts, allowed)
        key, now = (counts.workers, counts.lanes), (counts.goroutines, counts.fds)
        if not found and counts.idle_workers == counts.workers:
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
        refs = {ref.binary() for ref in _live(ObjectRef)}
        if counts.objects > len(refs) and "objects" not in allowed:
            found.append(f"{counts.objects} objects, {len(refs)} refs")
        if counts.blocks - counts.blocks_without_ref > len(refs) and "objects" not in allowed:
            found.append(f"{counts.blocks} blocks, {len(refs)} refs")
        if counts.pins > len(_live_views()) and "pins" not in allowed:
            found.append(f"{counts.pins} pins, {len(_live_views())} views")
        return found

    def left(self) -> list[str]:
        """What the session left when it had ended."""
        gc.collect()
        found = []
        if os.path.exists(self.session_dir):
            found.append(f"folder {self.session_dir}")
        return found + self.before.new_since(Machine())


class Watch:
    """The sessions of this process, as they start and end."""

    def __init__(self) -> None:
        self.live: Watched | None = None
        self.ended: list[Watched] = []
        self.before = Machine()  # the test that runs

    def install(self) -> None:
        """Wraps the start and the end of sessions."""
        from mobula import session

        start, shutdown = session._start, session.shutdown

        def watched_start(settings: Any) -> None:
            start(settings)
            started = session.started()
            self.live = Watched(started, started.session_dir, self.before)

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
        import mobula

        mobula.shutdown = watched_shutdown


_watch = Watch()


# ---------------------------------------------------------------------------------------------- pytest


def pytest_configure(config: pytest.Config) -> None:
    """Marks this run, so that whatever descends from it is known, and watches sessions."""
    config.addinivalue_line("markers", "leaves(*what): the test's work outlives it: these counts are not checked")
    os.environ[RUN] = f"{os.getpid()}-{time.time_ns()}"
    _watch.install()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, Any, Any]:
    """Notes what there was before the test."""
    _watch.before = Machine()
    return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, Any, Any]:
    """Checks the session that still runs, once the test's function is through and its locals are gone."""
    result = yield
    live = _watch.live
    if live is not None and live.started.process.session.ended is None:
        allowed = frozenset(what for mark in item.iter_markers("leaves") for what in mark.args)
        found = waited(lambda: live.restless(allowed))
        if found:
            pytest.fail(f"the session does not come to rest: {'; '.join(found)}", pytrace=False)
    return result


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Item) -> Generator[None, Any, Any]:
    """Checks the sessions that ended in this test, and what the test itself left."""
    result = yield
    ended, _watch.ended = _watch.ended, []
    live = _watch.live
    allowed = tuple(what for mark in item.iter_markers("leaves") for what in mark.args)
    found: list[str] = []
    found += [f"folder {one.session_dir}" for one in ended if os.path.exists(one.session_dir)]
    if live is None:  # else that one's processes and descriptors are in the way
        if ended:
            found += waited(lambda: [what for what in ended[0].left() if not what.startswith(allowed)])
        before = _watch.before
        found += waited(lambda: [what for what in before.new_since(Machine()) if what.startswith(("process", "/dev/shm"))])
    if found:
        pytest.fail(f"left behind: {'; '.join(dict.fromkeys(found))}", pytrace=False)
    return result
