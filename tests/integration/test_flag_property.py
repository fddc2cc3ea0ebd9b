"""is_canceled() reads a word of shared memory; the RPC asks the executor's set. At every quiet moment both say the same."""

from __future__ import annotations

import random
import threading
from typing import Any

import pytest

import mobula
from mobula._core.context import current_task

THREADS = 32


@mobula.remote(concurrency_groups={"ask": 1})
class Held:
    """Methods that run until they are let go, and one that looks at them all through both doors."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.doors: dict[int, threading.Event] = {}
        self.tasks: dict[int, Any] = {}
        self.seen: dict[int, bool] = {}

    def hold(self, number: int) -> int:
        door = threading.Event()
        with self.lock:
            self.tasks[number] = current_task.get()
            self.doors[number] = door
        door.wait(60)
        with self.lock:
            self.seen[number] = mobula.get_runtime_context().is_canceled()
            del self.tasks[number]
        return number

    def running(self) -> list[int]:
        with self.lock:
            return sorted(self.doors)

    def release(self, numbers: list[int]) -> None:
        for number in numbers:
            self.doors.pop(number).set()

    def flags(self) -> dict[int, tuple[bool, bool, bool]]:
        """For each running call: by the page, by the RPC, and by a copy of the context in another thread."""
        process = mobula._core.process.require()
        assert process.page is not None
        with self.lock:
            tasks = dict(self.tasks)
        return {
            number: (
                process.page[task.slot] == task.epoch << 1 | 1,
                process.ask_canceled(task.task_id),
                _as_task(task),
            )
            for number, task in tasks.items()
        }

    def seen_at_the_end(self) -> dict[int, bool]:
        return self.seen


def _as_task(task: Any) -> bool:
    token = current_task.set(task)
    try:
        return mobula.get_runtime_context().is_canceled()
    finally:
        current_task.reset(token)


@pytest.mark.parametrize("seed", range(6))
def test_page_and_rpc_agree(shared: Any, seed: int) -> None:
    choose = random.Random(seed)
    actor = Held.options(max_concurrency=THREADS).remote()
    ask = {
        name: getattr(actor, name).options(concurrency_group="ask") for name in ("running", "release", "flags", "seen_at_the_end")
    }
    refs: dict[int, Any] = {}
    running: set[int] = set()
    canceled: set[int] = set()
    ever = set()
    for step in range(60):
        what = choose.random()
        if what < 0.45 or not running:
            for _ in range(choose.randint(1, min(8, THREADS - len(running))) if len(running) < THREADS else 0):
                number = len(refs)
                refs[number] = actor.hold.remote(number)
                running.add(number)
            while set(mobula.get(ask["running"].remote())) != running:
                pass  # each look is a call that waits for its answer
        elif what < 0.75:
            chosen = choose.sample(sorted(running), choose.randint(1, len(running)))
            for number in chosen:
                mobula.cancel(refs[number])
            canceled.update(chosen)
            ever.update(chosen)
        else:
            chosen = choose.sample(sorted(running), choose.randint(1, len(running)))
            mobula.get(ask["release"].remote(chosen))
            mobula.wait([refs[number] for number in chosen], num_returns=len(chosen), timeout=60)
            running.difference_update(chosen)
            canceled.difference_update(chosen)
        flags = mobula.get(ask["flags"].remote())
        assert flags == {number: (number in canceled,) * 3 for number in running}, f"seed {seed}, step {step}"
        assert shared.inspect().canceled == len(canceled)
    mobula.get(ask["release"].remote(sorted(running)))
    for number, ref in refs.items():
        if number in ever:
            with pytest.raises(mobula.exceptions.TaskCancelledError):
                mobula.get(ref)
        else:
            assert mobula.get(ref) == number
    assert mobula.get(ask["seen_at_the_end"].remote()) == {number: number in ever for number in refs}


@mobula.remote
class Racer:
    """Methods that end by themselves while they are being canceled: the flag must never be another call's."""

    def run(self, spins: int) -> list[bool]:
        context = mobula.get_runtime_context()
        return [context.is_canceled() for _ in range(spins)]


def test_a_flag_is_never_seen_by_another_call() -> None:
    choose = random.Random(7)
    actor = Racer.options(max_concurrency=8).remote()
    calls = [(actor.run.remote(choose.choice((1, 100, 2000))), index % 3 == 0) for index in range(600)]
    for ref, wanted in calls:
        if wanted:
            mobula.cancel(ref)
    for ref, wanted in calls:
        if wanted:
            try:
                mobula.get(ref)
            except mobula.exceptions.TaskCancelledError:
                pass  # or it was through before
        else:
            assert not any(mobula.get(ref))
