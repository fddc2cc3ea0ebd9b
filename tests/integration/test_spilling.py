"""The store is smaller than what lives in it: objects go to disk and come back, in turn, and nothing is lost on the way."""

from __future__ import annotations

import gc
import os
import resource
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from integration_kit import Gate, Notes, until

import mobula
from mobula.exceptions import GetTimeoutError, ObjectLostError, ObjectReconstructionFailedError, OutOfDiskError

MB = 1 << 20
STORE = 100 * MB


@mobula.remote
def make(size: int, fill: int) -> np.ndarray:
    return np.full(size, fill, np.uint8)


@mobula.remote
def ends(array: np.ndarray) -> tuple[int, int, int]:
    return int(array[0]), int(array[-1]), len(array)


def block(megabytes: int, fill: int) -> np.ndarray:
    return np.full(megabytes * MB, fill, np.uint8)


def on_disk(process: Any) -> int:
    """Bytes that the file for spilling takes."""
    return os.fstat(process.arena._disk).st_blocks * 512


def all_given_back(process: Any) -> None:
    gc.collect()
    until("all room is free", lambda: process.inspect().arena_used == 0)
    until("the disk is free", lambda: on_disk(process) == 0)


def test_many_times_the_store_comes_back_in_any_order(fresh: Callable[..., Any]) -> None:
    process = fresh(object_store_memory=STORE)
    refs = [mobula.put(block(10, number)) for number in range(30)]
    assert on_disk(process) >= 200 * MB - 20 * MB
    for number in np.random.default_rng(1).permutation(30):
        array = mobula.get(refs[number])
        assert (int(array[0]), int(array[-1]), len(array)) == (number, number, 10 * MB)
    del array
    assert mobula.get([ends.remote(ref) for ref in refs]) == [(number, number, 10 * MB) for number in range(30)]
    del refs
    all_given_back(process)


def test_one_get_of_more_than_the_store_holds(fresh: Callable[..., Any]) -> None:
    process = fresh(object_store_memory=STORE)
    refs = [mobula.put(block(20, number)) for number in range(10)]
    arrays = mobula.get(refs, timeout=60)
    assert [int(array[5]) for array in arrays] == list(range(10))
    assert [int(array[0]) for array in mobula.get(refs + refs, timeout=60)] == [*range(10)] * 2
    assert mobula.wait(refs, num_returns=10, timeout=0)[1] == []
    del arrays, refs
    all_given_back(process)


