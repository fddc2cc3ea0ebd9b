"""Row 8, an addition. Ray 2.60: `force=True` on a running task gives TaskCancelledError although WorkerCrashedError is
documented, and on an actor task that has finished it is no ValueError although "only `force=False` is allowed for an
actor task". Here: both as documented.
"""

from __future__ import annotations

import contextlib
import os
import time

import pytest
from beyond_kit import Cancelled, Flags, Looping, Plain, instants, outcome, spin, wait_for

import mobula

Crashed = mobula.exceptions.WorkerCrashedError


@mobula.remote
def stubborn(flags: Flags, name: str) -> None:
    flags.note("began", name)
    flags.up(f"{name}.started")
    while True:
        with contextlib.suppress(KeyboardInterrupt):
            time.sleep(30)
        flags.up(f"{name}.interrupted")


@mobula.remote
def work(seconds: float) -> str:
    spin(seconds)
    return "done"


@mobula.remote
def put_something() -> list[object]:
    return [mobula.put("kept")]


def test_a_running_task_is_a_crashed_worker_and_is_not_tried_again(flags: Flags) -> None:
    for number in range(5):
        ref = stubborn.options(max_retries=3).remote(flags, str(number))
        flags.wait(f"{number}.started")
        mobula.cancel(ref, force=True)
        assert outcome(ref) is Crashed
    assert mobula.get(work.remote(0.0)) == "done"
    assert flags.notes("began") == [str(number) for number in range(5)]


def test_a_task_that_ignored_the_interrupt(flags: Flags) -> None:
    ref = stubborn.remote(flags, "it")
    flags.wait("it.started")
    mobula.cancel(ref)
    flags.wait("it.interrupted")
    mobula.cancel(ref, force=True)
    assert outcome(ref) is Crashed


def test_a_task_that_has_not_started_is_canceled_and_nothing_dies(flags: Flags) -> None:
    argument = wait_for.remote(flags, "go")
    ref = work.remote(argument)
    mobula.cancel(ref, force=True)
    assert outcome(ref) is Cancelled
    flags.up("go")
    assert mobula.get(argument) == "go"


def test_at_any_instant_of_a_short_life() -> None:
    """Not started, running, ended: each is told as what it was, and other tasks are not hit."""
    ended = []
    for number, delay in enumerate(instants(seed=12, count=40, longest_s=0.006)):
        beside = work.remote(0.001)
        ref = work.remote(0.03 if number % 3 == 0 else 0.001)
        spin(delay)
        mobula.cancel(ref, force=True)
        ended.append(outcome(ref))
        assert mobula.get(beside) == "done"
    assert set(ended) <= {"done", Cancelled, Crashed}
    assert Cancelled in ended or Crashed in ended


@pytest.mark.parametrize(("kind", "concurrency"), [(Plain, 1), (Plain, 3), (Looping, 3)])
def test_a_finished_actor_task_is_a_value_error_like_every_actor_task(flags: Flags, kind: type, concurrency: int) -> None:
    actor = mobula.remote(kind).options(max_concurrency=concurrency).remote(flags)
    ref = actor.quick.remote("quick")
    assert mobula.get(ref) == "quick"
    with pytest.raises(ValueError, match="force"):
        mobula.cancel(ref, force=True)
    assert mobula.get(ref) == "quick"


def test_what_an_actor_has_put_is_no_actor_task(flags: Flags) -> None:
    """Its id begins with the id of the method that put it."""

    @mobula.remote
    class Putting:
        def put(self) -> list[object]:
            return [mobula.put("kept")]

    for made in (Putting.remote().put.remote(), put_something.remote()):
        [put] = mobula.get(made)
        mobula.cancel(put, force=True)
        assert mobula.get(put) == "kept"


def test_the_process_is_really_gone(flags: Flags) -> None:
    @mobula.remote
    def tell_pid() -> None:
        flags.note("pid", os.getpid())
        flags.up("told")
        time.sleep(30)

    ref = tell_pid.remote()
    flags.wait("told")
    pid = int(flags.notes("pid")[0])
    mobula.cancel(ref, force=True)
    assert outcome(ref) is Crashed
    with pytest.raises(ProcessLookupError):  # its one owner has reaped it before it told of the death
        os.kill(pid, 0)
