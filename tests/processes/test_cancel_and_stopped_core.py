"""cancel() returns when it is written, also where the core is stopped (SIGSTOP) and hears of it later. Whatever somebody does who
knows that it has returned comes after it all the same: what has not begun never runs, and a result finds its call canceled.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import mobula
from process_kit import stopped_core, until

A_WHILE_S = 0.3  # for what must not happen: a worker that is free to begin does so in a thousandth of it

Cancelled = mobula.exceptions.TaskCancelledError


@pytest.fixture
def session(place: str) -> Iterator[None]:
    mobula.init(num_cpus=1, object_store_memory=1 << 27)
    yield
    mobula.shutdown()


@mobula.remote
class Plain:
    def quick(self) -> None:
        pass

    def until_there(self, begun: Path, gate: Path) -> str:
        begun.touch()
        until("the gate is open", gate.exists)
        return "went on"

    def until_there_and_a_put(self, begun: Path, second: Path, gate: Path) -> str:
        begun.touch()
        until("the second begins", second.exists)
        mobula.put(1)  # the first that lies on its lane for the core to read
        (second.parent / "said").touch()
        until("the gate is open", gate.exists)
        return "went on"

    def touch(self, path: Path) -> None:
        path.touch()


@pytest.mark.parametrize("concurrency", [1, 2], ids=["plain", "threads"])
def test_a_result_finds_its_call_canceled(session: None, tmp_path: Path, concurrency: int) -> None:
    begun, second, said, gate = (tmp_path / name for name in ("begun", "second", "said", "gate"))
    actor = Plain.options(max_concurrency=concurrency).remote()
    ref = actor.until_there_and_a_put.remote(begun, second, gate)
    until("it has begun", begun.exists)
    with stopped_core():
        second.touch()
        until("it has said so", said.exists)
        mobula.cancel(ref)
        gate.touch()
        time.sleep(A_WHILE_S)  # its result lies before the core, on the line that is ready first
    with pytest.raises(Cancelled):
        mobula.get(ref)
    assert mobula.get(actor.quick.remote()) is None


def test_what_was_pushed_ahead_and_canceled_never_begins(session: None, tmp_path: Path) -> None:
    begun, gate, trace = tmp_path / "begun", tmp_path / "gate", tmp_path / "trace"
    actor = Plain.remote()
    blocker = actor.until_there.remote(begun, gate)
    behind = actor.touch.remote(trace)
    last = actor.quick.remote()
    until("it has begun", begun.exists)
    until("all are with the worker", lambda: mobula.session.process().inspect().tasks_queued == 0)  # they are with the worker
    with stopped_core():
        mobula.cancel(behind)
        gate.touch()
        time.sleep(A_WHILE_S)
        assert not trace.exists()
    assert mobula.get(blocker) == "went on"
    with pytest.raises(Cancelled):
        mobula.get(behind)
    assert mobula.get(last) is None
    assert not trace.exists()


def test_many_are_canceled_while_the_core_is_stopped(session: None, tmp_path: Path) -> None:
    begun, gate, trace = tmp_path / "begun", tmp_path / "gate", tmp_path / "trace"
    actor = Plain.remote()
    blocker = actor.until_there.remote(begun, gate)
    until("it has begun", begun.exists)
    refs = [actor.touch.remote(trace) for _ in range(100)]
    with stopped_core():
        for ref in refs:
            mobula.cancel(ref)  # none waits for an answer
    gate.touch()
    assert mobula.get(blocker) == "went on"
    for ref in refs:
        with pytest.raises(Cancelled):
            mobula.get(ref)
    assert not trace.exists()
