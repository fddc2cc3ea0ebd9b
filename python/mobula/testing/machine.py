"""What a process has on this machine at one moment: other processes, descriptors, threads and shared memory.

Owns looking, and comparing two looks. It knows nothing of sessions.
"""

from __future__ import annotations

import gc
import os
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

#: How long something that is on its way out may take to be gone; every wait is on a condition.
PATIENCE_S = 30.0
#: In the environment of whatever descends from this process.
MARK = "MOBULA_TEST_RUN"
# What the transport of our own tests (stock grpcio) keeps for ever: its C core has threads and descriptors of its own.
_GRPCIO = os.environ.get("MOBULA_TRANSPORT") == "grpcio"


def mark() -> None:
    """Marks this process, once: what it starts from now on inherits the mark, and is known by it."""
    if not os.environ.get(MARK, "").startswith(f"{os.getpid()}-"):
        os.environ[MARK] = f"{os.getpid()}-{time.time_ns()}"


def waited(findings: Callable[[], list[str]], patience: float = PATIENCE_S) -> list[str]:
    """What is still found when the time is over; [] as soon as nothing is."""
    deadline = time.monotonic() + patience
    while True:
        found = findings()
        if not found or time.monotonic() > deadline:
            return found
        time.sleep(0.01)


def marked_processes() -> dict[int, str]:
    """Every other process that descends from this one, by pid: all inherit its mark, daemons as well."""
    wanted = f"{MARK}={os.environ.get(MARK, '?')}".encode()
    found = {}
    for name in os.listdir("/proc"):
        if not name.isdigit() or int(name) == os.getpid():
            continue
        try:
            with open(f"/proc/{name}/environ", "rb") as file:
                if wanted not in file.read().split(b"\0"):
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


def shared_memory() -> set[str]:
    """Names in /dev/shm, but for those of a real Ray beside us."""
    try:
        return {name for name in os.listdir("/dev/shm") if not name.startswith(("plasma", "ray"))}
    except OSError:
        return set()


def live(kind: type) -> list[Any]:
    """The objects of exactly this type that the garbage collector knows."""
    return [one for one in gc.get_objects() if type(one) is kind]


def live_views() -> list[Any]:
    """The maps of large objects that something in this process still looks at."""
    arena = sys.modules.get("mobula._core.arena")
    return live(arena.PinnedMap) if arena is not None else []


_ARENA = "/memfd:mobula-arena (deleted)"


@dataclass
class Machine:
    """What there was at some moment."""

    processes: dict[int, str] = field(default_factory=marked_processes)
    descriptors: Counter[str] = field(default_factory=descriptors)
    threads: set[threading.Thread] = field(default_factory=lambda: set(threading.enumerate()))
    shared_memory: set[str] = field(default_factory=shared_memory)

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
            # Views outlive their session; before Python 3.13 each keeps a descriptor of the arena. To look for views takes a
            # look at every object there is, so only if there is something to explain.
            if new[_ARENA] > 0:
                new[_ARENA] -= len(live_views())
            found += [f"descriptor {target} x{count}" for target, count in (+new).items()]
        return found
