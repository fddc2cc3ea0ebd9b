"""Objects of every size: what is put is got, room comes back, and views live as long as somebody looks."""

from __future__ import annotations

import gc
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from integration_kit import until

import mobula
from mobula._core import spill_file
from mobula.exceptions import ObjectStoreFullError

MB = 1 << 20


@mobula.remote
def same(value: Any) -> Any:
    return value


@mobula.remote
def size_of(value: Any) -> int:
    return len(value)


@mobula.remote
def make(size: int, fill: int) -> np.ndarray:
    return np.full(size, fill, np.uint8)


def test_sizes_from_one_byte_on(fresh: Callable[..., Any]) -> None:
    process = fresh(object_store_memory=1 << 30)
    limit = 100 * 1024
    for size in (1, 100, 4095, 4096, 4097, limit - 200, limit, limit + 1, MB, 7 * MB + 3, 64 * MB):
        data = np.random.default_rng(size).bytes(size)
        assert mobula.get(mobula.put(data)) == data
        assert mobula.get(same.remote(data)) == data
        assert mobula.get(same.remote(mobula.put(data))) == data
        array = np.frombuffer(data, np.uint8)
        assert np.array_equal(mobula.get(same.remote(array)), array)
    del array
    gc.collect()
    until("all room is free", lambda: process.inspect().arena_used == 0)


def test_300_megabytes(fresh: Callable[..., Any]) -> None:
    process = fresh(object_store_memory=1000 * MB)
    array = np.arange(300 * MB // 8)
    ref = mobula.put(array)
    got = mobula.get(ref)
    assert got[-1] == array[-1]
    assert np.array_equal(got, array)
    back = mobula.get(same.remote(ref))
    assert np.array_equal(back, array)
    del got, back, ref
    until("all room is free", lambda: process.inspect().arena_used == 0)


def test_many(fresh: Callable[..., Any]) -> None:
    process = fresh(object_store_memory=1 << 30)
    refs = [mobula.put(np.full(150_000, number % 256, np.uint8)) for number in range(1000)]
    assert process.inspect().blocks == 1000
    assert [int(array[-1]) for array in mobula.get(refs)] == [number % 256 for number in range(1000)]
    assert mobula.get([size_of.remote(ref) for ref in refs[::10]]) == [150_000] * 100
    del refs
    until("all room is free", lambda: process.inspect().arena_used == 0)


def _fill(kept: list[Any]) -> None:
    for number in range(20):
        ref = mobula.put(np.full(10 * MB, number, np.uint8))
        kept.append(ref)


def test_full_without_a_disk_loses_nothing_and_works_again(fresh: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spill_file, "make", lambda directory: -1)
    process = fresh(object_store_memory=100 * MB)
    kept: list[Any] = []
    with pytest.raises(ObjectStoreFullError):
        _fill(kept)
    assert 8 <= len(kept) <= 10
    with pytest.raises(ObjectStoreFullError):
        mobula.put(bytes(101 * MB))
    with pytest.raises(ObjectStoreFullError):
        mobula.get(make.options(max_retries=0).remote(20 * MB, 1))
    with pytest.raises(ObjectStoreFullError):
        size_of.remote(np.zeros(20 * MB, np.uint8))
    assert mobula.get(same.remote("small ones still pass")) == "small ones still pass"
    for number, ref in enumerate(kept):
        array = mobula.get(ref)
        assert (array[0], array[-1], len(array)) == (number, number, 10 * MB)
    view = mobula.get(kept[0])
    del kept, array, ref
    until("room", lambda: process.inspect().blocks == 1)
    assert len(mobula.get(make.remote(60 * MB, 3))) == 60 * MB
    assert view[0] == view[-1] == 0
    del view
    until("all room is free", lambda: process.inspect().arena_used == 0)


def test_room_is_used_again_and_never_under_a_view(fresh: Callable[..., Any]) -> None:
    process = fresh(object_store_memory=100 * MB)
    views: list[Any] = []
    for number in range(60):
        array = mobula.get(mobula.put(np.full(8 * MB, number, np.uint8)) if number % 2 else make.remote(8 * MB, number))
        views.append((number, array))
        del array
        if len(views) == 5:
            number, oldest = views.pop(0)
            assert int(oldest.min()) == int(oldest.max()) == number
            del oldest
            until("room", lambda: process.inspect().blocks <= 4)
    assert all(int(array.min()) == int(array.max()) == number for number, array in views)


@pytest.mark.parametrize("end", ["del ref", "shutdown", "killed core"])
def test_views_stay_valid(fresh: Callable[..., Any], end: str) -> None:
    process = fresh()
    ref = mobula.put(np.arange(MB))
    view = mobula.get(ref)
    column = view[10::1000]  # numpy keeps the buffer beneath, and lets the array that get() gave go
    del ref, view
    gc.collect()
    if end == "del ref":
        for _ in range(30):
            mobula.get(make.remote(8 * MB, 7))
    elif end == "shutdown":
        mobula.shutdown()
    else:
        os.kill(process.session.core_pid, signal.SIGKILL)
        until("it is gone", process.session.core_gone)
    assert np.array_equal(column, np.arange(MB)[10::1000])
    mobula.shutdown()
    assert np.array_equal(column, np.arange(MB)[10::1000])
    del column
    gc.collect()
    assert not _arena_maps()


def _arena_maps() -> list[str]:
    with open("/proc/self/maps") as maps:
        return [line for line in maps if "mobula-arena" in line]


def test_nobody_writes_through_a_view(fresh: Callable[..., Any]) -> None:
    fresh()
    view = mobula.get(mobula.put(np.zeros(MB, np.uint8)))
    with pytest.raises(ValueError, match="read-only"):
        view[0] = 1


SMALL_ADDRESS_SPACE = """
import resource
import numpy as np
import mobula

mobula.init(num_cpus=1, object_store_memory=1 << 30)

@mobula.remote
def same(array):
    return array

with open("/proc/self/statm") as file:
    pages = int(file.read().split()[0])
limit = pages * resource.getpagesize() + (300 << 20)  # not the whole store, and more than the values
resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
array = np.arange(4 << 20)
for got in (mobula.get(mobula.put(array)), mobula.get(same.remote(array))):
    assert np.array_equal(got, array)
print("works")
"""


def test_a_driver_without_address_space_for_the_store_puts_all_the_same() -> None:
    """`ulimit -v` of a batch system: the arena is mapped as a whole for writing."""
    done = subprocess.run([sys.executable, "-c", SMALL_ADDRESS_SPACE], check=False, capture_output=True, text=True, timeout=110)
    assert (done.stdout, done.stderr) == ("works\n", "")
