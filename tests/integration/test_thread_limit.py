"""Workers at the limit of processes and threads: the zygote and those that it forks are put into a group with a limit."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from cgroup_kit import group
from integration_kit import Gate, Notes, until

import mobula
from mobula.exceptions import ActorDiedError, WorkerCrashedError


@mobula.remote
def quick(number: int) -> int:
    return number


@mobula.remote(max_concurrency=4)
class Actor:
    def number(self, number: int) -> int:
        return number

    def hold(self, notes: Notes, gate: Gate) -> None:
        notes.add("here")
        gate.wait(60)


@contextlib.contextmanager
def explained() -> Iterator[None]:
    """An error in here names the limit."""
    try:
        yield
    except mobula.exceptions.RayError as error:
        if re.search("could not fork|can't start new thread", str(error)):
            raise
        pytest.fail(str(error))


def test_workers_at_the_limit_of_threads_go_on_with_those_they_have(fresh: Callable[..., Any], tmp_path: Path) -> None:
    """Invariant: a process or a thread that cannot be started is an error in words for who needs it, or costs time alone; who
    is there goes on, and once there is room everything does."""
    with group("pids") as (folder, _):
        try:
            process = fresh(num_cpus=2)
            actor = Actor.remote()
            assert mobula.get([actor.number.remote(1), quick.remote(1)], timeout=60) == [1, 1]
            for one in psutil.Process(process.session.core_pid).children():
                (folder / "cgroup.procs").write_text(str(one.pid))
            limit = folder / "pids.max"
            limit.write_text((folder / "pids.current").read_text())
            notes, gate = Notes(tmp_path), Gate(tmp_path)
            held = [actor.hold.remote(notes, gate) for _ in range(4)]
            for ref in (Actor.remote().number.remote(2), quick.remote(3)):
                # A process that was there already may serve one of them.
                with contextlib.suppress(ActorDiedError, WorkerCrashedError), explained():
                    mobula.get(ref, timeout=60)
            assert len(notes.lines()) < 4
            limit.write_text("max")
            # Nothing new is asked of the actor: it has tried again to start its threads.
            until("four run at once", lambda: len(notes.lines()) == 4)
            gate.open()
            mobula.get(held, timeout=60)
            assert mobula.get([actor.number.remote(4), Actor.remote().number.remote(5)], timeout=60) == [4, 5]
        finally:
            mobula.shutdown()
