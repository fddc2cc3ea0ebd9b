"""Sessions one after the other: nothing is left and nothing grows."""

from __future__ import annotations

import os
import statistics
import threading
import time

import numpy as np
import psutil
import pytest

import mobula
from mobula.testing.machine import shared_memory

#: One descriptor left by each session shows. MOBULA_CYCLES=200 takes minutes, as ending a session that has just begun waits for
#: what is being born in it, and shows 40 KiB a session, too.
CYCLES = int(os.environ.get("MOBULA_CYCLES", "50"))


@mobula.remote
def add(a: int, b: int) -> int:
    return a + b


@mobula.remote
class Actor:
    def total(self, array: np.ndarray) -> int:
        return int(array.sum())


def _use() -> None:
    actor = Actor.remote()
    large = np.ones(200_000, np.uint8)
    assert mobula.get([add.remote(1, 2), actor.total.remote(large)]) == [3, 200_000]


def _population() -> tuple[int, int, int, int]:
    """Descriptors, threads and child processes of the driver, and names of shared memory on the machine."""
    children = 0
    for thread in os.listdir("/proc/self/task"):
        with open(f"/proc/self/task/{thread}/children") as file:
            children += len(file.read().split())
    # Without a garbage collection: shutdown() itself gives everything back.
    return len(os.listdir("/proc/self/fd")), threading.active_count(), children, len(shared_memory())


@pytest.mark.timeout(1200)  # a busy machine may be long in giving the processor time
def test_many_sessions_leave_nothing_and_grow_nothing() -> None:
    starts, ends, sizes, populations = [], [], [], []
    for cycle in range(CYCLES):
        begin = time.monotonic()
        mobula.init(num_cpus=2, object_store_memory=1 << 27)
        starts.append(time.monotonic() - begin)
        if cycle % 6 == 0:  # the others end while their first worker is being born
            _use()
        begin = time.monotonic()
        mobula.shutdown()
        ends.append(time.monotonic() - begin)
        populations.append(_population())
        sizes.append(psutil.Process().memory_info().rss)
    assert set(populations[1:]) == {populations[1]}, populations
    assert sizes[-1] - sizes[9] < 8 << 20, f"grew by {(sizes[-1] - sizes[9]) >> 10} KiB in {CYCLES - 10} sessions"
    print(f"init {statistics.median(starts) * 1e3:.0f} ms, shutdown {statistics.median(ends) * 1e3:.0f} ms")


def test_at_rest_nobody_uses_the_processor() -> None:
    mobula.init(num_cpus=4, object_store_memory=1 << 27)
    try:
        _use()
        actor = Actor.options(max_concurrency=8).remote()
        mobula.get(actor.total.remote(np.zeros(1)))
        me = psutil.Process()
        everyone = {one.name() + f" {one.pid}": one for one in (me, *me.children(recursive=True))}
        time.sleep(1.0)  # not a wait for a condition: what follows an action dies away (helper.py) before it is measured
        before = {name: _seconds(one) for name, one in everyone.items()}
        begin = time.monotonic()
        time.sleep(3.0)
        took = time.monotonic() - begin
        used = {name: (_seconds(one) - before[name]) / took for name, one in everyone.items() if one.is_running()}
    finally:
        mobula.shutdown()
    print({name: f"{share:.2%}" for name, share in used.items()})
    assert len(used) >= 4
    assert max(used.values()) < 0.03, used
    assert sum(used.values()) < 0.08, used


def _seconds(process: psutil.Process) -> float:
    # More exact than user + system time, which are counted in ticks of 10 ms.
    with open(f"/proc/{process.pid}/schedstat") as file:
        main = int(file.read().split()[0])
    total = 0
    for thread in os.listdir(f"/proc/{process.pid}/task"):
        with open(f"/proc/{process.pid}/task/{thread}/schedstat") as file:
            total += int(file.read().split()[0])
    return max(main, total) / 1e9
