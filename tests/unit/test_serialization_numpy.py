"""Arrays and other values with large buffers: where the bytes lie, that nothing is copied, and Ray's layout."""

from __future__ import annotations

import gc
import json
import mmap
import weakref
from collections.abc import Callable
from pickle import PickleBuffer
from typing import Any

import golden_values
import numpy as np
import pytest

from mobula.serialization import deserialize, serialize

GOLDEN = json.loads(golden_values.FILE.read_text())["arrays"]
ARRAYS = golden_values.arrays()


def stored(value: Any) -> tuple[mmap.mmap, Any]:
    """The value read from a page-aligned block, as from shared memory."""
    written = serialize(value)
    block = mmap.mmap(-1, written.size)
    written.write_into(memoryview(block))
    assert bytes(block[: written.size]) == written.to_bytes()
    is_error, read = deserialize(memoryview(block)[: written.size], written.metadata)
    assert not is_error, read
    return block, read


def address(array: np.ndarray[Any, Any]) -> int:
    return int(array.__array_interface__["data"][0])


@pytest.mark.parametrize("name", ARRAYS)
def test_what_ray_wrote_is_read(name: str) -> None:
    one = GOLDEN[name]
    is_error, value = deserialize(bytes.fromhex(one["data"]), one["metadata"].encode())
    assert not is_error
    assert golden_values.same(ARRAYS[name], value)


@pytest.mark.parametrize("name", [name for name in ARRAYS if name not in ("masked", "object")])
def test_the_bytes_are_those_that_ray_writes(name: str) -> None:
    written = serialize(ARRAYS[name])
    ours, theirs = written.to_bytes(), bytes.fromhex(GOLDEN[name]["data"])
    if b"numpy._core" in theirs and b"numpy.core" in ours:
        pytest.skip("this numpy names its modules otherwise")
    assert ours == theirs


@pytest.mark.parametrize("name", ARRAYS)
def test_round_trip_through_shared_memory(name: str) -> None:
    assert golden_values.same(ARRAYS[name], stored(ARRAYS[name])[1])


DTYPES = [
    "bool",
    "int8",
    "int16",
    "int32",
    "int64",
    "uint8",
    "uint16",
    "uint32",
    "uint64",
    "float16",
    "float32",
    "float64",
    "longdouble",
    "complex64",
    "complex128",
    "datetime64[ns]",
    "timedelta64[s]",
    "S5",
    "U7",
    ">i4",
    ">f8",
    "V3",
]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(), (0,), (3,), (3, 0, 2), (40, 50)])
def test_every_dtype_and_shape(dtype: str, shape: tuple[int, ...]) -> None:
    array = np.zeros(shape, dtype)
    for read in (stored(array)[1], stored([array])[1][0]):
        assert read.dtype == array.dtype
        assert read.shape == array.shape
        assert read.tobytes() == array.tobytes()


@pytest.mark.parametrize(
    "make",
    [
        lambda: np.asfortranarray(np.arange(12.0).reshape(3, 4)),
        lambda: np.arange(100)[::7],
        lambda: np.arange(24).reshape(4, 6)[1:3, ::2],
        lambda: np.arange(24).reshape(2, 3, 4).transpose(2, 0, 1),
        lambda: np.broadcast_to(np.arange(3), (4, 3)),
        lambda: np.arange(10)[::-1],
    ],
    ids=["fortran", "strided", "sliced", "transposed", "broadcast", "reversed"],
)
def test_layouts(make: Callable[[], np.ndarray[Any, Any]]) -> None:
    array = make()
    assert np.array_equal(stored(array)[1], array)


def test_a_large_array_is_a_read_only_view_of_the_block() -> None:
    block, read = stored(np.arange(200_000))
    assert read.flags.writeable is False
    assert read.flags.owndata is False
    whole = np.frombuffer(block, "u1")
    assert address(whole) <= address(read) < address(whole) + whole.nbytes
    assert address(read) % 64 == 0
    with pytest.raises(ValueError, match="read-only"):
        read[0] = 1
    with pytest.raises(ValueError, match="WRITEABLE"):
        read.flags.writeable = True


def test_every_large_array_starts_at_a_multiple_of_64_and_small_ones_of_8() -> None:
    arrays = [np.full(n, n % 251, "u1") for n in (1, 3, 2047, 2048, 5000, 7, 4096)]
    _, read = stored(arrays)
    for before, after in zip(arrays, read, strict=True):
        assert np.array_equal(before, after)
        assert address(after) % (64 if len(after) >= 2048 else 8) == 0


