"""The work of the soak. Each class is one kind: it begins when it is made, and `check` says what is wrong with what came out.

What may run at most once notes each run in a file, one line a run, so that a second one shows whatever it returned.
"""

from __future__ import annotations

import hashlib
import os
import random
import threading
import time
from collections import Counter
from collections.abc import Iterator
from typing import Any, ClassVar

import numpy as np

import mobula
from mobula import exceptions

_DIED = (exceptions.ActorDiedError, exceptions.ActorUnavailableError)


def _note(path: str, key: str) -> None:
    """One line, whole or not at all."""
    fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        os.write(fd, f"{key}\n".encode())
    finally:
        os.close(fd)


@mobula.remote(max_retries=-1)
def square(n: int) -> int:
    return n * n


@mobula.remote(max_retries=-1)
def array(size: int, fill: int) -> np.ndarray:
    return np.full(size, fill, np.uint8)


@mobula.remote(max_retries=-1)
def digest(data: Any) -> str:
    return hashlib.sha256(data).hexdigest()


@mobula.remote(max_retries=-1)
def sum_of_squares(numbers: list[int]) -> int:
    return sum(mobula.get([square.remote(n) for n in numbers]))


@mobula.remote(max_retries=0)
def once(path: str, key: str) -> str:
    _note(path, key)
    return key


@mobula.remote(max_retries=0)
def endless() -> None:
    while True:
        time.sleep(0.01)


@mobula.remote(max_retries=-1)
def count(items: int, size: int) -> Iterator[bytes]:
    for n in range(items):
        yield bytes([n % 256]) * size


@mobula.remote(max_restarts=-1, max_concurrency=4, num_cpus=0)
class Threaded:
    """At most once: a call that its process's death interrupts is not made again."""

    def once(self, path: str, key: str) -> str:
        _note(path, key)
        return key

    def until_canceled(self) -> str:
        context = mobula.get_runtime_context()
        while not context.is_canceled():
            time.sleep(0.002)
        return "ended in peace"


@mobula.remote(max_restarts=-1, max_task_retries=-1, num_cpus=0)
class Retried:
    """At least once: it must answer, whatever dies."""

    def length(self, data: Any) -> int:
        return len(data)


class World:
    """The actors that all work shares, and where runs are noted."""

    def __init__(self, folder: str) -> None:
        self.notes = os.path.join(folder, "notes")
        self.threaded = [Threaded.remote() for _ in range(2)]
        self.retried = [Retried.remote() for _ in range(2)]
        self._answered: set[str] = set()
        self._lock = threading.Lock()

    def answered(self, key: str) -> None:
        """A call returned: it has run."""
        with self._lock:
            self._answered.add(key)

    def twice(self) -> list[str]:
        """Calls that ran more than once, or returned and had not run."""
        try:
            with open(self.notes) as file:
                runs = Counter(file.read().split())
        except FileNotFoundError:
            runs = Counter()
        found = [f"{key} ran {times} times" for key, times in runs.items() if times > 1]
        return found + [f"{key} returned and had not run" for key in self._answered - runs.keys()]

    def close(self) -> None:
        """Let the actors go."""
        for actor in self.threaded + self.retried:
            mobula.kill(actor)
        self.threaded.clear()
        self.retried.clear()


class Work:
    """One piece of work under way."""

    #: The errors that faults may turn it into.
    excuses: ClassVar[tuple[type[BaseException], ...]] = ()

    def __init__(self, world: World, choose: random.Random) -> None:
        self.tasks = 1
        self.world = world
        self.key = f"{type(self).__name__}-{choose.getrandbits(64):016x}"
        self.begin(choose)

    def __repr__(self) -> str:
        return self.key

    def begin(self, choose: random.Random) -> None:
        """Submit."""
        raise NotImplementedError

    def check(self, patience: float) -> str | None:
        """Wait for the result; what is wrong with it, or None. Raises GetTimeoutError, and what the work raises."""
        raise NotImplementedError


class Tasks(Work):
    def begin(self, choose: random.Random) -> None:
        self.numbers = [choose.randrange(1 << 30) for _ in range(choose.randrange(1, 60))]
        self.tasks = len(self.numbers)
        self.refs = [square.remote(n) for n in self.numbers]

    def check(self, patience: float) -> str | None:
        got = mobula.get(self.refs, timeout=patience)
        return None if got == [n * n for n in self.numbers] else f"squares of {self.numbers} are {got}"


