"""The msgpack body: plain values as they are, everything else as extension 101 with an index into the pickled list.

Plain is what Ray calls so: exactly None, bool, int of 64 bits, float, str, bytes, list and dict (also bytearray and
memoryview inside them, which come back as bytes). Subclasses, tuples and longer integers go to the pickle.
"""

from __future__ import annotations

from typing import Any, Final

import msgpack

#: Ray's extension code of a Python object: the payload is msgpack of its index in the pickled list.
PYTHON_EXTENSION: Final = 101
#: The body of a value that is one Python object.
ONE_OBJECT: Final = b"\xd4\x65\x00"

_Extension = msgpack.ExtType
_Packer = msgpack.Packer
_unpack = msgpack.unpackb


def pack(value: Any) -> tuple[bytes, list[Any]]:
    """The body of a value, and the objects in it that have to be pickled."""
    objects: list[Any] = []

    def put_aside(item: Any) -> Any:
        index = len(objects)
        objects.append(item)
        return _Extension(PYTHON_EXTENSION, bytes((index,)) if index < 128 else msgpack.packb(index))

    try:
        # A packer of its own for each value (0.15 µs): a signal handler or a finalizer may serialize in between.
        return _Packer(default=put_aside, use_bin_type=True, strict_types=True).pack(value), objects
    except (ValueError, BufferError):
        # What msgpack cannot write and pickle can: a list that contains itself, nesting too deep, a lone surrogate, a
        # memoryview with steps.
        return ONE_OBJECT, [value]


def unpack(body: bytes | memoryview, objects: list[Any]) -> Any:
    """The value of a body; ``objects`` is the unpickled list."""
    if objects and body == ONE_OBJECT:
        return objects[0]

    def fetch(code: int, payload: bytes) -> Any:
        if code != PYTHON_EXTENSION:
            raise ValueError(f"a value has msgpack extension {code}, which nobody here can read")
        return objects[msgpack.unpackb(payload)]

    return _unpack(body, ext_hook=fetch, strict_map_key=False)
