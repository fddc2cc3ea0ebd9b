"""Row 2, an addition. Ray 2.60: two cancels of one running normal task abort the DRIVER (the check "not pending" in
`task_manager.cc`; 1 of 3 runs). Here: the second cancel changes nothing, whatever the task is doing.
"""

from __future__ import annotations

import contextlib
import threading
import time

import pytest
from beyond_kit import Cancelled, Flags, Plain, instants, outcome, spin, wait_for

import mobula


@mobula.remote
def work(seconds: float) -> str:
    spin(seconds)
    return "done"


@mobula.remote
def catch(flags: Flags, name: str) -> int:
    """Counts the interrupts that reach it, until the flag is up."""
    caught = 0
    flags.up(f"{name}.started")
    while not flags.is_up(name):
        with contextlib.suppress(KeyboardInterrupt):
            time.sleep(0.01)
            continue
        caught += 1
        flags.up(f"{name}.caught")
    return caught


def test_cancels_at_random_instants_of_a_short_life() -> None:
    """Each task is canceled twice: before it starts, while it runs, as it ends, or after."""
    ended = []
    first = instants(seed=3, count=150, longest_s=0.004)
    second = instants(seed=4, count=150, longest_s=0.002)
    for number, (before, between) in enumerate(zip(first, second, strict=True)):
        ref = work.remote(0.03 if number % 3 == 0 else 0.001)
        spin(before)
        mobula.cancel(ref)
        spin(between)
        mobula.cancel(ref)
        ended.append(outcome(ref))
        mobula.cancel(ref)
        assert outcome(ref) == ended[-1]
    assert set(ended) <= {"done", Cancelled}
    assert Cancelled in ended


def test_cancels_from_several_threads_at_once(flags: Flags) -> None:
    for number in range(20):
        ref = wait_for.remote(flags, f"never{number}")
        flags.wait(f"never{number}.started")
        together = threading.Barrier(4)

        def cancel(ref: object = ref, together: threading.Barrier = together) -> None:
            together.wait()
            mobula.cancel(ref)
            mobula.cancel(ref)

        threads = [threading.Thread(target=cancel) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert outcome(ref) is Cancelled


def test_a_task_that_goes_on_after_the_first_interrupt_gets_no_second(flags: Flags) -> None:
    """The second cancel of the same run is not another interrupt: clean-up code is not torn."""
    ref = catch.remote(flags, "go")
    flags.wait("go.started")
    mobula.cancel(ref)
    flags.wait("go.caught")
    for _ in range(20):
        mobula.cancel(ref)
    assert mobula.get(work.remote(0.0)) == "done"  # the cancels are through: one process's words are heard in order
    flags.up("go")
    assert mobula.get(ref) == 1


@pytest.mark.parametrize("threads", [1, 3])
def test_a_method_canceled_twice_and_again_when_it_has_ended(flags: Flags, threads: int) -> None:
    actor = mobula.remote(Plain).options(max_concurrency=threads).remote(flags)
    for number in range(20):
        ref = actor.hold.remote(str(number))
        flags.wait(f"{number}.started")
        mobula.cancel(ref)
        mobula.cancel(ref)
        flags.up(f"{number}.go")
        assert outcome(ref) is Cancelled
        mobula.cancel(ref)
    assert mobula.get(actor.quick.remote("last")) == "last"
