"""Which references are met while a value is being serialized.

``ObjectRef.__reduce__`` and the reduction of actor handles call ``note``; ``collecting`` tells them whether a value is
being written at all (a user may pickle a ref by hand). The state is per thread and nests: a ``__reduce__`` that calls
``put`` serializes inside a serialization, and each value gets its own list.
"""

from __future__ import annotations

import threading
from typing import Any


class Found:
    """What one serialization met: ids in the order of first sight, and the handles themselves.

    The handles are kept because a ``__reduce__`` may make a ref on the spot (``return f, (put(x),)``): without a holder
    it would be dropped, and told to the core as dropped, before the value that contains it is on the wire.
    """

    __slots__ = ("holders", "ids")

    def __init__(self) -> None:
        self.ids: dict[bytes, None] = {}
        self.holders: list[Any] = []


class _State(threading.local):
    current: Found | None = None


_state = _State()


def begin() -> tuple[Found, Found | None]:
    """Start collecting; give the second of the pair to ``end`` in a ``finally``."""
    outer = _state.current
    found = _state.current = Found()
    return found, outer


def end(outer: Found | None) -> None:
    """Go back to what was collected before."""
    _state.current = outer


def collecting() -> bool:
    """True in a thread that is serializing a value right now."""
    return _state.current is not None


def note(object_id: bytes, holder: Any = None) -> bool:
    """The value being serialized contains this object. False, and nothing noted, when no value is being serialized."""
    found = _state.current
    if found is None:
        return False
    found.ids[object_id] = None
    if holder is not None:
        found.holders.append(holder)
    return True
