"""Values to bytes and back: Ray's own bytes as the measure, arbitrary plain values, and input that is no value."""

from __future__ import annotations

import json
import subprocess
import sys
import types
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import golden_values
import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mobula import serialization
from mobula._values import header
from mobula.exceptions import RaySystemError
from mobula.serialization import deserialize, serialize

GOLDEN = json.loads(golden_values.FILE.read_text())
PLAIN = golden_values.plain()


def back(value: Any) -> Any:
    written = serialize(value)
    data = written.to_bytes()
    assert len(data) == written.size
    is_error, read = deserialize(data, written.metadata)
    assert not is_error, read
    return read


# ------------------------------------------------------------------------------------------------------ Ray's bytes


@pytest.mark.parametrize("name", PLAIN)
def test_what_ray_wrote_is_read(name: str) -> None:
    one = GOLDEN["plain"][name]
    is_error, value = deserialize(bytes.fromhex(one["data"]), one["metadata"].encode())
    assert not is_error
    assert golden_values.same(PLAIN[name], value)


@pytest.mark.parametrize("name", PLAIN)
def test_the_bytes_are_those_that_ray_writes(name: str) -> None:
    written = serialize(PLAIN[name])
    assert written.metadata.decode() == GOLDEN["plain"][name]["metadata"]
    assert written.to_bytes().hex() == GOLDEN["plain"][name]["data"]


@pytest.mark.skipif(sys.version_info[:2] != (3, 11), reason="the byte code in the file is that of Python 3.11")
def test_functions_and_classes_that_ray_wrote_are_read() -> None:
    def read(name: str) -> Any:
        one = GOLDEN["functions"][name]
        return deserialize(bytes.fromhex(one["data"]), one["metadata"].encode())[1]

    assert read("closure")(1) == 8
    assert read("instance of a local class").plus(1) == 6


def test_a_ref_that_ray_wrote_is_read() -> None:
    one = GOLDEN["refs"]["ref in a list"]
    _, (ref,) = deserialize(bytes.fromhex(one["data"]), one["metadata"].encode())
    assert type(ref).__name__ == "ObjectRef"
    assert ref.job_id().int() == 1


# --------------------------------------------------------------------------------------------------- any plain value

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text()
    | st.binary()
    | st.complex_numbers(allow_nan=False)
)
KEYS = st.none() | st.booleans() | st.integers() | st.text() | st.binary() | st.tuples(st.integers(), st.text())
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner)
        | st.dictionaries(KEYS, inner)
        | st.tuples(inner, inner)
        | st.frozensets(SCALARS)
        | st.sets(st.integers() | st.text())
    ),
    max_leaves=20,
)


@given(VALUES)
def test_any_value_comes_back_equal_and_of_its_types(value: Any) -> None:
    assert golden_values.same(value, back(value))


@given(VALUES)
def test_writing_into_memory_gives_the_same_bytes(value: Any) -> None:
    written = serialize(value)
    target = bytearray(b"\xee" * (written.size + 8))
    written.write_into(memoryview(target)[: written.size])
    assert bytes(target[: written.size]) == written.to_bytes()
    assert target[written.size :] == b"\xee" * 8


PLAIN_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False) | st.text() | st.binary(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(PLAIN_VALUES.filter(lambda value: type(value) is not bytes))
def test_the_body_of_plain_values_is_msgpack(value: Any) -> None:
    written = serialize(value)
    assert written.metadata == b"XLANG"
    data = written.to_bytes()
    assert header.decode(data) == len(data) - 9
    assert data[9:] == msgpack.packb(value)


@given(st.integers(0, 2**64 - 1))
def test_a_header_holds_any_length(length: int) -> None:
    encoded = header.encode(length)
    assert len(encoded) == 9
    assert header.decode(encoded + b"rest") == length
    assert encoded.startswith(msgpack.packb(length))


def test_the_padding_of_a_header_is_ignored() -> None:
    assert header.decode(b"\x05\xff\xff\xff\xff\xff\xff\xff\xff") == 5


@pytest.mark.parametrize("metadata", [b"XLANG", b"PYTHON", b"3", b"5", b"1", b"99", b"what", b"", b"ACTOR_HANDLE"])
@given(data=st.binary(max_size=200))
def test_any_bytes_give_a_value_or_an_exception(metadata: bytes, data: bytes) -> None:
    is_error, value = deserialize(data, metadata)
    if is_error:
        assert isinstance(value, BaseException)


@given(st.data())
def test_damaged_values_give_a_value_or_an_exception(data: st.DataObject) -> None:
    written = bytearray(bytes.fromhex(GOLDEN["arrays"]["two in a list"]["data"]))
    # Not the pickle itself: loading a damaged pickle may call anything.
    at = data.draw(st.integers(0, 27))
    written[at] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(written)))
    for one in (bytes(written), bytes(written[:cut])):
        is_error, value = deserialize(one, b"PYTHON")
        if is_error:
            assert isinstance(value, BaseException)


