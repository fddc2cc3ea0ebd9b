"""The cancel page: one 64-bit word for every executor lane, written by the core, read here; and two of another kind.

Owns the map. The word of a lane is {epoch, flag}; what it means is for context.py. In ``ASKED`` the driver notes the number
of its last mutation that cancels something, before it writes that; in ``HEARD`` the core, that it was applied. So who finds
the first ahead of the second knows that a cancel may have returned of which the core has not heard: it asks the core, which
then reads it first (pyshim/catchup.go).
"""

from __future__ import annotations

import mmap

WORDS = 65536
BYTES = 8 * WORDS
ASKED, HEARD = 0, 1
FIRST_SLOT = 8  # the words of lanes
_FIRST_PAGE = mmap.PAGESIZE


def map_words(fd: int) -> memoryview:
    """The page as 65,536 unsigned 64-bit words, read-only. An aligned word is read whole, never half old and half new."""
    return memoryview(mmap.mmap(fd, BYTES, mmap.MAP_SHARED, mmap.PROT_READ)).cast("Q")


def map_asked(fd: int) -> memoryview:
    """The driver's own words of the page, to be written. An aligned word is written whole."""
    return memoryview(mmap.mmap(fd, _FIRST_PAGE, mmap.MAP_SHARED, mmap.PROT_READ | mmap.PROT_WRITE)).cast("Q")
