"""Handles that came and went, waiting to be told to the core.

``ObjectRef.__del__`` may run anywhere: in any thread, inside any call, while this very thread holds a lock. So it only
appends an id to a deque (atomic, cannot wait, cannot raise), and whoever sends mutations drains the deques. The ids
repeat: one entry for each Python object.

A handle that a submit or a put made needs no entry in ``added`` (the mutation itself implies it) but leaves one in
``dropped`` when it goes.

This room owns the order in which the deques are emptied, and nothing else; it never speaks to anybody.
"""

from __future__ import annotations

from collections import deque
from typing import Final

#: Object ids (28 bytes each) of handles that came into being by deserialization or by ``ObjectRef(id)``.
added: Final[deque[bytes]] = deque()
#: Object ids of handles that went.
dropped: Final[deque[bytes]] = deque()
#: Actor ids (16 bytes each), the same for handles of actors.
handles_added: Final[deque[bytes]] = deque()
handles_dropped: Final[deque[bytes]] = deque()
#: Streams whose generator object went: id of the generator (28 bytes), items taken (4 bytes, little-endian).
streams_dropped: Final[deque[bytes]] = deque()


def drain() -> tuple[bytes, bytes] | None:
    """Take everything noted so far: ``(added, dropped)``, ids concatenated, or None when there is nothing.

    The caller sends both as ONE ``Refs`` mutation, in which the core applies the additions first, and must hold the lock
    under which mutations get their numbers from before this call until that number is taken.

    Why drops are taken before additions: a handle's addition is always noted before its drop, so whatever drop is
    seen here has its addition either sent already or still in ``added``, which is read afterwards. The other way round:
        here                          another thread
        takes all additions
                                      loads a ref (addition noted), drops it (drop noted)
        takes the drop, sends it      -> the core drops a handle it was never told of and frees a live object

    Why the lock: of two drains at once, one may take the drop and the other its addition, and the first may send first.
    """
    return _drain(added, dropped)


def drain_handles() -> tuple[bytes, bytes] | None:
    """``drain`` for the handles of actors; sent as one ``ActorHandles`` mutation."""
    return _drain(handles_added, handles_dropped)


def drain_streams() -> bytes:
    """The streams that nobody reads any more, for one ``drop_streams`` mutation."""
    return _take(streams_dropped)


def pending() -> bool:
    """True when a drain would find something; a hint for whoever decides when to drain."""
    return bool(dropped or added or handles_dropped or handles_added or streams_dropped)


def clear() -> None:
    """Forget everything: in a forked child, and when a session has ended and nobody is left to be told."""
    for queue in (dropped, added, handles_dropped, handles_added, streams_dropped):
        queue.clear()


def _drain(additions: deque[bytes], drops: deque[bytes]) -> tuple[bytes, bytes] | None:
    gone = _take(drops)
    came = _take(additions)
    return (came, gone) if came or gone else None


def _take(queue: deque[bytes]) -> bytes:
    # As many as there are now, so that a thread that makes and drops refs in a loop cannot keep us here.
    return b"".join([queue.popleft() for _ in range(len(queue))])
