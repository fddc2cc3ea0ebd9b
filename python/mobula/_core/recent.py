"""Large values that were got a moment ago: who gets one again finds the map, and asks nobody.

A pin goes to the core at the helper thread's next look in any case. Until then the map may as well stay, whether anybody looks
at it or not: the look lets go of it and of its pin in one.

    get → asked, mapped, kept → get → found → … → the helper thread looks: forgotten → the maps' ends → unpins sent

So nothing is pinned for longer than without this. Owns nothing else; what is small is kept on its ref (gets.py).
"""

from __future__ import annotations

# Before Python 3.13 each map has a descriptor of its own, so what is kept is bounded.
MOST_KEPT = 16


class Recent:
    """By object id. An object never changes, and one that is pinned does not move: what is found here is true."""

    __slots__ = ("_kept",)

    def __init__(self) -> None:
        self._kept: dict[bytes, tuple[memoryview, bytes]] = {}

    def keep(self, object_id: bytes, view: bytes | memoryview, metadata: bytes) -> None:
        """Remembers a view of a block whose pin goes with it. A copy, where there are too many maps, is not kept."""
        if isinstance(view, bytes):
            return
        if len(self._kept) >= MOST_KEPT:
            self._kept.clear()
        self._kept[object_id] = view, metadata

    def find(self, object_id: bytes) -> tuple[memoryview, bytes] | None:
        """(data, metadata), the data as a view of its own."""
        kept = self._kept.get(object_id)
        return None if kept is None else (memoryview(kept[0]), kept[1])

    def forget(self) -> None:
        """Lets go of everything. What somebody looks at stays mapped."""
        self._kept.clear()