def test_inline_arrays_are_views_too() -> None:
    written = serialize(np.arange(10))
    data = written.to_bytes()
    _, read = deserialize(data, written.metadata)
    assert read.flags.writeable is False
    assert address(np.frombuffer(data, "u1")) < address(read)
    assert read.flags.aligned


class Block(mmap.mmap):
    pass


def test_a_slice_keeps_the_block_and_nothing_else_does() -> None:
    written = serialize({"a": np.arange(50_000)})
    block = Block(-1, written.size)
    written.write_into(memoryview(block))
    gone = weakref.ref(block)
    _, read = deserialize(memoryview(block), written.metadata)
    del block
    piece = read["a"][5:10]
    del read
    gc.collect()
    assert gone() is not None
    assert piece.tolist() == [5, 6, 7, 8, 9]
    del piece
    gc.collect()
    assert gone() is None


def test_values_without_buffers_do_not_keep_the_block() -> None:
    written = serialize(("x" * 200_000, b"y" * 200_000, {"k": {1}}))
    block = Block(-1, written.size)
    written.write_into(memoryview(block))
    gone = weakref.ref(block)
    _, read = deserialize(memoryview(block), written.metadata)
    del block
    gc.collect()
    assert gone() is None
    assert len(read[0]) == len(read[1]) == 200_000


def test_the_same_array_twice_stays_one_buffer() -> None:
    array = np.arange(30_000)
    written = serialize([array, array])
    assert written.size < 2 * array.nbytes
    _, (x, y) = deserialize(written.to_bytes(), written.metadata)
    assert np.array_equal(x, array)
    assert np.array_equal(y, array)


def test_arrays_of_objects_masked_and_record_arrays() -> None:
    objects = np.array([1, "two", [3], None, {4: 5}], dtype=object)
    assert stored(objects)[1].tolist() == objects.tolist()
    masked = np.ma.masked_array([1, 2, 3], mask=[False, True, False])
    assert stored(masked)[1].mask.tolist() == [False, True, False]
    records = np.array([(1, 2.5)], dtype=[("i", "i4"), ("f", "f8")]).view(np.recarray)
    assert list(stored(records)[1].f) == [2.5]


def test_random_generators_continue_where_they_were() -> None:
    rng = np.random.default_rng(42)
    rng.random(3)
    read = stored(rng)[1]
    assert read.random(4).tolist() == rng.random(4).tolist()


class Matrix:
    """Hands out a buffer with items and a shape, and wants both back."""

    def __init__(self, view: memoryview) -> None:
        self.view = memoryview(view)

    def __reduce_ex__(self, protocol: Any) -> tuple[Any, ...]:
        return Matrix, (PickleBuffer(self.view),)


def test_a_buffer_comes_back_with_its_item_type_and_shape() -> None:
    items = memoryview(np.arange(6, dtype="i4").reshape(2, 3)).cast("B").cast("i", (2, 3))  # type: ignore[call-overload]
    read = stored(Matrix(items))[1].view
    assert (read.format, read.shape, read.readonly) == ("i", (2, 3), True)
    assert read.tolist() == [[0, 1, 2], [3, 4, 5]]


def test_large_bytearrays_are_copied_out_of_the_block() -> None:
    value = bytearray(b"\x07" * 100_000)
    block, read = stored(value)
    assert type(read) is bytearray
    assert read == value
    read[0] = 1
    assert block[: len(value)].count(b"\x01\x07") == 0


def test_what_is_larger_than_one_copying_step() -> None:
    value = np.arange(1_500_000)  # 12 MB
    assert np.array_equal(stored(value)[1], value)


def test_pandas_frames_and_series() -> None:
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame({"n": range(1000), "s": [str(i) for i in range(1000)], "t": pd.Timestamp("2020-01-01")})
    pd.testing.assert_frame_equal(stored(frame)[1], frame)
    series = pd.Series([1.5, None, 3], index=list("abc"), name="col")
    pd.testing.assert_series_equal(stored(series)[1], series)


def test_arrow_tables_are_not_copied() -> None:
    pa = pytest.importorskip("pyarrow")
    table = pa.table({"n": list(range(100_000)), "s": [f"x{i % 7}" for i in range(100_000)]})
    block, read = stored(table)
    assert read.equals(table)
    base = address(np.frombuffer(block, "u1"))
    assert base <= read.column("n").chunk(0).buffers()[1].address < base + len(block)
    assert stored(table.slice(10, 5))[1].equals(table.slice(10, 5))
