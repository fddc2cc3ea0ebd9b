"""Many of everything: queued tasks, workers that come and go, threads of one actor."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from integration_kit import Gate, Notes, until

import mobula

MANY = 100_000


@mobula.remote
def number(i: int) -> int:
    return i


@mobula.remote
def pass_gate(gate: Gate) -> int:
    gate.wait(120)
    return os.getpid()


class Threaded:
    """Methods that wait for one event."""

    def __init__(self) -> None:
        self.event = threading.Event()

    def wait(self) -> None:
        self.event.wait(60)

    def open(self) -> None:
        self.event.set()
        self.event = threading.Event()

    def pid(self) -> int:
        return os.getpid()


def test_a_hundred_thousand_tasks_wait_and_each_runs_once(fresh: Callable[..., Any], tmp_path: Path) -> None:
    process = fresh()
    gate = Gate(tmp_path)
    held = [pass_gate.remote(gate) for _ in range(2)]
    # Both: while its worker starts, the second may stand behind the first, and what comes later may run before it.
    until("both workers are held", lambda: process.inspect().tasks_running == 2)
    refs = [number.remote(i) for i in range(MANY)]
    until("all are queued", lambda: process.inspect().tasks_pending == MANY + 2)
    canceled = refs[MANY // 2]
    mobula.cancel(canceled)
    gate.open()
    with pytest.raises(mobula.exceptions.TaskCancelledError):
        mobula.get(canceled)
    expected = [i for i in range(MANY) if i != MANY // 2]
    assert mobula.get(refs[: MANY // 2] + refs[MANY // 2 + 1 :], timeout=120) == expected
    mobula.get(held)
    del refs, held, canceled
    counts = process.inspect()
    assert (counts.tasks_pending, counts.tasks_queued, counts.tasks_running, counts.canceled) == (0, 0, 0, 0)
    until("their values are gone", lambda: process.inspect().objects == 0)


def test_a_hundred_thousand_calls_of_an_actor_keep_their_order(fresh: Callable[..., Any], tmp_path: Path) -> None:
    process = fresh()

    @mobula.remote
    class Counter:
        def __init__(self) -> None:
            self.value = 0

        def wait(self, gate: Gate) -> None:
            gate.wait(120)

        def add(self) -> int:
            self.value += 1
            return self.value

    gate = Gate(tmp_path)
    counter = Counter.remote()
    first = counter.wait.remote(gate)
    refs = [counter.add.remote() for _ in range(MANY)]
    until("all are queued", lambda: process.inspect().tasks_pending >= MANY + 1)
    gate.open()
    assert mobula.get(refs, timeout=120) == list(range(1, MANY + 1))
    mobula.get(first)


def test_workers_are_used_again(fresh: Callable[..., Any]) -> None:
    fresh()

    @mobula.remote
    def pid() -> int:
        return os.getpid()

    one_by_one = {mobula.get(pid.remote()) for _ in range(300)}
    at_once = set(mobula.get([pid.remote() for _ in range(300)]))
    assert len(one_by_one | at_once) <= 2


def test_idle_workers_beyond_the_processors_leave(fresh: Callable[..., Any], tmp_path: Path) -> None:
    process = fresh()
    gate, notes = Gate(tmp_path), Notes(tmp_path)

    @mobula.remote(num_cpus=0)
    def wait() -> None:
        notes.add(os.getpid())
        gate.wait(120)

    refs = [wait.remote() for _ in range(6)]
    until("six run", lambda: len(notes.lines()) == 6)
    gate.open()
    mobula.get(refs)
    pids = set(notes.lines())
    assert len(pids) == 6
    until("no more than two are left", lambda: process.inspect().workers <= 2)
    until("their processes are gone", lambda: sum(os.path.exists(f"/proc/{pid}") for pid in pids) <= 2)


def test_threads_are_as_many_as_methods_run_and_a_few(fresh: Callable[..., Any]) -> None:
    """With max_concurrency=1000, also after a burst: at most eight threads more than methods that run."""
    process = fresh()
    actor = mobula.remote(Threaded).options(max_concurrency=1000).remote()
    pid = mobula.get(actor.pid.remote())
    alone = len(os.listdir(f"/proc/{pid}/task"))  # one method has run: one of these is its thread
    lanes = process.inspect().lanes

    def beyond() -> tuple[int, int]:
        return len(os.listdir(f"/proc/{pid}/task")) - alone, process.inspect().lanes - lanes

    waiting: list[Any] = []
    for running in (1, 10, 60):
        waiting += [actor.wait.remote() for _ in range(running - len(waiting))]
        until(f"{running} run", lambda running=running: process.inspect().tasks_running >= running)  # type: ignore[misc]
        assert max(beyond()) <= running + 8
    mobula.get([actor.pid.remote() for _ in range(2000)])
    until("the burst is over", lambda: max(beyond()) <= 60 + 8)
    mobula.get(actor.open.remote())
    mobula.get(waiting)
    until("the threads have ended", lambda: max(beyond()) <= 8)
    assert mobula.get(actor.pid.remote()) == pid
    again = [actor.wait.remote() for _ in range(30)]
    until("30 run", lambda: process.inspect().tasks_running >= 30)
    mobula.get(actor.open.remote())
    mobula.get(again)