# ------------------------------------------------------------------------------------------------------- single cases


@pytest.mark.parametrize("size", [0, 1, 4095, 4096, 5 << 20])
@pytest.mark.parametrize("kind", [bytes, bytearray, str])
def test_texts_and_bytes_of_any_size_keep_their_type(kind: Callable[[Any], Any], size: int) -> None:
    value = "x" * size if kind is str else kind(b"\x01" * size)
    read = back(value)
    assert type(read) is kind
    assert read == value


def test_a_bytearray_inside_an_object_keeps_its_type() -> None:
    read = back((bytearray(b"abc"),))
    assert read == (bytearray(b"abc"),)
    assert type(read[0]) is bytearray


def test_the_bytes_of_a_memoryview_come_back() -> None:
    assert bytes(back(memoryview(b"look at me"))) == b"look at me"
    assert bytes(back(memoryview(b"abcdef")[::2])) == b"ace"


@pytest.mark.parametrize("depth", [10, 500, 900])
def test_deep_nesting(depth: int) -> None:
    value: list[Any] = []
    for _ in range(depth):
        value = [value]
    read = back(value)
    while read:
        read = read[0]
        depth -= 1
    assert depth == 0


def test_a_list_that_contains_itself() -> None:
    loop: list[Any] = [(1,)]
    loop.append(loop)
    read = back(loop)
    assert read[0] == (1,)
    assert read[1] is read


def test_sharing_inside_one_object_is_kept() -> None:
    part = [1]
    read = back(types.SimpleNamespace(x=part, y=part))
    assert read.x is read.y


@pytest.mark.parametrize("subclass", [type("MyList", (list,), {}), type("MyDict", (dict,), {}), type("MyInt", (int,), {})])
def test_subclasses_of_plain_types_are_pickled(subclass: type) -> None:
    read = back(subclass())
    assert type(read).__name__ == subclass.__name__
    assert serialize(subclass()).metadata == b"PYTHON"


class Counting:
    calls = 0

    def __reduce__(self) -> tuple[Any, ...]:
        type(self).calls += 1
        return int, (7,)


def test_a_reduction_is_asked_once() -> None:
    # A second attempt with another pickler would be seen by users whose __reduce__ does something.
    Counting.calls = 0
    assert back(Counting()) == 7
    assert Counting.calls == 1


def test_a_new_value_each_time() -> None:
    written = serialize([1])
    first = deserialize(written.to_bytes(), written.metadata)[1]
    second = deserialize(written.to_bytes(), written.metadata)[1]
    assert first == second
    assert first is not second


@pytest.mark.parametrize("make", [lambda: (i for i in ()), lambda: __import__("threading").Lock()], ids=["generator", "lock"])
def test_what_cannot_be_pickled_is_a_type_error(make: Callable[[], Any]) -> None:
    for value in (make(), [make()], {"k": (make(),)}):
        with pytest.raises(TypeError):
            serialize(value)
    assert not serialization.in_serialization()


class Grenade:
    def __reduce__(self) -> tuple[Any, ...]:
        return _explode, ()


def _explode() -> None:
    raise RuntimeError("boom on load")


def test_what_cannot_be_loaded_is_a_system_error_with_the_text() -> None:
    written = serialize(Grenade())
    is_error, error = deserialize(written.to_bytes(), written.metadata)
    assert is_error
    assert type(error) is RaySystemError
    assert "boom on load" in str(error)
    assert "_explode" in str(error)


