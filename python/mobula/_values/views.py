"""How bytearrays and memoryviews are pickled: their bytes apart, so that they are copied once, and by names that any Python has."""

from __future__ import annotations

from operator import methodcaller
from pickle import PickleBuffer
from typing import Any, Final

#: From here on the bytes lie in the buffers part of a value; smaller ones are cheaper inside the pickle.
_APART: Final = 4096
#: The formats a view of bytes can be cast to. Others (of structures, of the other byte order) come back as bytes, as in Ray.
_CASTABLE: Final = frozenset("bBhHiIlLqQnNfdc?")


class Whole:
    """Pickles as a bytearray or memoryview of the same bytes."""

    __slots__ = ("_content", "_kind")

    def __init__(self, kind: type, content: bytearray | memoryview) -> None:
        self._kind = kind
        self._content = content

    def __reduce__(self) -> tuple[Any, ...]:
        if len(self._content) < _APART:
            return self._kind, (bytes(self._content),)
        return self._kind, (PickleBuffer(self._content),)


def reduce_view(view: memoryview) -> tuple[Any, ...]:
    """The reduction of a memoryview: one with the same items, whatever steps lay between them."""
    format = view.format.removeprefix("@")
    if view.c_contiguous and format == "B" and view.ndim == 1:
        return Whole(memoryview, view).__reduce__()
    if format not in _CASTABLE:
        return bytes, (view.tobytes(),)
    items = memoryview(view.tobytes())
    if format == "B" and view.ndim == 1:
        return reduce_view(items)
    # Casting from bytes takes no shape with a zero in it; of no items, the shape is all that is lost.
    return methodcaller("cast", format, view.shape) if view.nbytes else methodcaller("cast", format), (items,)
