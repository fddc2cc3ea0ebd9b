"""The shared memory in which large objects lie, as this process sees it.

Owns the maps. For writing there is one map of the whole (sparse) arena, made when the first large value is stored. For
reading every block is a map of its own, because only the object that numpy really holds can say when a block is no longer
looked at: a memoryview or a ref may be gone while an array still uses the bytes. The map's finalizer releases the pin.

    get → PinnedMap → memoryview → pickle buffer → ndarray        … all of them gone → __del__ → block id queued as unpin

A map shares nothing with the session: it stays valid after `del ref`, shutdown() and the death of the core.
"""

from __future__ import annotations

import errno
import mmap
import os
import resource
import sys
import threading
import weakref
from collections import deque
from collections.abc import Callable

from mobula.exceptions import RaySystemError

# Before 3.13 every map of a file keeps a descriptor of its own.
_MAPS_KEEP_DESCRIPTORS = sys.version_info < (3, 13)
_WANTED_DESCRIPTORS = 65536  # the limit that Ray's init sets, too (its issue 12059)


class PinnedMap(mmap.mmap):
    """One block, mapped read-only. Its finalizer may run anywhere and only appends to a deque."""

    _block_id: bytes
    _unpins: deque[bytes]

    def __del__(self) -> None:
        self._unpins.append(self._block_id)


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
        self._lock = threading.Lock()
        self._maps: weakref.WeakValueDictionary[int, PinnedMap] = weakref.WeakValueDictionary()
        #: Block ids to be unpinned, 8 bytes little-endian each; one for each Block that was received.
        self.unpins: deque[bytes] = deque()
        if _MAPS_KEEP_DESCRIPTORS:
            _raise_descriptor_limit()

    def writable(self, offset: int, size: int) -> memoryview:
        """Room that was allocated for us, to write into."""
        if offset >= self._base:
            on_disk = mmap.mmap(self._open_disk(), size, mmap.MAP_SHARED, offset=offset - self._base)
            return memoryview(on_disk)
        whole = self._writable
        if whole is None:
            with self._lock:
                whole = self._writable
                if whole is None:
                    whole = self._writable = memoryview(mmap.mmap(self._open_fd(), self._size, mmap.MAP_SHARED))
        return whole[offset : offset + size]

    def view(self, block_id: int, offset: int, size: int) -> memoryview | bytes:
        """The bytes of a block that was pinned for us with this message. The pin goes when nobody looks any more.

        Two views of a block that live at the same time share one map. A process that may not map any more (too many
        maps or descriptors) gets a copy.
        """
        unpin = block_id.to_bytes(8, "little")
        found = self._maps.get(block_id)
        if found is not None:
            self.unpins.append(unpin)  # the map holds one pin already
            return memoryview(found)[:size]
        fd = self._open_fd() if offset < self._base else self._open_disk()
        if offset >= self._base:
            offset -= self._base
        try:
            made = _map_read_only(fd, size, offset)
        except OSError as error:
            if error.errno not in (errno.EMFILE, errno.ENFILE, errno.ENOMEM):
                raise
            copied = _read(fd, size, offset)
            self.unpins.append(unpin)
            return copied
        made._unpins = self.unpins
        made._block_id = unpin
        self._maps[block_id] = made
        return memoryview(made)

    def close(self) -> None:
        """Lets go of the map for writing, and of the descriptor's number, which may soon stand for another file.

        Views stay, and so does what is being written at this moment; new ones raise RaySystemError.
        """
        with self._lock:
            self._fd = self._disk = -1
            self._writable = None

    def _open_fd(self) -> int:
        fd = self._fd
        if fd < 0:  # to mmap, -1 is no mistake but fresh memory, full of zeros
            raise RaySystemError("mobula was shut down while this call was under way; call mobula.init() to start again")
        return fd

    def _open_disk(self) -> int:
        self._open_fd()
        return self._disk

    def take_unpins(self) -> bytes:
        """All queued unpins, concatenated."""
        queue = self.unpins
        return b"".join([queue.popleft() for _ in range(len(queue))])


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