def test_an_interrupt_while_loading_gets_through() -> None:
    class Interrupt:
        def __reduce__(self) -> tuple[Any, ...]:
            return _interrupt, ()

    written = serialize(Interrupt())
    with pytest.raises(KeyboardInterrupt):
        deserialize(written.to_bytes(), written.metadata)


def _interrupt() -> None:
    raise KeyboardInterrupt


def test_values_inside_a_larger_message_are_read_in_place() -> None:
    written = serialize(("a", [1])).to_bytes()
    assert deserialize(memoryview(b"12345678" + written)[8:], b"PYTHON") == (False, ("a", [1]))


def test_a_debug_field_after_the_metadata_is_ignored() -> None:
    assert deserialize(b"abc", b"RAW,DEBUG:1") == (False, b"abc")


# ---------------------------------------------------------------------------------------- references and reductions


class Referring:
    """Stands for an actor handle."""

    def __init__(self, object_id: bytes) -> None:
        self.object_id = object_id

    def __reduce__(self) -> tuple[Any, ...]:
        assert serialization.in_serialization()
        assert serialization.note_contained(self.object_id, self)
        return bytes, ()


def test_what_a_value_refers_to_is_collected_once_and_in_order() -> None:
    a, b = b"a" * 28, b"b" * 28
    written = serialize([Referring(b), (Referring(a), Referring(b))])
    assert written.contained == [b, a]
    assert serialize([1]).contained == []
    assert not serialization.in_serialization()
    assert not serialization.note_contained(a)


def test_a_serialization_inside_a_serialization_collects_for_itself() -> None:
    inner: list[bytes] = []

    class Nested:
        def __reduce__(self) -> tuple[Any, ...]:
            inner.extend(serialize([Referring(b"i" * 28)]).contained)
            return int, ()

    written = serialize([Referring(b"o" * 28), Nested(), Referring(b"p" * 28)])
    assert inner == [b"i" * 28]
    assert written.contained == [b"o" * 28, b"p" * 28]


def test_a_failed_serialization_leaves_no_state() -> None:
    with pytest.raises(TypeError):
        serialize([Referring(b"x" * 28), (i for i in ())])
    assert not serialization.in_serialization()
    assert serialize((1,)).contained == []


class Handle:
    def __init__(self, number: int) -> None:
        self.number = number
        self.lock = __import__("threading").Lock()


@pytest.fixture
def registered() -> Iterator[None]:
    serialization.register_serializer(Handle, serializer=lambda h: h.number, deserializer=lambda n: Handle(n + 1))
    yield
    serialization.deregister_serializer(Handle)


@pytest.mark.usefixtures("registered")
def test_a_registered_serializer_is_used() -> None:
    assert back(Handle(5)).number == 6
    assert back([Handle(1)])[0].number == 2
    assert serialization.loads(serialization.dumps(Handle(1))).number == 2


def test_without_it_the_class_is_refused_again() -> None:
    serialization.deregister_serializer(Handle)
    with pytest.raises(TypeError):
        serialize(Handle(1))


def test_things_of_main_travel_by_value(tmp_path: Path) -> None:
    writer = tmp_path / "writer.py"
    writer.write_text(
        "import enum, sys\n"
        "from mobula.serialization import serialize\n"
        "class Colour(enum.Enum):\n    RED = 1\n"
        "class Thing:\n    colour = Colour.RED\n    def __init__(self): self.n = 5\n    def twice(self): return helper(self.n)\n"
        "def helper(n): return 2 * n\n"
        "sys.stdout.buffer.write(serialize([Thing(), helper]).to_bytes())\n"
    )
    data = subprocess.run([sys.executable, str(writer)], check=True, capture_output=True).stdout
    is_error, (thing, helper) = deserialize(data, b"PYTHON")
    assert not is_error
    assert (thing.twice(), helper(4), thing.colour.name) == (10, 8, "RED")


def test_the_module_is_cheap_to_import() -> None:
    code = (
        "import sys; import mobula.serialization, mobula.object_ref, mobula.exceptions;"
        "print([m for m in ('numpy', 'cloudpickle', 'asyncio', 'google.protobuf', 'concurrent.futures') if m in sys.modules])"
    )
    assert subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout == "[]\n"
