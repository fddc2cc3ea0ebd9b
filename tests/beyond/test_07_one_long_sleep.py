"""Row 7, an addition. Ray 2.60: a normal task in one long `time.sleep` is not interrupted: with a sleep of 6 s, `get`
raises after 6 s. Here: it is interrupted at once.
"""

from __future__ import annotations

import threading
import time

import pytest
from beyond_kit import PROMPT_S, Flags, seconds_until_cancelled

import mobula


@mobula.remote
def sleeper(flags: Flags, name: str, how: str) -> None:
    try:
        flags.up(f"{name}.started")
        if how == "sleep":
            time.sleep(300)
        elif how == "event":
            threading.Event().wait(300)
        else:
            mobula.get(mobula.put(1))
            time.sleep(300)
    except KeyboardInterrupt:
        flags.up(f"{name}.interrupted")
        raise


@pytest.mark.parametrize("how", ["sleep", "event", "sleep after get"])
def test_a_task_in_one_long_wait_is_interrupted_at_once(flags: Flags, how: str) -> None:
    for number in range(5):
        ref = sleeper.remote(flags, str(number), how)
        flags.wait(f"{number}.started")
        mobula.cancel(ref)
        assert seconds_until_cancelled(ref) < PROMPT_S
        flags.wait(f"{number}.interrupted")


def test_four_at_once(flags: Flags) -> None:
    refs = [sleeper.remote(flags, str(number), "sleep") for number in range(4)]
    for number in range(4):
        flags.wait(f"{number}.started")
    for ref in refs:
        mobula.cancel(ref)
    assert sum(seconds_until_cancelled(ref) for ref in refs) < PROMPT_S


def test_a_child_of_the_canceled_task_sleeps(flags: Flags) -> None:
    @mobula.remote
    def parent() -> None:
        mobula.get(sleeper.remote(flags, "child", "sleep"))

    ref = parent.remote()
    flags.wait("child.started")
    mobula.cancel(ref)
    assert seconds_until_cancelled(ref) < PROMPT_S
    flags.wait("child.interrupted")
