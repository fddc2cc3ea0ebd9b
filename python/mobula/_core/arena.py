"""The shared memory in which large objects lie, as this process sees it.

Owns the maps. For writing there is one map of the whole (sparse) arena, made when the first large value is stored. For
reading every block is a map of its own, because only the object that numpy really holds can say when a block is no longer
looked at: a memoryview or a ref may be gone while an array still uses the bytes. The map's finalizer releases the pin.

    get → PinnedMap → memoryview → pickle buffer → ndarray        … all of them gone → __del__ → block id queued as unpin

Until its map is there, and from one moment to the next, the pin is the request's (lanes.py): an interrupt leaves it with
either the one or the other. The same holds for a block to be written, which a Reservation gives back.

A map shares nothing with the session: it stays valid after `del ref`, shutdown() and the death of the core.
"""

from __future__ import annotations

import errno
import mmap
import os
import resource
import sys
import weakref
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from types import MethodType
from typing import TYPE_CHECKING

from mobula._core.guard import Guard
from mobula._core.recent import Recent
from mobula._core.together import together, together_all
from mobula.exceptions import RaySystemError

if TYPE_CHECKING:
    from mobula.serialization import Serialized

# Before 3.13 every map of a file keeps a descriptor of its own.
_MAPS_KEEP_DESCRIPTORS = sys.version_info < (3, 13)
_NO_MORE_MAPS = (errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EAGAIN)
_WANTED_DESCRIPTORS = 65536  # the limit that Ray's init sets, too (its issue 12059)


class PinnedMap(mmap.mmap):
    """One block, mapped read-only. What is in `__del__` (together.py), when it holds a pin, appends to a deque."""

    __slots__ = ("__del__",)

    __del__: Callable[[], object]


class Reservation:
    """A block that may be written, until it is kept: given back when this goes."""

    __slots__ = ("__del__",)

    __del__: Callable[[], object]

    def keep(self) -> None:
        """The block is named in a mutation that has its number."""
        del self.__del__


