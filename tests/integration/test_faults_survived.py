"""Faults of a session that lives on; each test names the invariant it defends. docs/reliability.md has the table of all."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from integration_kit import Gate, Notes, until

import mobula

ENDS: dict[str, Callable[[], None]] = {
    "SIGKILL": lambda: os.kill(os.getpid(), signal.SIGKILL),
    "SIGSEGV": lambda: os.kill(os.getpid(), signal.SIGSEGV),
    "_exit": lambda: os._exit(1),
}


@mobula.remote
def dies(notes: Notes, end: Callable[[], None]) -> None:
    notes.add("run")
    end()


@pytest.mark.parametrize("how", sorted(ENDS))
def test_a_task_whose_worker_dies_runs_once_and_once_a_retry(shared: Any, tmp_path: Path, how: str) -> None:
    """Invariant: a task runs at most 1 + max_retries times, exactly so often if each run kills its worker, and then has an
    error as its one outcome."""
    notes = Notes(tmp_path)
    with pytest.raises(mobula.exceptions.WorkerCrashedError):
        mobula.get(dies.options(max_retries=2).remote(notes, ENDS[how]), timeout=60)
    assert notes.lines() == ["run"] * 3


@mobula.remote(max_restarts=1)
class Restarts:
    def dies(self, notes: Notes, end: Callable[[], None]) -> None:
        notes.add("run")
        end()

    def lives(self) -> bool:
        return True


@pytest.mark.parametrize("how", sorted(ENDS))
def test_a_method_is_not_run_twice_though_its_actor_restarts(shared: Any, tmp_path: Path, how: str) -> None:
    """Invariant: without max_task_retries a method runs at most once, whatever becomes of its actor."""
    notes = Notes(tmp_path)
    actor = Restarts.remote()
    with pytest.raises(mobula.exceptions.RayActorError):
        mobula.get(actor.dies.remote(notes, ENDS[how]), timeout=60)
    until("the actor is back", lambda: _lives(actor), 60)
    assert notes.lines() == ["run"]


def _lives(actor: Any) -> bool:
    try:
        return bool(mobula.get(actor.lives.remote(), timeout=60))
    except mobula.exceptions.ActorUnavailableError:
        return False


@mobula.remote(max_retries=0)
def slow(notes: Notes, gate: Gate) -> str:
    notes.add(os.getpid())
    gate.wait(60)
    return "done"


@mobula.remote
def quick(number: int) -> int:
    return number


def test_a_stopped_worker_is_no_dead_worker(shared: Any, tmp_path: Path) -> None:
    """Invariant: SIGSTOP and SIGCONT of a worker cost time and nothing else: its task runs once and keeps its value, and
    others go on meanwhile."""
    notes, gate = Notes(tmp_path), Gate(tmp_path)
    ref = slow.remote(notes, gate)
    until("the task runs", lambda: bool(notes.lines()), 60)
    worker = int(notes.lines()[0])
    os.kill(worker, signal.SIGSTOP)
    try:
        gate.open()
        assert mobula.get([quick.remote(number) for number in range(50)], timeout=60) == list(range(50))
        assert mobula.wait([ref], timeout=0) == ([], [ref])
    finally:
        os.kill(worker, signal.SIGCONT)
    assert mobula.get(ref, timeout=60) == "done"
    assert notes.lines() == [str(worker)]
