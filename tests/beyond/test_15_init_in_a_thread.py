"""Row 15, an addition. Ray 2.60: after `ray.init` in a thread that then ends, the next call hangs: its processes die with the
thread that started them. Here: the session is the process's.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from beyond_kit import until

import mobula


@pytest.fixture(scope="module", autouse=True)
def _session() -> Iterator[None]:
    """Each case has a session of its own."""
    mobula.shutdown()
    yield
    mobula.shutdown()


def _in_a_thread(work: Callable[[], object]) -> None:
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    until("the kernel has ended it", lambda: not Path(f"/proc/self/task/{thread.native_id}").exists())


@mobula.remote
def double(number: int) -> int:
    return 2 * number


@mobula.remote
class Counter:
    def __init__(self) -> None:
        self.count = 0

    def add(self) -> int:
        self.count += 1
        return self.count


def test_the_session_outlives_the_thread_that_began_it() -> None:
    _in_a_thread(lambda: mobula.init(num_cpus=2, log_to_driver=False))
    try:
        assert mobula.get([double.remote(number) for number in range(20)], timeout=30) == [2 * number for number in range(20)]
        counter = Counter.remote()
        assert mobula.get([counter.add.remote() for _ in range(3)], timeout=30) == [1, 2, 3]
    finally:
        _in_a_thread(mobula.shutdown)
    assert not mobula.is_initialized()


def test_a_first_use_in_a_thread_begins_it_as_well() -> None:
    refs = []
    _in_a_thread(lambda: refs.append(double.remote(4)))
    try:
        assert mobula.get(refs[0], timeout=30) == 8
        assert mobula.get(double.remote(5), timeout=30) == 10
    finally:
        mobula.shutdown()
