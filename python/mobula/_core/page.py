"""The cancel page: one 64-bit word for every executor lane, written by the core, read here.

Owns the map. The word of a lane is {epoch, flag}; what it means is for context.py.
"""

from __future__ import annotations

import mmap

WORDS = 65536
BYTES = 8 * WORDS


def map_words(fd: int) -> memoryview:
    """The page as 65,536 unsigned 64-bit words, read-only. An aligned word is read whole, never half old and half new."""
    return memoryview(mmap.mmap(fd, BYTES, mmap.MAP_SHARED, mmap.PROT_READ)).cast("Q")
