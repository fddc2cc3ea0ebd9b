"""Row 1, an addition. Ray 2.60: canceling a normal task right after submit while its argument is pending aborts the
DRIVER (a check in `reference_counter.cc`; 2 of 3 runs). Here: TaskCancelledError, at any instant.
"""

from __future__ import annotations

import os

import pytest
from beyond_kit import Cancelled, Flags, instants, outcome, seconds_until_cancelled, spin, wait_for

import mobula


@mobula.remote
def echo(flags: Flags, number: int, argument: object) -> int:
    flags.note("ran", number)
    return number


@mobula.remote
def after(seconds: float) -> float:
    spin(seconds)
    return seconds


@mobula.remote
def pid() -> int:
    return os.getpid()


@pytest.mark.parametrize("force", [False, True])
def test_a_task_whose_argument_never_comes_is_canceled_at_any_instant(flags: Flags, force: bool) -> None:
    never = wait_for.remote(flags, "go")
    for number, delay in enumerate(instants(seed=1, count=100, longest_s=0.003)):
        ref = echo.remote(flags, number, never)
        spin(delay)
        mobula.cancel(ref, force=force)
        assert outcome(ref) is Cancelled
    flags.up("go")
    assert mobula.get(never) == "go"
    assert flags.notes("ran") == []


def test_a_task_whose_argument_comes_at_that_moment_ends_one_way_or_the_other(flags: Flags) -> None:
    """The cancel meets the task while it waits, while it is sent, while it runs or when it has ended."""
    ended = []
    for number, delay in enumerate(instants(seed=2, count=100, longest_s=0.004)):
        ref = echo.remote(flags, number, after.remote(0.001))
        spin(delay)
        mobula.cancel(ref)
        ended.append(outcome(ref))
        assert ended[-1] in (number, Cancelled)
    assert Cancelled in ended
    assert {int(line) for line in flags.notes("ran")} >= {number for number in ended if isinstance(number, int)}
    assert mobula.get(pid.remote()) > 0


def test_a_chain_of_waiting_tasks_is_canceled_from_its_middle(flags: Flags) -> None:
    """What waits for a canceled task gets its error, what it waited for goes on."""
    for number in range(20):
        first = wait_for.remote(flags, f"go{number}")
        middle = echo.remote(flags, number, first)
        last = echo.remote(flags, number, middle)
        mobula.cancel(middle)
        assert seconds_until_cancelled(middle) < 10
        assert issubclass(outcome(last), mobula.exceptions.RayError)
        flags.up(f"go{number}")
        assert mobula.get(first) == f"go{number}"
    assert flags.notes("ran") == []
