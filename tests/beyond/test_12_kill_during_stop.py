"""Row 12, an addition. Ray 2.60: an actor that is killed while a canceled method of it is stopping leaves TaskCancelledError
alone, and the death is hidden. Here the error says both.
"""

from __future__ import annotations

import os
import signal

import pytest
from beyond_kit import Cancelled, Flags, until

import mobula


@mobula.remote(num_cpus=0)
class Slow:
    def work(self, flags: Flags) -> None:
        flags.up("started")
        until("the cancel", mobula.get_runtime_context().is_canceled)
        flags.up("stopping")
        flags.wait("never")

    def pid(self) -> int:
        return os.getpid()


def stopping(flags: Flags) -> tuple[object, int, object]:
    actor = Slow.remote()
    pid = mobula.get(actor.pid.remote())
    ref = actor.work.remote(flags)
    flags.wait("started")
    mobula.cancel(ref)
    flags.wait("stopping")
    return actor, pid, ref


def test_killed_by_kill(flags: Flags) -> None:
    actor, pid, ref = stopping(flags)
    mobula.kill(actor)  # type: ignore[arg-type]
    with pytest.raises(Cancelled, match=rf"(?s)was cancelled.*ended before it had stopped.*{pid} was killed by signal 9"):
        mobula.get(ref, timeout=30)  # type: ignore[call-overload]


def test_killed_by_somebody_else(flags: Flags) -> None:
    actor, pid, ref = stopping(flags)
    os.kill(pid, signal.SIGTERM)
    with pytest.raises(Cancelled, match=rf"(?s)was cancelled.*ended before it had stopped.*{pid} was killed by signal 15"):
        mobula.get(ref, timeout=30)  # type: ignore[call-overload]
    del actor
