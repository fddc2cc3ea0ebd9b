"""Row 17, an addition. Ray 2.60: a `bytearray`, a `memoryview` of bytes and a `numpy.bytes_` come back as `bytes`. Here: the
type is kept, also in what Ray's format keeps in a pickle. In lists and dicts, which that format writes as msgpack, it is
lost here too.
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
    "bytearray in a tuple": (bytearray(b"ab"), b"ab"),
}


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
        if type(value) is tuple:
            assert [type(one) for one in given] == [bytearray, bytes]
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
