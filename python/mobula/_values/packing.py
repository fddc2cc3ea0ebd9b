"""The msgpack body: plain values as they are, everything else as extension 101 with an index into the pickled list.

Plain is what Ray calls so: exactly None, bool, int of 64 bits, float, str, bytes, list and dict. Subclasses, tuples and longer
integers go to the pickle, and so do whole lists and dicts in which msgpack would lose something: it has one type of bytes and no
sharing, so a bytearray would come back as bytes, and a list that stands in two places as two. What is not looked into are other
objects: what is shared with the inside of a tuple comes back apart from it.
"""

from __future__ import annotations

from itertools import chain
from typing import Any, Final

import msgpack

#: Ray's extension code of a Python object: the payload is msgpack of its index in the pickled list.
PYTHON_EXTENSION: Final = 101
#: The body of a value that is one Python object.
ONE_OBJECT: Final = b"\xd4\x65\x00"

#: What has nothing in it, and of which one cannot tell whether it is shared.
_SCALARS: Final = frozenset((int, float, str, bool, type(None), bytes))
_LOSE_THEIR_TYPE: Final = frozenset((bytearray, memoryview))

_Extension = msgpack.ExtType
_Packer = msgpack.Packer
_unpack = msgpack.unpackb


def pack(value: Any) -> tuple[bytes, list[Any]]:
    """The body of a value, and the objects in it that have to be pickled."""
    if (type(value) is list or type(value) is dict) and not _is_plain(value):
        return ONE_OBJECT, [value]
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


def _is_plain(value: list[Any] | dict[Any, Any]) -> bool:
    """True when no ``bytearray`` or ``memoryview`` is among the items, and each list and dict stands in one place.

    The tree is walked level by level, so that the loops over items are C's: some 30 ns an item, about what packing it takes.
    """
    items: Any = value.values() if isinstance(value, dict) else value
    kinds = set(map(type, items))
    if kinds <= _SCALARS:
        return True
    seen = {id(value)}
    while True:
        if not kinds.isdisjoint(_LOSE_THEIR_TYPE):
            return False
        lists = [item for item in items if type(item) is list] if list in kinds else []
        dicts = [item for item in items if type(item) is dict] if dict in kinds else []
        if not lists and not dicts:
            return True
        known = len(seen) + len(lists) + len(dicts)
        seen.update(map(id, lists), map(id, dicts))
        if len(seen) != known:
            return False
        items = list(chain(chain.from_iterable(lists), chain.from_iterable(map(dict.values, dicts))))
        kinds = set(map(type, items))
