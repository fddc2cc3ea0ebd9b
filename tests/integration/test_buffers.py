"""What is got is looked at where it lies: the buffers of arrays, frames and tables are in the map, not copies of it."""

from __future__ import annotations

import gc
import threading
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from integration_kit import until

import mobula

MB = 1 << 20
STORE = 100 * MB


def mapped() -> list[tuple[int, int]]:
    """The address ranges of this process in which objects lie."""
    with open("/proc/self/maps") as maps:
        ranges = [line.split()[0].split("-") for line in maps if "mobula-arena" in line and line.split()[1].startswith("r--")]
    return [(int(first, 16), int(last, 16)) for first, last in ranges]


def lies_in_the_map(address: int, size: int) -> bool:
    return any(first <= address and address + size <= last for first, last in mapped())


def address_of(array: Any) -> int:
    return int(array.__array_interface__["data"][0])


@pytest.fixture
def full(fresh: Callable[..., Any]) -> Iterator[Callable[[], None]]:
    """Fills the store several times over, so that nothing stays in it that may go."""
    process = fresh(object_store_memory=STORE)

    def fill() -> None:
        gc.collect()
        refs = [mobula.put(np.full(10 * MB, number, np.uint8)) for number in range(20)]
        assert [int(mobula.get(ref)[-1]) for ref in refs] == list(range(20))

    yield fill
    gc.collect()
    until("all room is free", lambda: process.inspect().arena_used == 0)


def test_a_slice_of_an_array(full: Callable[[], None]) -> None:
    ref = mobula.put(np.arange(MB))
    part = mobula.get(ref)[5:]
    assert lies_in_the_map(address_of(part), part.nbytes)
    before = address_of(part)
    del ref
    full()
    assert address_of(part) == before
    assert np.array_equal(part, np.arange(MB)[5:])


def test_the_columns_of_a_pandas_frame(full: Callable[[], None]) -> None:
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame({"a": np.arange(MB), "b": np.linspace(0, 1, MB)})
    ref = mobula.put(frame)
    got = mobula.get(ref)
    for name in ("a", "b"):
        column = got[name].to_numpy()
        assert lies_in_the_map(address_of(column), column.nbytes), name
        del column
    part = got["b"].iloc[5:]
    del ref, got
    full()
    assert part.equals(frame["b"].iloc[5:])
    column = part.to_numpy()
    assert lies_in_the_map(address_of(column), column.nbytes)


def test_the_buffers_of_an_arrow_table(full: Callable[[], None]) -> None:
    pa = pytest.importorskip("pyarrow")
    table = pa.table({"n": pa.array(range(MB)), "s": pa.array([f"row {number}" for number in range(MB)])})
    ref = mobula.put(table)
    got = mobula.get(ref)
    for column in got.columns:
        for chunk in column.chunks:
            for buffer in chunk.buffers():
                assert buffer is None or buffer.size == 0 or lies_in_the_map(buffer.address, buffer.size)
    part = got.slice(5)
    del ref, got, column, chunk, buffer
    full()
    assert part.equals(table.slice(5))


def test_arguments_and_results_are_not_copied_either(full: Callable[[], None]) -> None:
    @mobula.remote
    def look(array: Any) -> tuple[bool, Any]:
        with open("/proc/self/maps") as maps:
            ranges = [line.split()[0].split("-") for line in maps if "mobula-arena" in line]
        address = int(array.__array_interface__["data"][0])
        return any(int(first, 16) <= address < int(last, 16) for first, last in ranges), array

    inside, back = mobula.get(look.remote(mobula.put(np.arange(MB))))
    assert inside
    assert lies_in_the_map(address_of(back), back.nbytes)
    full()
    assert np.array_equal(back, np.arange(MB))


class Handle:
    """Holds what cannot be pickled."""

    def __init__(self, array: Any) -> None:
        self.array = array
        self.lock = threading.Lock()


def test_a_serializer_of_the_users_own_keeps_buffers_where_they_are(full: Callable[[], None]) -> None:
    with pytest.raises(TypeError):
        mobula.put(Handle(np.arange(MB)))
    mobula.util.register_serializer(Handle, serializer=lambda handle: handle.array, deserializer=Handle)
    try:

        @mobula.remote
        def total(handle: Any) -> int:
            with handle.lock:
                return int(handle.array.sum())

        ref = mobula.put(Handle(np.arange(MB)))
        got = mobula.get(ref)
        assert lies_in_the_map(address_of(got.array), got.array.nbytes)
        assert mobula.get(total.remote(ref)) == got.array.sum()
        array = got.array
        del ref, got
        full()
        assert np.array_equal(array, np.arange(MB))
    finally:
        mobula.util.deregister_serializer(Handle)
    with pytest.raises(TypeError):
        mobula.put(Handle(np.arange(MB)))


# ------------------------------------------------------------------------------------------ releases


@mobula.remote
def inside(refs: list[Any]) -> list[Any]:
    """A borrower: looks into what it was lent, and gives it back with something of its own."""
    assert int(mobula.get(refs[0])[0]) >= 0
    return [*refs, mobula.put(np.ones(MB, np.uint8))]


@mobula.remote
class Keeper:
    def __init__(self) -> None:
        self.kept: list[Any] = []

    def keep(self, refs: list[Any]) -> None:
        self.kept = refs

    def lend(self) -> list[Any]:
        return self.kept

    def drop(self) -> None:
        self.kept = []


def test_room_comes_back_at_the_end_of_a_chain_of_borrowers(fresh: Callable[..., Any]) -> None:
    process = fresh(object_store_memory=STORE)
    refs = [mobula.put(np.full(10 * MB, 7, np.uint8))]
    for _ in range(5):
        refs = mobula.get(inside.remote(refs))
    assert len(refs) == 6
    assert process.inspect().arena_used >= 15 * MB
    assert int(mobula.get(refs[0])[-1]) == 7
    del refs
    gc.collect()
    until("all room is free", lambda: process.inspect().arena_used == 0)
    until("nothing is known any more", lambda: process.inspect().objects == 0)


def test_a_borrower_keeps_the_room_until_it_lets_go(fresh: Callable[..., Any]) -> None:
    process = fresh(object_store_memory=STORE)
    keeper = Keeper.remote()
    inner = mobula.put(np.full(20 * MB, 3, np.uint8))
    outer = mobula.put([inner, [inner]])
    mobula.get(keeper.keep.remote([outer]))
    del inner, outer
    gc.collect()
    [lent] = mobula.get(keeper.lend.remote())
    again, _ = mobula.get(lent)
    assert int(mobula.get(again)[-1]) == 3
    del lent, again, _
    gc.collect()
    assert process.inspect().arena_used >= 20 * MB
    mobula.get(keeper.drop.remote())
    until("all room is free", lambda: process.inspect().arena_used == 0)
