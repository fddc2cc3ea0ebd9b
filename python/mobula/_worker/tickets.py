"""Whether a task that was pushed ahead may still be run.

The core pushes several tasks to a worker before it asks for them, and takes some back when the worker is slow or a cancel names
one of them. Both sides draw from one semaphore, an eventfd: who gets the ticket owns the task, so no task runs twice and none
that was taken back runs at all. A lane that finds no ticket drops everything of that push (its *generation*)
and says so once; the core pushes again under a higher one.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Final

_NONE_DROPPED: Final = -1


class Tickets:
    """The tickets of this worker, as one lane sees them. `dropped` tells the core, once for each generation."""

    def __init__(self, ticket_fd: int, dropped: Callable[[int], None]) -> None:
        self._fd = ticket_fd
        self._dropped = dropped
        self._dropped_up_to = _NONE_DROPPED

    def admit(self, generation: int, needs_ticket: bool) -> bool:
        """Whether a task of this push is to be run; False means that it is the core's again."""
        if generation <= self._dropped_up_to:
            return False
        if not needs_ticket:
            return True
        try:
            os.eventfd_read(self._fd)
        except BlockingIOError:
            # Noted before it is said: what follows of this push is dropped in silence.
            self._dropped_up_to = generation
            self._dropped(generation)
            return False
        return True
