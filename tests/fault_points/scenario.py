"""A little of everything, with results that are known beforehand: what runs while one point of the core fails.

`Failed` is a wrong result, a second run of what may run once, or an end that did not come. An error that a fault may cause is
counted and no more: everything that follows has to work again.
"""

from __future__ import annotations

import os
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

import mobula
from mobula import exceptions

#: Longer than anything takes here: who waits so long would wait for ever.
PATIENCE_S = 40.0
MB = 1 << 20
#: What a fault may turn a result into. A lane or a worker may be lost, a worker may not come into being, a disk may be full.
EXPLAINED = (
    exceptions.WorkerCrashedError,
    exceptions.RayActorError,
    exceptions.RaySystemError,
    exceptions.ObjectStoreFullError,
    exceptions.OutOfDiskError,
    exceptions.ObjectLostError,
)


class Failed(AssertionError):
    """What no fault may lead to."""


def note(path: str, key: str) -> None:
    """One line, whole or not at all."""
    with open(path, "ab", buffering=0) as file:
        file.write(f"{key}\n".encode())


@mobula.remote
def total(array: np.ndarray) -> int:
    return int(array.sum())


@mobula.remote
def double(n: int) -> int:
    return 2 * n


@mobula.remote
def outer(n: int) -> int:
    inner: int = mobula.get(double.remote(n))
    return inner + 1


@mobula.remote(max_retries=0)
def once(path: str, key: str) -> str:
    note(path, key)
    return key


@mobula.remote(max_retries=0)
def endless(path: str) -> None:
    import time

    note(path, "endless")
    while True:
        time.sleep(0.005)


@mobula.remote
def items(count: int) -> Iterator[int]:
    yield from range(count)


@mobula.remote(max_concurrency=2)
class Counted:
    def __init__(self) -> None:
        self.calls = 0

    def once(self, path: str, key: str) -> str:
        note(path, key)
        self.calls += 1
        return key

    def until_canceled(self, path: str) -> str:
        import time

        note(path, "method")
        while not mobula.get_runtime_context().is_canceled():
            time.sleep(0.002)
        return "left"


class Steps:
    """Carries steps out, and knows what each may end with."""

    def __init__(self) -> None:
        self.errors: Counter[str] = Counter()

    def get(self, what: str, ref: Any, wanted: object, *also: type[Exception]) -> None:
        """The value, or an error that a fault explains; `also` are the errors that are the wanted outcome."""
        try:
            value = mobula.get(ref, timeout=PATIENCE_S)
        except exceptions.GetTimeoutError as error:
            raise Failed(f"{what}: no end within {PATIENCE_S:g} s") from error
        except (*also, *EXPLAINED) as error:
            if not isinstance(error, also or ()):
                self.explained(what, error)
            return
        if also or value != wanted:
            raise Failed(f"{what}: {value!r}, not {wanted!r}")

    def explained(self, what: str, error: Exception) -> None:
        self.errors[f"{what}: {type(error).__name__}"] += 1

    def attempt(self, what: str, step: Callable[[], Any]) -> Any:
        """What `step` gives; None where a fault's error came instead."""
        try:
            return step()
        except exceptions.GetTimeoutError as error:
            raise Failed(f"{what}: no end within {PATIENCE_S:g} s") from error
        except EXPLAINED as error:
            self.explained(what, error)
        return None


def calls(steps: Steps, folder: str) -> None:
    """Puts, tasks, an actor and cancels."""
    notes = os.path.join(folder, "notes")
    array = np.arange(100_000)
    ref = steps.attempt("put", lambda: mobula.put(array)) or mobula.put(array)  # the fault is over
    steps.get("nested", outer.remote(4), 9)
    steps.get("large argument", total.remote(ref), int(array.sum()))
    steps.get("once", once.remote(notes, "task"), "task")
    got = steps.attempt("get a put", partial(mobula.get, ref, timeout=PATIENCE_S))
    if got is not None and not np.array_equal(got, array):
        raise Failed("get a put: another array")
    del got, ref
    refs = [double.remote(n) for n in range(4)]
    ready = steps.attempt("wait", partial(mobula.wait, refs, num_returns=4, timeout=PATIENCE_S))
    if ready is not None and len(ready[0]) != 4:
        raise Failed(f"wait: {len(ready[0])} of 4 within {PATIENCE_S:g} s")
    for n, one in enumerate(refs):
        steps.get("task", one, 2 * n)
    del refs, ready, one
    stream = steps.attempt("stream", lambda: [mobula.get(one, timeout=PATIENCE_S) for one in items.remote(3)])
    if stream not in (None, [0, 1, 2]):
        raise Failed(f"stream: {stream}")
    running = endless.remote(notes)
    steps.attempt("cancel", partial(mobula.cancel, running))
    steps.get("canceled task", running, None, exceptions.TaskCancelledError)
    del running
    actor = Counted.remote()
    for n in range(3):
        steps.get("method", actor.once.remote(notes, f"call{n}"), f"call{n}")
    method = actor.until_canceled.remote(notes)
    steps.attempt("cancel a method", partial(mobula.cancel, method))
    steps.get("canceled method", method, None, exceptions.TaskCancelledError)
    del method
    steps.attempt("kill", partial(mobula.kill, actor))
    del actor
    runs = Counter(Path(notes).read_text(encoding="utf-8").split()) if os.path.exists(notes) else Counter()
    if any(count > 1 for count in runs.values()):
        raise Failed(f"run more than once: {runs}")


def spills(steps: Steps, folder: str) -> None:
    """Twice of what the store holds."""
    del folder
    refs = []
    for n in range(6):
        ref = steps.attempt("put", partial(mobula.put, np.full(25 * MB, n, np.uint8)))
        if ref is not None:
            refs.append((n, ref))
    for n, ref in refs:
        array = steps.attempt("get what was spilled", partial(mobula.get, ref, timeout=PATIENCE_S))
        if array is not None and (len(array) != 25 * MB or array[0] != n or array[-1] != n):
            raise Failed(f"get what was spilled: another array than {n}")
        del array


SCENARIOS = {"calls": (calls, 200 * MB), "spills": (spills, 80 * MB)}


def run(name: str) -> Counter[str]:
    """One session of this scenario. Returns the errors that came and that a fault explains; raises Failed."""
    scenario, store = SCENARIOS[name]
    steps = Steps()
    with tempfile.TemporaryDirectory() as folder, mobula.testing.nothing_left():
        try:
            mobula.init(num_cpus=2, object_store_memory=store, log_to_driver=False)
        except (RuntimeError, *EXPLAINED) as error:
            steps.explained("init", error)
            os.environ["MOBULA_FAULTS"] = ""  # the next core works
            mobula.init(num_cpus=2, object_store_memory=store, log_to_driver=False)
        try:
            scenario(steps, folder)
            # To look is a call of its own, which may meet the fault; the look after that must not.
            if steps.attempt("look", lambda: mobula.testing.at_rest() or True) is None:
                mobula.testing.at_rest()
        finally:
            mobula.shutdown()
    return steps.errors
