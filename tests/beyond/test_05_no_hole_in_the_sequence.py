"""Row 5, an addition. Ray 2.60: a queued call of a single-threaded actor that is canceled before it is sent leaves a
hole in the sequence; the next call stalls for about 31 s and fails with ActorUnavailableError (2 of 4 runs). Here: no
hole, no stall.
"""

from __future__ import annotations

import time

import pytest
from beyond_kit import PROMPT_S, Cancelled, Flags, Looping, Plain, instants, outcome, seconds_until_cancelled, spin, wait_for

import mobula

KINDS = [(Plain, 1), (Plain, 3), (Looping, 3)]


@pytest.mark.parametrize(("kind", "concurrency"), KINDS)
def test_canceled_while_its_argument_is_pending(flags: Flags, kind: type, concurrency: int) -> None:
    actor = mobula.remote(kind).options(max_concurrency=concurrency).remote(flags)
    assert mobula.get(actor.quick.remote("first")) == "first"
    for number in range(20):
        argument = wait_for.remote(flags, f"go{number}")
        ref = actor.quick.remote(f"canceled{number}", argument)
        behind = actor.quick.remote(f"behind{number}")
        mobula.cancel(ref)
        began = time.monotonic()
        assert outcome(ref) is Cancelled
        assert mobula.get(behind) == f"behind{number}"
        assert mobula.get(actor.quick.remote(f"next{number}")) == f"next{number}"
        assert time.monotonic() - began < PROMPT_S
        flags.up(f"go{number}")
        assert mobula.get(argument) == f"go{number}"
    assert not [name for name in mobula.get(actor.history.remote()) if name.startswith("canceled")]


@pytest.mark.parametrize(("kind", "concurrency"), KINDS)
def test_canceled_before_the_actor_is_up(flags: Flags, kind: type, concurrency: int) -> None:
    for delay in instants(seed=7, count=8, longest_s=0.02):
        actor = mobula.remote(kind).options(max_concurrency=concurrency).remote(flags)
        refs = [actor.quick.remote(str(number)) for number in range(6)]
        spin(delay)
        for ref in refs[:3]:
            mobula.cancel(ref)
        ends = [outcome(ref) for ref in refs]
        assert ends[3:] == ["3", "4", "5"]
        assert all(end in (str(number), Cancelled) for number, end in enumerate(ends[:3]))
        began = time.monotonic()
        assert mobula.get(actor.quick.remote("next")) == "next"
        assert time.monotonic() - began < PROMPT_S


def test_canceled_right_after_submit_call_by_call(flags: Flags) -> None:
    """Each call is canceled at some instant of its way to the actor; the one behind it always comes through, promptly."""
    actor = mobula.remote(Plain).remote(flags)
    mobula.get(actor.quick.remote("first"))
    for number, delay in enumerate(instants(seed=8, count=150, longest_s=0.001)):
        ref = actor.quick.remote(f"canceled{number}")
        spin(delay)
        mobula.cancel(ref)
        began = time.monotonic()
        assert mobula.get(actor.quick.remote(f"next{number}")) == f"next{number}"
        assert time.monotonic() - began < PROMPT_S
        assert outcome(ref) in (f"canceled{number}", Cancelled)


def test_the_argument_comes_at_the_moment_of_the_cancel(flags: Flags) -> None:
    actor = mobula.remote(Plain).remote(flags)
    for number, delay in enumerate(instants(seed=9, count=40, longest_s=0.004)):
        argument = wait_for.remote(flags, f"go{number}")
        ref = actor.quick.remote(f"canceled{number}", argument)
        behind = actor.quick.remote(f"behind{number}")
        flags.wait(f"go{number}.started")
        flags.up(f"go{number}")
        spin(delay)
        mobula.cancel(ref)
        assert seconds_until_behind(behind) < PROMPT_S
        assert outcome(ref) in (f"canceled{number}", Cancelled)


def seconds_until_behind(ref: object) -> float:
    began = time.monotonic()
    mobula.get(ref)
    return time.monotonic() - began


def test_all_calls_of_a_queue_are_canceled_and_the_next_comes_through(flags: Flags) -> None:
    actor = mobula.remote(Plain).remote(flags)
    argument = wait_for.remote(flags, "go")
    refs = [actor.quick.remote(str(number), argument) for number in range(50)]
    for ref in reversed(refs):
        mobula.cancel(ref)
    assert all(seconds_until_cancelled(ref) < PROMPT_S for ref in refs)
    assert mobula.get(actor.history.remote()) == []
    flags.up("go")
    assert mobula.get(argument) == "go"