class Arena:
    """The arena of one session; `fd` and `disk` stay the caller's.

    Offsets from the end of the arena on, rounded up to whole pages, are places in the file `disk`: what found no room.
    """

    def __init__(self, fd: int, size: int, disk: int = -1) -> None:
        self._fd = fd
        self._size = size
        self._disk = disk
        self._base = -(-size // mmap.PAGESIZE) * mmap.PAGESIZE if disk >= 0 else sys.maxsize
        self._writable: memoryview | None = None
        self._guard = Guard()
        # Plain weak references, without a callback: it would be Python code, and a Ctrl-C that lands there is lost.
        self._maps: dict[int, weakref.ref[PinnedMap]] = {}
        #: Forgotten whenever unpins are taken.
        self.recent = Recent()
        #: Block ids to be unpinned, 8 bytes little-endian each; one for each Block that was received.
        self.unpins: deque[bytes] = deque()
        #: Block ids that were allocated for us and will not be sealed, in the same form.
        self.discards: deque[bytes] = deque()
        if _MAPS_KEEP_DESCRIPTORS:
            _raise_descriptor_limit()

    def writable(self, offset: int, size: int) -> memoryview:
        """Room that was allocated for us, to write into."""
        if offset >= self._base:
            fd, offset = self._place(offset)
            return memoryview(mmap.mmap(fd, size, mmap.MAP_SHARED, offset=offset))
        whole = self._writable
        if whole is None:
            whole = self._guard.run(self._map_whole)
        return whole[offset : offset + size]

    def write(self, offset: int, value: Serialized) -> None:
        """Writes a value into room that was allocated for us. A process that may not map the arena (no more address space,
        maps or descriptors) writes it piece by piece, which takes longer.

        Raises RaySystemError for what else the system refuses.
        """
        try:
            target = self.writable(offset, value.size)
        except OSError as error:
            self._write_unmapped(offset, value, error)
        else:
            value.write_into(target)

    def _write_unmapped(self, offset: int, value: Serialized, refusal: OSError) -> None:
        try:
            if refusal.errno not in _NO_MORE_MAPS:
                raise refusal
            value.write_to(*self._place(offset))
        except OSError as error:
            raise RaySystemError(
                f"a value of {value.size} bytes could not be written into the object store: {error}; look at this process's "
                "limits (ulimit -a: address space, open files, file size)"
            ) from error

    def _map_whole(self) -> memoryview:
        whole = self._writable
        if whole is None:
            whole = self._writable = memoryview(mmap.mmap(self._open_fd(), self._size, mmap.MAP_SHARED))
        return whole

    def view(self, block_id: int, offset: int, size: int) -> memoryview | bytes:
        """The bytes of a block that was pinned for us with this message. The pin goes when nobody looks any more.

        Two views of a block that live at the same time share one map. A process that may not map any more (too many
        maps or descriptors) gets a copy.
        """
        view, take = self._view(block_id, offset, size)
        take()
        return view

    def views(self, blocks: Sequence[tuple[int, int, int]], settle: Callable[[], object]) -> list[memoryview | bytes]:
        """The bytes of blocks (id, offset, size) that one answer has pinned for us. `settle` is a C function, called when
        the pins are those of the views and no earlier: together with that (together.py), so that they are never nobody's,
        and never somebody else's too."""
        views = []
        takes = []
        for block in blocks:
            view, take = self._view(*block)
            views.append(view)
            takes.append(take)
        takes.append(settle)
        together_all(takes)
        return views

    def _view(self, block_id: int, offset: int, size: int) -> tuple[memoryview | bytes, Callable[[], object]]:
        """A view without the pin, and the C function that takes the pin over: from a map it goes with the map."""
        unpin = block_id.to_bytes(8, "little")
        give_back = partial(self.unpins.append, unpin)
        known = self._maps.get(block_id)
        found = known() if known is not None else None
        if found is not None:
            return memoryview(found)[:size], give_back  # the map holds one pin already
        fd, offset = self._place(offset)
        try:
            made = _map_read_only(fd, size, offset)
        except OSError as error:
            if error.errno not in _NO_MORE_MAPS:
                raise
            return _read(fd, size, offset), give_back
        self._maps[block_id] = weakref.ref(made)
        return memoryview(made), partial(_set_end_of_map, made, MethodType(self.unpins.append, unpin))

    def reserved(self, block_id: int, settle: Callable[[], object]) -> Reservation:
        """Takes over a block that an answer allocated for us; `settle` as in `views`."""
        made = Reservation()
        note = MethodType(self.discards.append, block_id.to_bytes(8, "little"))
        together(partial(_set_end_of_reservation, made, note), settle)
        return made

    def close(self) -> None:
        """Lets go of the map for writing, and of the descriptor's number, which may soon stand for another file.

        Views stay, and so does what is being written at this moment; new ones raise RaySystemError.
        """
        self._guard.run(self._forget)
        self.recent.forget()

    def _forget(self) -> None:
        self._fd = self._disk = -1
        self._writable = None

    def _open_fd(self) -> int:
        fd = self._fd
        if fd < 0:  # to mmap, -1 is no mistake but fresh memory, full of zeros
            raise RaySystemError("mobula was shut down while this call was under way; call mobula.init() to start again")
        return fd

    def _place(self, offset: int) -> tuple[int, int]:
        """Descriptor of the file, and where in it an offset of the arena lies."""
        fd = self._open_fd()
        return (fd, offset) if offset < self._base else (self._disk, offset - self._base)

    def take_unpins(self) -> bytes:
        """All queued unpins, concatenated. For the helper thread alone, which no interrupt reaches."""
        taken = _all_of(self.unpins)
        for unpin in taken:
            block_id = int.from_bytes(unpin, "little")
            known = self._maps.get(block_id)
            if known is not None and known() is None:
                # Another thread may put a new map there right now: then it is not found by the next one, who makes its own.
                self._maps.pop(block_id, None)
        return b"".join(taken)

    def take_discards(self) -> bytes:
        """All queued discards, concatenated. For the helper thread alone."""
        return b"".join(_all_of(self.discards))


_set_end_of_map = PinnedMap.__dict__["__del__"].__set__
_set_end_of_reservation = Reservation.__dict__["__del__"].__set__


def _all_of(queue: deque[bytes]) -> list[bytes]:
    return [queue.popleft() for _ in range(len(queue))]


def _read(fd: int, size: int, offset: int) -> bytes:
    parts = []
    while size > 0:
        part = os.pread(fd, min(size, 1 << 30), offset)
        if not part:
            raise OSError(errno.EIO, "the object store is shorter than a block in it")
        parts.append(part)
        size -= len(part)
        offset += len(part)
    return b"".join(parts)


def _raise_descriptor_limit() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _WANTED_DESCRIPTORS if hard == resource.RLIM_INFINITY else min(hard, _WANTED_DESCRIPTORS)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


_map_read_only: Callable[[int, int, int], PinnedMap]
if sys.version_info >= (3, 13):

    def _map_read_only(fd: int, size: int, offset: int) -> PinnedMap:
        return PinnedMap(fd, size, mmap.MAP_SHARED, mmap.PROT_READ, offset=offset, trackfd=False)

else:

    def _map_read_only(fd: int, size: int, offset: int) -> PinnedMap:
        return PinnedMap(fd, size, mmap.MAP_SHARED, mmap.PROT_READ, offset=offset)