class Waited(Tasks):
    def check(self, patience: float) -> str | None:
        ready, rest = mobula.wait(self.refs, num_returns=len(self.refs), timeout=patience)
        if rest:
            raise exceptions.GetTimeoutError(f"{len(rest)} are not ready")
        if ready != self.refs:
            return "wait gives them in another order"
        return super().check(patience)


class Nested(Work):
    def begin(self, choose: random.Random) -> None:
        self.numbers = [choose.randrange(1000) for _ in range(choose.randrange(1, 12))]
        self.tasks = 1 + len(self.numbers)
        self.ref = sum_of_squares.remote(self.numbers)

    def check(self, patience: float) -> str | None:
        got, want = mobula.get(self.ref, timeout=patience), sum(n * n for n in self.numbers)
        return None if got == want else f"{got} instead of {want}"


class Chain(Work):
    """A large result that is another task's argument, and is looked at by the driver."""

    def begin(self, choose: random.Random) -> None:
        self.size, self.fill, self.tasks = choose.randrange(1000, 3_000_000), choose.randrange(256), 2
        self.large = array.remote(self.size, self.fill)
        self.ref = digest.remote(self.large)

    def check(self, patience: float) -> str | None:
        want = np.full(self.size, self.fill, np.uint8)
        if mobula.get(self.ref, timeout=patience) != hashlib.sha256(want).hexdigest():
            return "the digest of the argument is another"
        if not np.array_equal(mobula.get(self.large, timeout=patience), want):
            return "the array is another"
        return None


class Put(Work):
    def begin(self, choose: random.Random) -> None:
        self.data = choose.randbytes(choose.choice((10, 99_000, 150_000, 1_000_000)))
        self.large = mobula.put(self.data)
        self.ref = choose.choice(self.world.retried).length.remote(self.large)

    def check(self, patience: float) -> str | None:
        if mobula.get(self.ref, timeout=patience) != len(self.data):
            return "the actor saw another length"
        return None if mobula.get(self.large, timeout=patience) == self.data else "what was put is another"


class Once(Work):
    excuses = (exceptions.WorkerCrashedError,)

    def begin(self, choose: random.Random) -> None:
        self.ref = once.remote(self.world.notes, self.key)

    def check(self, patience: float) -> str | None:
        if mobula.get(self.ref, timeout=patience) != self.key:
            return "another's result"
        self.world.answered(self.key)
        return None


class Call(Once):
    excuses = _DIED

    def begin(self, choose: random.Random) -> None:
        self.ref = choose.choice(self.world.threaded).once.remote(self.world.notes, self.key)


class Canceled(Work):
    """A task that ends by a cancel alone."""

    excuses = (exceptions.WorkerCrashedError,)

    def begin(self, choose: random.Random) -> None:
        self.force = choose.random() < 0.2
        self.ref = endless.remote()
        if choose.random() < 0.5:
            mobula.cancel(self.ref, force=self.force)

    def check(self, patience: float) -> str | None:
        mobula.cancel(self.ref, force=self.force)
        try:
            return f"returned {mobula.get(self.ref, timeout=patience)}"
        except exceptions.TaskCancelledError:
            return None


class CanceledCall(Work):
    """A method that ends by a cancel alone, in its own time."""

    excuses = _DIED

    def begin(self, choose: random.Random) -> None:
        self.ref = choose.choice(self.world.threaded).until_canceled.remote()
        mobula.cancel(self.ref)

    def check(self, patience: float) -> str | None:
        try:
            return f"returned {mobula.get(self.ref, timeout=patience)}"
        except exceptions.TaskCancelledError:
            return None


class Stream(Work):
    def begin(self, choose: random.Random) -> None:
        self.items, self.size = choose.randrange(1, 20), choose.choice((1, 1000, 150_000))
        self.stream = count.options(num_returns="streaming").remote(self.items, self.size)
        self.read = choose.choice((self.items, choose.randrange(self.items + 1)))

    def check(self, patience: float) -> str | None:
        for n in range(self.read):
            ref = self.stream._next_sync(timeout_s=patience)
            if ref.is_nil():
                raise exceptions.GetTimeoutError(f"item {n} has not come")
            if mobula.get(ref, timeout=patience) != bytes([n % 256]) * self.size:
                return f"item {n} is another"
        if self.read < self.items:
            return None  # the rest is nobody's
        try:
            return f"{next(self.stream)} beyond the last of {self.items}"
        except StopIteration:
            return None


KINDS: tuple[type[Work], ...] = (Tasks, Tasks, Waited, Nested, Chain, Put, Once, Call, Canceled, CanceledCall, Stream)
