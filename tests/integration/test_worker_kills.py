"""A worker is killed, whatever it is doing: its task is tried again or fails in a sentence, and nobody else notices."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from integration_kit import Gate, Notes, until

import mobula

pytestmark = pytest.mark.usefixtures("shared")


@mobula.remote
def pid() -> int:
    return os.getpid()


@mobula.remote(max_retries=0)
def once(notes: Notes, gate: Gate) -> str:
    notes.add(os.getpid())
    gate.wait()
    return "done"


def _first(notes: Notes) -> int:
    until("the task runs", lambda: bool(notes.lines()))
    return int(notes.lines()[0])


def test_idle(shared: Any) -> None:
    os.kill(mobula.get(pid.remote()), signal.SIGKILL)
    assert mobula.get([pid.remote() for _ in range(8)], timeout=60)


def test_running_without_retries_names_the_signal(tmp_path: Path) -> None:
    notes, gate = Notes(tmp_path), Gate(tmp_path)
    ref = once.remote(notes, gate)
    os.kill(_first(notes), signal.SIGKILL)
    with pytest.raises(mobula.exceptions.WorkerCrashedError, match="SIGKILL"):
        mobula.get(ref, timeout=60)


def test_running_with_retries_runs_again(tmp_path: Path) -> None:
    notes, gate = Notes(tmp_path), Gate(tmp_path)
    ref = once.options(max_retries=1).remote(notes, gate)
    os.kill(_first(notes), signal.SIGKILL)
    until("the second try", lambda: len(notes.lines()) == 2)
    gate.open()
    assert mobula.get(ref, timeout=60) == "done"
    assert len(set(notes.lines())) == 2


class StopsHalfWay:
    """A large buffer in whose pickling the process is killed: after the block was allocated, before it is sealed."""

    def __init__(self, notes: Notes, gate: Gate) -> None:
        self.notes = notes
        self.gate = gate


@mobula.remote(max_retries=0)
def killed_in_put(how: str) -> None:
    from mobula.serialization import Serialized

    write = Serialized.write_into

    def half(self: Serialized, target: memoryview) -> None:
        target[: len(target) // 2] = bytes(len(target) // 2)
        os.kill(os.getpid(), signal.SIGKILL)
        write(self, target)

    Serialized.write_into = half  # type: ignore[method-assign]
    data = np.zeros(5_000_000, np.uint8)
    if how == "put":
        mobula.put(data)
    return data


@pytest.mark.parametrize("how", ["put", "return"])
def test_in_the_middle_of_writing_a_large_object(shared: Any, how: str) -> None:
    before = shared.inspect().blocks
    with pytest.raises(mobula.exceptions.WorkerCrashedError, match="SIGKILL"):
        mobula.get(killed_in_put.remote(how), timeout=60)
    until("the block is free", lambda: shared.inspect().blocks == before)


@mobula.remote(max_retries=0)
def blocked_in_get(refs: list[Any], notes: Notes) -> Any:
    notes.add(os.getpid())
    return mobula.get(refs[0])


def test_blocked_in_get(shared: Any, tmp_path: Path) -> None:
    notes, gate = Notes(tmp_path), Gate(tmp_path)
    slow = once.remote(Notes(tmp_path, "other"), gate)
    reader = blocked_in_get.remote([slow], notes)
    victim = _first(notes)
    until("parked", lambda: shared.inspect().parked == 1)
    os.kill(victim, signal.SIGKILL)
    with pytest.raises(mobula.exceptions.WorkerCrashedError, match="SIGKILL"):
        mobula.get(reader, timeout=60)
    until("its request is gone", lambda: shared.inspect().parked == 0)
    gate.open()
    assert mobula.get(slow, timeout=60) == "done"


@mobula.remote(max_retries=0)
def hold_view(refs: list[Any], notes: Notes, gate: Gate) -> int:
    view = mobula.get(refs[0])
    notes.add(os.getpid())
    gate.wait()
    return int(view.sum())


def test_with_a_view_of_a_large_object(shared: Any, tmp_path: Path) -> None:
    notes = Notes(tmp_path)
    big = mobula.put(np.ones(3_000_000, np.uint8))
    reader = hold_view.remote([big], notes, Gate(tmp_path))
    victim = _first(notes)
    until("pinned", lambda: shared.inspect().pins == 1)
    os.kill(victim, signal.SIGKILL)
    with pytest.raises(mobula.exceptions.WorkerCrashedError):
        mobula.get(reader, timeout=60)
    until("its pin is gone", lambda: shared.inspect().pins == 0)
    assert int(mobula.get(big).sum()) == 3_000_000


@mobula.remote(max_retries=0)
def owner_of(size: int) -> tuple[Any, int]:
    return [mobula.put(np.ones(size, np.uint8))], os.getpid()


@pytest.mark.parametrize("size", [10, 1_000_000])
def test_what_it_has_put_outlives_it(size: int) -> None:
    refs, owner = mobula.get(owner_of.remote(size))
    os.kill(owner, signal.SIGKILL)
    until("it is gone", lambda: not os.path.exists(f"/proc/{owner}"))
    # Ray loses what a worker has put together with the worker; here the core keeps it while anybody refers to it.
    assert int(mobula.get(refs[0], timeout=60).sum()) == size


@mobula.remote
class Counter:
    def __init__(self) -> None:
        self.count = 0

    def add(self) -> int:
        self.count += 1
        return self.count

    def pid(self) -> int:
        return os.getpid()

    def hold(self, notes: Notes, gate: Gate) -> str:
        notes.add(os.getpid())
        gate.wait()
        return "done"


def test_an_actor_with_calls_running_and_queued(tmp_path: Path) -> None:
    actor = Counter.remote()
    notes = Notes(tmp_path)
    calls = [actor.hold.remote(notes, Gate(tmp_path)), *(actor.add.remote() for _ in range(20))]
    os.kill(_first(notes), signal.SIGKILL)
    for call in calls:
        with pytest.raises(mobula.exceptions.RayActorError):
            mobula.get(call, timeout=60)


def test_an_actor_that_restarts_goes_on_with_what_was_queued(tmp_path: Path) -> None:
    actor = Counter.options(max_restarts=1, max_task_retries=1).remote()
    assert mobula.get(actor.add.remote()) == 1
    os.kill(mobula.get(actor.pid.remote()), signal.SIGKILL)
    assert mobula.get([actor.add.remote() for _ in range(5)], timeout=60) == [1, 2, 3, 4, 5]


def test_many_at_random(shared: Any) -> None:
    """Workers go while 300 tasks run: every task ends, with its value."""
    refs = [pid.options(max_retries=-1).remote() for _ in range(300)]
    for _ in range(10):
        ready, refs_left = mobula.wait(refs, num_returns=1)
        try:
            os.kill(mobula.get(ready[0]), signal.SIGKILL)
        except ProcessLookupError:
            pass  # it had been killed
        refs = refs_left
    assert len(mobula.get(refs, timeout=30)) == 290


def test_the_end_of_a_worker_does_not_overtake_its_last_results() -> None:
    @mobula.remote(max_retries=0)
    def work(number: int) -> int:
        if number % 4 == 3:
            os._exit(1)
        return number

    for _ in range(60):
        refs = [work.remote(number) for number in range(4)]
        assert mobula.get(refs[:3]) == [0, 1, 2]
        with pytest.raises(mobula.exceptions.WorkerCrashedError):
            mobula.get(refs[3])
