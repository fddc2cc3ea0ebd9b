"""What the cases beyond Ray share: signals between processes, bodies of actors, and how a ref ended.

Workers import this module by name: it lies in a folder that is on the driver's path.
"""

from __future__ import annotations

import asyncio
import random
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mobula
from mobula._core.process import current

PATIENCE_S = 60.0
#: "At once": what holds a call back in these cases lasts longer than this (a method that is never let go, a sleep of minutes,
#: Ray's stall of 31 s), and no machine is so busy that it needs as much.
PROMPT_S = 25.0

Cancelled = mobula.exceptions.TaskCancelledError


def until(what: str, condition: Callable[[], Any]) -> None:
    """Wait for something that happens in another process, in small steps: an interrupt is seen between two of them."""
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, f"never: {what}"
        time.sleep(0.002)


class Flags:
    """Signals kept as files: any process can raise one and wait for one. Passed to tasks and actors as an argument."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def up(self, name: str) -> None:
        """Raise the flag."""
        (self.folder / name).touch()

    def is_up(self, name: str) -> bool:
        """Whether somebody raised it."""
        return (self.folder / name).exists()

    def wait(self, name: str) -> None:
        """Return when it is up."""
        until(name, lambda: self.is_up(name))

    async def wait_async(self, name: str) -> None:
        """The same, in an event loop."""
        while not self.is_up(name):  # noqa: ASYNC110 - the signal comes from another process
            await asyncio.sleep(0.002)

    def note(self, name: str, line: object) -> None:
        """Append a line to a log of all processes."""
        with open(self.folder / name, "a", encoding="utf-8") as log:
            log.write(f"{line}\n")

    def notes(self, name: str) -> list[str]:
        """The lines so far."""
        return (self.folder / name).read_text(encoding="utf-8").splitlines() if self.is_up(name) else []


def parked(count: int) -> None:
    """Return when this many calls of `get` and `wait` are blocked in the session."""
    process = current()
    assert process is not None
    until(f"{count} blocked calls", lambda: process.inspect().parked == count)


def outcome(ref: Any, timeout: float = PATIENCE_S) -> Any:
    """The value of a ref, or the type of the error that get raises."""
    try:
        return mobula.get(ref, timeout=timeout)
    except mobula.exceptions.RayError as error:
        return type(error)


def seconds_until_cancelled(ref: Any) -> float:
    """How long get takes to raise TaskCancelledError; fails if it raises or returns anything else."""
    began = time.monotonic()
    assert outcome(ref) is Cancelled
    return time.monotonic() - began


def instants(seed: int, count: int, longest_s: float) -> list[float]:
    """Random delays, a third of them none at all: the instants at which to cancel. The same in every run."""
    rng = random.Random(seed)
    return [0.0 if rng.random() < 1 / 3 else rng.uniform(0, longest_s) for _ in range(count)]


def spin(seconds: float) -> None:
    """Let this much time go by more exactly than sleep can: most delays here are shorter than a time slice."""
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        pass


class Plain:
    """Methods of an actor of one thread, or of several."""

    def __init__(self, flags: Flags) -> None:
        self.flags = flags
        self.log: list[str] = []
        self.lock = threading.Lock()

    def hold(self, name: str) -> str:
        """Keep a thread busy until the flag `<name>.go` is up."""
        self.flags.up(f"{name}.started")
        self.flags.wait(f"{name}.go")
        return name

    def quick(self, name: str, _argument: Any = None) -> str:
        """Leave a trace that it ran."""
        with self.lock:
            self.log.append(name)
        return name

    def history(self) -> list[str]:
        """The traces."""
        return list(self.log)


class Looping:
    """The same as coroutines."""

    def __init__(self, flags: Flags) -> None:
        self.flags = flags
        self.log: list[str] = []

    async def hold(self, name: str) -> str:
        self.flags.up(f"{name}.started")
        await self.flags.wait_async(f"{name}.go")
        return name

    async def quick(self, name: str, _argument: Any = None) -> str:
        self.log.append(name)
        return name

    async def history(self) -> list[str]:
        return list(self.log)


@mobula.remote
def wait_for(flags: Flags, name: str) -> str:
    """A normal task that ends when a flag is up."""
    flags.up(f"{name}.started")
    flags.wait(name)
    return name
