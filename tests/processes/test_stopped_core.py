"""A core that is stopped (SIGSTOP) answers nobody: time limits hold by the caller's own clock, and nothing is left of it."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import numpy as np
import pytest

import mobula
from mobula import exceptions
from process_kit import stopped_core

GRACE_S = 30.0  # of a busy machine; without a limit of their own the calls would never return


@mobula.remote
def double(number: int) -> int:
    return 2 * number


@pytest.fixture
def session(place: str) -> Iterator[None]:
    mobula.init(num_cpus=1, object_store_memory=1 << 27)
    yield
    mobula.shutdown()


def test_time_limits_hold_while_the_core_is_stopped(session: None) -> None:
    large = mobula.put(np.ones(1_000_000))
    known = mobula.put(1)
    assert mobula.get(double.remote(1)) == 2
    with stopped_core():
        asked = double.remote(2)
        begun = time.monotonic()
        with pytest.raises(exceptions.GetTimeoutError, match="does not answer"):
            mobula.get(large, timeout=0.5)  # its late answer pins a block
        assert 0.5 <= time.monotonic() - begun < 0.5 + GRACE_S
        begun = time.monotonic()
        with pytest.raises(exceptions.GetTimeoutError):
            mobula.get(asked, timeout=0)
        assert time.monotonic() - begun < GRACE_S
        begun = time.monotonic()
        assert mobula.wait([asked, large, known], num_returns=2, timeout=0.1) == ([known], [asked, large])
        assert time.monotonic() - begun < 0.1 + GRACE_S
    assert mobula.get([asked, known], timeout=30) == [4, 1]
    assert mobula.get(large, timeout=30).sum() == 1_000_000
    # The teardown checks of every session see that no pin, block, object or parked request is left.


def test_time_limits_hold_for_a_thread_that_never_called(session: None) -> None:
    """Its lane is opened by the call itself, and the core has to answer that too."""
    large, known = mobula.put(np.ones(1_000_000)), mobula.put(1)
    assert mobula.get(double.remote(1)) == 2
    ends: list[object] = []
    again = threading.Event()

    def first_calls() -> None:
        try:
            mobula.get(large, timeout=0.2)
        except exceptions.GetTimeoutError as error:
            ends.append(type(error))
        ends.append(mobula.wait([large], timeout=0.1))
        again.wait(60)
        ends.append(mobula.get(large, timeout=60).sum())

    with stopped_core():
        thread = threading.Thread(target=first_calls)
        thread.start()
        patience = time.monotonic() + 60
        while len(ends) < 2 and thread.is_alive() and time.monotonic() < patience:
            time.sleep(0.01)
        assert ends == [exceptions.GetTimeoutError, ([], [large])]
    again.set()
    thread.join(60)
    assert ends[2:] == [1_000_000]
    assert mobula.get(known) == 1
