"""The nine bytes before every msgpack body: the body's length as a msgpack integer, padded.

Ray leaves the padding uninitialised, so a reader decodes one integer and ignores the rest. We write zeros.
"""

from __future__ import annotations

import struct
from typing import Final

#: Where the body starts.
HEADER_BYTES: Final = 9

_SHORT: Final = tuple(bytes((n,)) + bytes(8) for n in range(128))
#: msgpack's tags of unsigned integers: what follows, and where it ends.
_FORMATS: Final = {0xCC: struct.Struct(">B"), 0xCD: struct.Struct(">H"), 0xCE: struct.Struct(">I"), 0xCF: struct.Struct(">Q")}


def encode(length: int) -> bytes:
    """The header of a body of ``length`` bytes."""
    if length < 128:
        return _SHORT[length]
    for tag, form in _FORMATS.items():
        if length >> (8 * form.size) == 0:
            return (bytes((tag,)) + form.pack(length)).ljust(HEADER_BYTES, b"\0")
    raise ValueError(f"a value body of {length} bytes cannot be written")


def decode(data: bytes | memoryview) -> int:
    """The length of the body that follows; ``ValueError`` when this is no header."""
    if len(data) < HEADER_BYTES:
        raise ValueError(f"a value of {len(data)} bytes is too short for its header")
    first = data[0]
    if first < 0x80:
        return first
    form = _FORMATS.get(first)
    if form is None:
        raise ValueError(f"the header of a value starts with {first:#x}, which is no length")
    length: int = form.unpack_from(data, 1)[0]
    return length
