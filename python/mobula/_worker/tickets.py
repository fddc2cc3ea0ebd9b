"""Whether a task that was pushed ahead may still be run.

The core pushes several tasks to a worker before it asks for them, and takes some back when the worker is slow or a cancel names
one of them. Both sides draw from one semaphore, an eventfd: who gets the ticket owns the task, so no task runs twice and none
that was taken back runs at all. A lane that finds no ticket drops everything of that push (its *generation*)
and says so once; the core pushes again under a higher one.

A cancel that has returned may not have come to the core yet. The shared words tell (`_core/page.py`); then the core is asked
to read it before anything is begun:

    driver:  cancel(B) returns, opens a file        worker:  A sees the file and ends; B is next, and its ticket is there
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Final

from mobula._core.page import ASKED, HEARD
from mobula._worker.worker import Lane

_NONE_DROPPED: Final = -1


class Tickets:
    """The tickets of this worker, as one lane sees them. `words` is the cancel page, if there is one."""

    def __init__(self, ticket_fd: int, lane: Lane, words: Sequence[int] | None) -> None:
        self._fd = ticket_fd
        self._lane = lane
        self._words = words
        self._dropped_up_to = _NONE_DROPPED

    def admit(self, generation: int, needs_ticket: bool) -> bool:
        """Whether a task of this push is to be run; False means that it is the core's again."""
        if generation <= self._dropped_up_to:
            return False
        words = self._words
        if words is not None and words[ASKED] > words[HEARD]:
            self._lane.catch_up()
        if not needs_ticket:
            return True
        try:
            os.eventfd_read(self._fd)
        except BlockingIOError:
            # Noted before it is said: what follows of this push is dropped in silence.
            self._dropped_up_to = generation
            self._lane.send_dropped(generation)
            return False
        return True
