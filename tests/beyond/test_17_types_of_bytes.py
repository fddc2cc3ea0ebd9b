"""Row 17, an addition. Ray 2.60: a `bytearray`, a `memoryview` of bytes and a `numpy.bytes_` come back as `bytes`, and a list
that stands in two places of another one, or of a dict, comes back as two. Here: type and sharing are kept. What is lost is the
sharing between the inside of a tuple, or of another object, and the list or dict around it: Ray's format writes these apart.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import mobula

VALUES = {
    "bytearray": bytearray(b"\0\1\2"),
    "empty bytearray": bytearray(),
    "large bytearray": bytearray(b"0123456789" * 50_000),
    "memoryview": memoryview(b"look at me"),
    "large memoryview": memoryview(bytearray(b"0123456789" * 50_000))[5:],
    "numpy.bytes_": np.bytes_(b"abc"),
    "view of integers": memoryview(np.arange(6, dtype="i4")),
    "table of integers": memoryview(np.arange(600_000, dtype="i8").reshape(2, -1)),
    "every second byte": memoryview(b"abcdef")[::2],
    "no items": memoryview(np.zeros(0)),
    "bytearray in a tuple": (bytearray(b"ab"), b"ab"),
    "bytearray in a list": [bytearray(b"ab"), b"ab"],
    "bytearray deep in a dict": {"a": [1, {"b": [bytearray(b"ab"), b"ab"]}], "c": b"x"},
    "memoryview in a list": [memoryview(b"ab"), 1],
    "memoryview in a tuple": (memoryview(b"ab"), 1),
}


def types_in(value: Any) -> Any:
    if isinstance(value, (list, tuple)):
        return [types_in(one) for one in value]
    if isinstance(value, dict):
        return {key: types_in(one) for key, one in value.items()}
    return type(value)


@mobula.remote
def same(value: Any) -> Any:
    return value


@mobula.remote
def kind(value: Any) -> str:
    return type(value).__name__


@pytest.mark.parametrize("what", VALUES)
def test_the_type_is_kept(what: str) -> None:
    value = VALUES[what]
    for given in (mobula.get(mobula.put(value)), mobula.get(same.remote(value)), mobula.get(same.remote(mobula.put(value)))):
        assert type(given) is type(value)
        assert given == value
        assert types_in(given) == types_in(value)
    assert mobula.get(kind.remote(value)) == type(value).__name__


def test_a_bytearray_that_was_got_is_ones_own() -> None:
    ref = mobula.put(bytearray(b"0" * 300_000))
    first = mobula.get(ref)
    first[0] = 1
    assert mobula.get(ref)[0] == ord("0")


def test_what_is_shared_in_a_tuple_stays_shared() -> None:
    shared = [1]
    first, second = mobula.get(mobula.put((shared, shared)))
    assert first is second


def shared_twice(shared: Any) -> dict[str, Any]:
    return {
        "a list": [shared, shared],
        "a dict": {"a": shared, "b": shared},
        "two depths": {"a": shared, "b": [1, {"c": shared}]},
        "beside a tuple": [(1, 2), shared, {"x": 1 << 70}, shared],
    }


@pytest.mark.parametrize("shared", [[1], {"x": 1}], ids=["list", "dict"])
@pytest.mark.parametrize("where", shared_twice(None))
def test_what_is_shared_in_lists_and_dicts_stays_shared(where: str, shared: Any) -> None:
    value = shared_twice(shared)[where]
    for given in (mobula.get(mobula.put(value)), mobula.get(same.remote(value)), mobula.get(same.remote(mobula.put(value)))):
        assert given == value
        found = places_of(given, shared)
        assert len(found) == 2
        assert found[0] is found[1]


def places_of(value: Any, wanted: Any) -> list[Any]:
    if type(value) is type(wanted) and value == wanted:
        return [value]
    inside = value.values() if isinstance(value, dict) else value if isinstance(value, (list, tuple)) else ()
    return [found for one in inside for found in places_of(one, wanted)]


def test_what_contains_itself_does_so_afterwards() -> None:
    ring: dict[str, Any] = {"name": "ring"}
    ring["next"] = [ring]
    given = mobula.get(same.remote(ring))
    assert given["next"][0] is given


def test_refs_in_what_is_shared_are_kept_alive() -> None:
    inner = [mobula.put("kept"), bytearray(b"x")]
    ref = mobula.put({"a": inner, "b": inner})
    del inner
    given = mobula.get(ref)
    assert mobula.get(given["a"][0]) == "kept"
    assert given["a"] is given["b"]
