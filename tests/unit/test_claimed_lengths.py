"""A length inside a value is only a claim: what is not there is said, and nothing is made room for.

What is inside a pickle is not looked at: whoever may write one may run code.
"""

from __future__ import annotations

import struct
import tracemalloc

import pytest

from mobula._core.pb import rayvalue_pb2
from mobula.exceptions import RaySystemError
from mobula.serialization import deserialize

NONE = b"\x01".ljust(9, b"\0") + b"\xc0"  # a msgpack body that is whole: one None
CLAIMS = (1 << 31, 1 << 32, 1 << 62, (1 << 63) - 1)
LEAST = 1 << 20


def _header(length: int) -> bytes:
    return b"\xcf" + struct.pack(">Q", length)


def _buffer(address: int, length: int) -> bytes:
    described = rayvalue_pb2.PythonObject(inband_data_size=1, raw_buffers_size=8)
    described.buffer.add(address=address, length=length, itemsize=1, ndim=1, format="B", shape=[1], strides=[1])
    raw = described.SerializeToString()
    return NONE + struct.pack("<qq", 1, len(raw)) + b"N" + raw + bytes(128)


@pytest.mark.parametrize("claim", CLAIMS)
def test_a_claim_allocates_nothing_and_is_an_error(claim: int) -> None:
    """Invariant: neither a value of another worker nor a damaged one makes its reader ask for memory that nothing fills."""
    values = {
        "the header of a msgpack body": (_header(claim) + b"\xc4\x05ab", b"XLANG"),
        "msgpack bytes": (b"\x05".ljust(9, b"\0") + b"\xc6" + struct.pack(">I", min(claim, 2**32 - 1)), b"XLANG"),
        "a msgpack list": (b"\x05".ljust(9, b"\0") + b"\xdd" + struct.pack(">I", min(claim, 2**32 - 1)), b"XLANG"),
        "a msgpack map": (b"\x05".ljust(9, b"\0") + b"\xdf" + struct.pack(">I", min(claim, 2**32 - 1)), b"XLANG"),
        "a pickle": (NONE + struct.pack("<qq", claim, 2) + b"N.", b"PYTHON"),
        "its description": (NONE + struct.pack("<qq", 2, claim) + b"N.", b"PYTHON"),
        "the place of a buffer": (_buffer(claim, 1), b"PYTHON"),
        "the size of a buffer": (_buffer(0, claim), b"PYTHON"),
        "an error": (_header(claim) + b"\xc6" + struct.pack(">I", min(claim, 2**32 - 1)), b"1"),
    }
    for what, (data, metadata) in values.items():
        deserialize(data[:4], metadata)  # imports what errors need
        tracemalloc.start()
        try:
            failed, error = deserialize(data, metadata)
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        assert peak < LEAST, f"{what} of {claim} bytes: {peak} were allocated for {len(data)}"
        assert failed, f"{what} of {claim} bytes was taken: {error!r}"
        assert isinstance(error, RaySystemError) or metadata == b"1"
