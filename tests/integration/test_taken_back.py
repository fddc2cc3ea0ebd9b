"""Tasks are pushed to workers ahead of time, and still none that was canceled before it started runs, and none runs twice."""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from integration_kit import Gate, Notes, until

import mobula

TASKS = 200


@mobula.remote(max_retries=0)
def head(notes: Notes, gate: Gate) -> None:
    notes.add("head")
    gate.wait()


@mobula.remote(max_retries=0)
def note(notes: Notes, number: int) -> int:
    notes.add(number)
    return number


@mobula.remote
class Noting:
    def head(self, notes: Notes, gate: Gate) -> None:
        notes.add("head")
        gate.wait()

    def note(self, notes: Notes, number: int) -> int:
        notes.add(number)
        return number


def _outcomes(refs: list[Any]) -> list[bool]:
    """Whether each was canceled; a value has to be the right one."""
    out = []
    for number, ref in enumerate(refs):
        try:
            assert mobula.get(ref, timeout=30) == number
            out.append(False)
        except mobula.exceptions.TaskCancelledError:  # noqa: PERF203 - each has an outcome of its own
            out.append(True)
    return out


@pytest.mark.parametrize("kind", ["task", "actor"])
@pytest.mark.parametrize("seed", [1, 2])
def test_behind_a_sleeping_head(fresh: Callable[..., Any], tmp_path: Path, kind: str, seed: int) -> None:
    fresh(num_cpus=1)
    choose = random.Random(seed)
    notes, gate = Notes(tmp_path), Gate(tmp_path)
    actor = Noting.remote() if kind == "actor" else None
    mobula.get([note.remote(Notes(tmp_path, "warm"), number) for number in range(50)])
    first, call = (head, note) if actor is None else (actor.head, actor.note)
    blocking = first.remote(notes, gate)
    refs = [call.remote(notes, number) for number in range(TASKS)]
    until("the head runs", lambda: notes.lines() == ["head"])
    canceled = set(choose.sample(range(TASKS), TASKS // 2))
    for number in canceled:
        mobula.cancel(refs[number])
    for number in list(canceled)[:20]:
        with pytest.raises(mobula.exceptions.TaskCancelledError):
            mobula.get(refs[number], timeout=60)  # at once: the head still sleeps
    gate.open()
    mobula.get(blocking)
    assert _outcomes(refs) == [number in canceled for number in range(TASKS)]
    assert sorted(map(int, notes.lines()[1:])) == sorted(set(range(TASKS)) - canceled)


@pytest.mark.parametrize("seed", range(4))
def test_while_they_run(fresh: Callable[..., Any], tmp_path: Path, seed: int) -> None:
    """A canceled one may have run; nothing runs twice, and what gives a value has run once."""
    fresh(num_cpus=2)
    choose = random.Random(seed)
    notes = Notes(tmp_path)
    refs = [note.remote(notes, number) for number in range(TASKS)]
    time.sleep(choose.random() * 0.02)  # chance, not a signal
    for number in choose.sample(range(TASKS), TASKS // 2):
        mobula.cancel(refs[number])
    canceled = _outcomes(refs)
    runs = Counter(map(int, notes.lines()))
    assert max(runs.values()) == 1
    assert all(runs[number] == 1 for number in range(TASKS) if not canceled[number])


@mobula.remote(max_retries=0)
def parent(notes: Notes, gate: Gate) -> list[int]:
    """Blocks in get: what was pushed behind it goes to another worker, and its own CPU to its children."""
    notes.add("parent")
    return mobula.get([slow.remote(gate, number) for number in range(3)])


@mobula.remote(max_retries=0)
def slow(gate: Gate, number: int) -> int:
    gate.wait()
    return number


def test_a_head_that_blocks_gives_the_others_away(fresh: Callable[..., Any], tmp_path: Path) -> None:
    fresh(num_cpus=1)
    notes, gate = Notes(tmp_path), Gate(tmp_path)
    mobula.get([note.remote(Notes(tmp_path, "warm"), number) for number in range(50)])
    for _ in range(5):
        blocked = parent.remote(notes, gate)
        refs = [note.remote(notes, number) for number in range(40)]
        gate.open()
        assert mobula.get(refs, timeout=60) == list(range(40))
        assert mobula.get(blocked, timeout=60) == [0, 1, 2]
    runs = Counter(notes.lines())
    assert set(runs.values()) == {5}