def test_what_is_looked_at_is_never_moved(fresh: Callable[..., Any]) -> None:
    process = fresh(object_store_memory=STORE)
    ref = mobula.put(np.arange(20 * MB // 8))
    view = mobula.get(ref)[5:]
    del ref
    refs = [mobula.put(block(10, number)) for number in range(20)]
    assert np.array_equal(view, np.arange(20 * MB // 8)[5:])
    assert [int(array[0]) for array in map(mobula.get, refs)] == list(range(20))
    assert np.array_equal(view, np.arange(20 * MB // 8)[5:])
    del view, refs
    all_given_back(process)


def test_a_store_full_of_what_is_looked_at_goes_on_on_disk(fresh: Callable[..., Any]) -> None:
    process = fresh(object_store_memory=STORE)
    views = [mobula.get(mobula.put(block(30, number))) for number in range(3)]
    more = [mobula.get(mobula.put(block(30, 100 + number))) for number in range(3)]
    result = mobula.get(make.remote(40 * MB, 7))
    assert [int(view[-1]) for view in views + more] == [0, 1, 2, 100, 101, 102]
    assert int(result[-1]) == 7
    with pytest.raises(ValueError, match="read-only"):
        more[0][0] = 1
    del views, more, result
    all_given_back(process)


def test_arguments_of_many_queued_tasks_may_be_away(fresh: Callable[..., Any], tmp_path: Path) -> None:
    process = fresh(object_store_memory=STORE)
    gate = Gate(tmp_path)

    @mobula.remote
    def after(opened: Any, array: np.ndarray, again: np.ndarray) -> int:
        assert again is not None
        return int(array[0])

    @mobula.remote
    def wait_for_gate() -> None:
        gate.wait()

    first = wait_for_gate.remote()
    refs = [make.remote(20 * MB, number) for number in range(10)]
    ready = [after.remote(first, ref, ref) for ref in refs]
    mobula.wait(refs, num_returns=10)
    gate.open()
    assert mobula.get(ready) == list(range(10))
    del refs, ready, first
    all_given_back(process)


def test_everybody_gets_a_turn(fresh: Callable[..., Any]) -> None:
    process = fresh(object_store_memory=STORE, num_cpus=3)
    wrong: list[Any] = []
    done = threading.Barrier(5)

    def work(megabytes: int) -> None:
        try:
            for number in range(12):
                ref = mobula.put(block(megabytes, number))
                other = make.remote(megabytes * MB, number + 1)
                if int(mobula.get(ref)[-1]) != number or int(mobula.get(other)[-1]) != number + 1:
                    wrong.append((megabytes, number))
        except BaseException as error:
            wrong.append(error)
        done.wait(60)

    for megabytes in (3, 9, 27, 60):
        threading.Thread(target=work, args=(megabytes,), daemon=True).start()
    done.wait(60)
    assert not wrong
    all_given_back(process)


def fill(kept: list[Any]) -> None:
    for number in range(40):
        ref = mobula.put(block(10, number))
        kept.append(ref)


def test_a_full_disk_is_an_error_and_nothing_else_is_lost(fresh: Callable[..., Any]) -> None:
    process = fresh(object_store_memory=STORE)
    # The disk of the core ends after 120 MB.
    resource.prlimit(process.session.core_pid, resource.RLIMIT_FSIZE, (120 * MB, 120 * MB))
    kept: list[Any] = []

    with pytest.raises(OutOfDiskError, match="disk"):
        fill(kept)
    assert 18 <= len(kept) <= 22
    with pytest.raises(OutOfDiskError):
        mobula.put(block(130, 1))
    with pytest.raises(OutOfDiskError):
        mobula.get(make.options(max_retries=0).remote(30 * MB, 1))
    for number, ref in enumerate(kept):
        array = mobula.get(ref, timeout=30)
        assert (int(array[0]), int(array[-1]), len(array)) == (number, number, 10 * MB)
    del kept[10:], array
    kept += [mobula.put(block(10, number)) for number in range(10, 15)]
    assert [int(mobula.get(ref)[0]) for ref in kept[:15]] == list(range(15))
    del kept, ref
    all_given_back(process)


def test_the_file_has_no_name_and_goes_to_the_folder_that_was_named(fresh: Callable[..., Any], tmp_path: Path) -> None:
    folder = tmp_path / "made" / "for it"
    process = fresh(object_store_memory=STORE, object_spilling_directory=folder)
    refs = [mobula.put(block(30, number)) for number in range(6)]
    assert os.listdir(folder) == []
    assert os.fstat(process.arena._disk).st_dev == os.stat(folder).st_dev
    assert os.fstat(process.arena._disk).st_mode & 0o777 == 0o600
    assert [int(mobula.get(ref)[0]) for ref in refs] == list(range(6))


# ------------------------------------------------------------------------------------------ losses


def lose_what_is_on_disk(process: Any) -> None:
    os.ftruncate(process.arena._disk, 0)


def push_out(process: Any) -> list[Any]:
    """Fills the store, so that everything older is on disk."""
    return [mobula.put(block(24, number)) for number in range(4)]


def test_a_lost_result_is_made_again(fresh: Callable[..., Any], tmp_path: Path) -> None:
    process = fresh(object_store_memory=STORE)
    notes = Notes(tmp_path)

    @mobula.remote
    def noted(fill: int) -> np.ndarray:
        notes.add(fill)
        return block(10, fill)

    ref = noted.remote(3)
    assert int(mobula.get(ref)[0]) == 3
    until("nobody looks at it", lambda: process.inspect().pins == 0)
    filling = push_out(process)
    lose_what_is_on_disk(process)
    assert int(mobula.get(ref, timeout=60)[-1]) == 3
    assert notes.lines() == ["3", "3"]
    del ref, filling
    all_given_back(process)


@pytest.mark.parametrize("keep", [True, False], ids=["argument kept", "argument gone"])
def test_lost_arguments_are_made_again_too(fresh: Callable[..., Any], tmp_path: Path, keep: bool) -> None:
    process = fresh(object_store_memory=STORE, num_cpus=1)
    notes = Notes(tmp_path)

    @mobula.remote
    def first(fill: int) -> np.ndarray:
        notes.add("first")
        return block(10, fill)

    @mobula.remote
    def small() -> int:
        return 1

    @mobula.remote
    def second(array: np.ndarray, one: int) -> np.ndarray:
        notes.add("second")
        return array + np.uint8(one)

    argument, one = first.remote(4), small.remote()
    ref = second.remote(argument, one)
    mobula.wait([ref])
    del one
    if not keep:
        del argument
        gc.collect()
    until("nobody looks at anything", lambda: process.inspect().pins == 0)
    filling = push_out(process)
    lose_what_is_on_disk(process)
    assert int(mobula.get(ref, timeout=60)[-1]) == 5
    assert sorted(notes.lines()) == ["first", "first", "second", "second"]
    del ref, filling
    if keep:
        del argument
    all_given_back(process)


def test_a_lost_argument_of_a_new_task_is_made_again_with_one_cpu(fresh: Callable[..., Any]) -> None:
    process = fresh(object_store_memory=STORE, num_cpus=1)
    ref = make.remote(10 * MB, 6)
    mobula.wait([ref])
    filling = push_out(process)
    lose_what_is_on_disk(process)
    assert mobula.get(ends.remote(ref), timeout=30) == (6, 6, 10 * MB)
    assert filling


@pytest.mark.parametrize("num_returns", ["streaming", "dynamic"])
def test_lost_items_of_a_generator_are_made_again(fresh: Callable[..., Any], tmp_path: Path, num_returns: str) -> None:
    process = fresh(object_store_memory=STORE)
    notes = Notes(tmp_path)

    @mobula.remote(num_returns=num_returns)
    def items() -> Iterator[np.ndarray]:
        for fill in range(3):
            notes.add(fill)
            yield block(10, fill)

    made = items.remote()
    refs = list(made if num_returns == "streaming" else mobula.get(made))
    mobula.wait(refs, num_returns=3)
    filling = push_out(process)
    lose_what_is_on_disk(process)
    assert [int(mobula.get(ref, timeout=30)[-1]) for ref in refs] == [0, 1, 2]
    assert len(notes.lines()) % 3 == 0
    assert len(notes.lines()) > 3
    del made, refs, filling
    all_given_back(process)


def test_a_lost_result_of_a_method_is_made_again(fresh: Callable[..., Any], tmp_path: Path) -> None:
    process = fresh(object_store_memory=STORE)
    notes = Notes(tmp_path)

    @mobula.remote
    class Maker:
        def make(self, fill: int) -> np.ndarray:
            notes.add(fill)
            return block(10, fill)

    maker = Maker.options(max_task_retries=2).remote()
    again, once = maker.make.remote(3), maker.make.options(max_task_retries=0).remote(4)
    mobula.wait([again, once], num_returns=2)
    filling = push_out(process)
    lose_what_is_on_disk(process)
    assert int(mobula.get(again, timeout=30)[-1]) == 3
    assert notes.lines() == ["3", "4", "3"]
    with pytest.raises(ObjectReconstructionFailedError):
        mobula.get(once, timeout=30)
    del again, once, filling
    all_given_back(process)


def test_what_cannot_be_made_again_says_why(fresh: Callable[..., Any]) -> None:
    process = fresh(object_store_memory=STORE)
    put = mobula.put(block(10, 1))
    once = make.options(max_retries=0).remote(10 * MB, 2)
    mobula.wait([once])
    filling = push_out(process)
    lose_what_is_on_disk(process)
    for ref, reason in ((put, "made by put"), (once, "max_retries=0")):
        with pytest.raises(ObjectLostError) as raised:
            mobula.get(ref, timeout=30)
        assert isinstance(raised.value, ObjectReconstructionFailedError)
        assert reason in str(raised.value)
        assert "cut short" in str(raised.value)
        with pytest.raises(ObjectLostError):
            mobula.get(ends.remote(ref), timeout=30)
    assert int(mobula.get(mobula.put(block(90, 9)), timeout=30)[0]) == 9
    del put, once, ref, raised, filling
    all_given_back(process)


def test_a_get_that_gives_up_holds_nothing(fresh: Callable[..., Any], tmp_path: Path) -> None:
    process = fresh(object_store_memory=STORE)
    gate = Gate(tmp_path)

    @mobula.remote
    def later() -> int:
        gate.wait()
        return 1

    refs = [mobula.put(block(20, number)) for number in range(10)]
    with pytest.raises(GetTimeoutError):
        mobula.get([*refs, later.remote()], timeout=0.3)
    gate.open()
    del refs
    all_given_back(process)
