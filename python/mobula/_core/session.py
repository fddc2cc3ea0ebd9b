"""What all lanes of one attached process share: where the core is, who we are, and whether the core still lives.

Owns the one answer to "is the core gone?". A lane that ends says nothing by itself: lanes may be lost and replaced. The
core's pidfd decides, and the sentence with the cause is made here once, for every call that fails because of it.
"""

from __future__ import annotations

import os
import select
import time
from collections.abc import Callable
from itertools import count

from mobula._core import forks
from mobula._core.mutations import MutationLog
from mobula._core.pb import boundary_pb2 as pb
from mobula._core.transport import Stream, StreamOpener
from mobula._version import __version__
from mobula.exceptions import RaySystemError

PROTOCOL = 1
NEXT_STEP = "call mobula.shutdown() and mobula.init() to start again"


class Session:
    """One attachment: the address of the core, the identity of this process, its mutation log."""

    def __init__(
        self,
        *,
        socket_path: str,
        token: str,
        role: pb.Role,
        worker_id: bytes,
        core_pid: int,
        opener: StreamOpener,
        describe_end: Callable[[], str] = lambda: "",
        on_doubt: Callable[[], None] = lambda: None,
    ) -> None:
        self.socket_path = socket_path
        self.metadata = [("authorization", f"Bearer {token}")]
        self.role = role
        self.worker_id = worker_id
        self.core_pid = core_pid
        self.opener = opener
        self.log = MutationLog(on_doubt)
        #: Numbers of streams, for the core to know which one a GiveUp means.
        self.stream_numbers = count(1)
        #: Told of a stream that an interrupt broke while an answer was awaited on it; closes it when that is given up.
        self.on_forsaken: Callable[[Stream], None] = lambda stream: stream.close()
        self.closed = False
        self.forked = False
        self._ended: str | None = None
        self._describe_end = describe_end
        # A pid may be given to another process; a pidfd stands for this one for as long as we hold it.
        self.pidfd = os.pidfd_open(core_pid) if core_pid > 0 else -1

    def attach_message(self, kind: pb.LaneKind, group: str = "", opening: int = 0, event_loop: bool = False) -> bytes:
        """An encoded Attach for a lane of this process."""
        return pb.Attach(
            protocol=PROTOCOL,
            role=self.role,
            worker_id=self.worker_id,
            kind=kind,
            pid=os.getpid(),
            concurrency_group=group,
            opening=opening,
            event_loop=event_loop,
            version=__version__,
        ).SerializeToString()

    def check(self) -> None:
        """Raises RaySystemError when no call can succeed any more."""
        if self.forked:
            raise RuntimeError(forks.SENTENCE)
        if self._ended is not None:
            raise RaySystemError(self._ended)
        if self.closed:
            raise RaySystemError("mobula was shut down while this call was under way; call mobula.init() to start again")

    def core_gone(self, timeout: float = 0.0) -> bool:
        """Whether the core has ended, waiting up to `timeout` seconds for that."""
        if self._ended is not None:
            return True
        if self.pidfd < 0:
            return False
        poll = select.poll()
        poll.register(self.pidfd, select.POLLIN)
        if not poll.poll(int(timeout * 1000)):
            return False
        self.end(self._describe_end() or f"process {self.core_pid} is gone")
        return True

    def end(self, cause: str) -> None:
        """Notes that the core is gone, and why; the first cause counts."""
        if self._ended is None:
            self._ended = f"mobula-core ended: {cause}; {NEXT_STEP}"

    @property
    def ended(self) -> str | None:
        """The sentence for calls that fail because the core is gone; None while it lives."""
        return self._ended

    def lost(self, error: Exception) -> None:
        """A connection failed: raises RaySystemError when the core is gone or the session closed, else returns.

        The lane of a dying process may close before its listening socket and before its pidfd fires, so there is a
        moment of grace for the truth to come out.
        """
        self.check()
        if isinstance(error.__cause__, (FileNotFoundError, ConnectionRefusedError)) and self.pidfd < 0:
            self.end(f"nothing listens at its socket ({error})")
        self.core_gone(0.05)
        self.check()

    def give_up(self, error: Exception, since: float) -> RaySystemError:
        """The error of a call whose lane was lost again and again."""
        if self.core_gone(1.0):
            return RaySystemError(self._ended or "")
        seconds = time.monotonic() - since
        return RaySystemError(
            f"the connection to mobula-core (process {self.core_pid}, still running) failed for {seconds:.1f} s: {error}; "
            f"{NEXT_STEP}"
        )

    def close(self) -> None:
        """Gives the pidfd back. Idempotent."""
        self.closed = True
        pidfd, self.pidfd = self.pidfd, -1
        if pidfd >= 0:
            os.close(pidfd)
