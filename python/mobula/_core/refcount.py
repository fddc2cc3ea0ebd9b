"""Handles that came and went, waiting to be told to the core.

The end of an ``ObjectRef`` may come anywhere: in any thread, inside any call, while this very thread holds a lock. So it
only appends an id to a deque (atomic, cannot wait, cannot raise, cannot be interrupted: together.py), and whoever sends
mutations drains the deques. The ids repeat: one entry for each Python object.

A handle that a submit or a put made needs no entry in ``added`` (the mutation itself implies it) but leaves one in
``dropped`` when it goes. It exists before the call is written, and while it is being written leaves one in ``unsure``:

    ref made, its end is noted in `unsure`  →  the call has its number and is written  →  its end is noted in `dropped`

An interrupt that parts these ends the ref, too, and the core drops it if the call ever came.

This room owns the order in which the deques are emptied, and nothing else; it never speaks to anybody.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import Final, TypeAlias, TypeVar

T = TypeVar("T")

Note: TypeAlias = "bytes | list[bytes]"
"""An id. Or, where an interrupt may part the note of an addition from what notes the drop, a list of it that both share: it
is made longer when the addition is told, and a drop whose list is short has no addition to take back."""

#: Object ids (28 bytes each) of handles that came into being by deserialization or by ``ObjectRef(id)``.
added: Final[deque[Note]] = deque()
#: Object ids of handles that went.
dropped: Final[deque[Note]] = deque()
#: Object ids of handles that went while their own call was being written.
unsure: Final[deque[bytes]] = deque()
#: Actor ids (16 bytes each), the same for handles of actors.
handles_added: Final[deque[Note]] = deque()
handles_dropped: Final[deque[Note]] = deque()
handles_unsure: Final[deque[bytes]] = deque()


class Tally:
    """How far a stream was taken: the id of its generator, and the number of items."""

    __slots__ = ("generator", "taken")

    def __init__(self, generator: bytes) -> None:
        self.generator = generator
        self.taken = 0


#: Streams whose generator object went.
streams_dropped: Final[deque[Tally]] = deque()


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


def drain_unsure() -> tuple[bytes, bytes]:
    """Handles of objects and of actors that went while their own call was being written, for ``Refs.unsure`` and
    ``ActorHandles.unsure``."""
    objects: list[bytes] = _take(unsure)
    actors: list[bytes] = _take(handles_unsure)
    return b"".join(objects), b"".join(actors)


def drain_streams() -> bytes:
    """The streams that nobody reads any more, for one ``drop_streams`` mutation: id of the generator (28 bytes), items taken
    (4 bytes, little-endian)."""
    return b"".join([one.generator + one.taken.to_bytes(4, "little") for one in _take(streams_dropped)])


def pending() -> bool:
    """True when a drain would find something; a hint for whoever decides when to drain."""
    return bool(dropped or added or unsure or handles_dropped or handles_added or handles_unsure or streams_dropped)


def clear() -> None:
    """Forget everything: in a forked child, and when a session has ended and nobody is left to be told."""
    for queue in (dropped, added, handles_dropped, handles_added):
        queue.clear()
    for doubtful in (unsure, handles_unsure):
        doubtful.clear()
    streams_dropped.clear()


def _drain(additions: deque[Note], drops: deque[Note]) -> tuple[bytes, bytes] | None:
    gone = _take(drops)
    came = _told(_take(additions))
    went = _dropped(gone)
    return (came, went) if came or went else None


def _take(queue: deque[T]) -> list[T]:
    # As many as there are now, so that a thread that makes and drops refs in a loop cannot keep us here.
    return [queue.popleft() for _ in range(len(queue))]


def _told(notes: Iterable[Note]) -> bytes:
    out = []
    for note in notes:
        if isinstance(note, list):
            out.append(note[0])
            note.append(b"told")
        else:
            out.append(note)
    return b"".join(out)


def _dropped(notes: Iterable[Note]) -> bytes:
    return b"".join([note[0] if isinstance(note, list) else note for note in notes if not isinstance(note, list) or len(note) > 1])
