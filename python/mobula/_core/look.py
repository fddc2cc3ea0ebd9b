"""Looking at a running session, one's own or another's of the same user: `mobula.util.state` and the command line.

Owns the questions and which core they go to. They change nothing and need no token, see `Boundary.State` in
proto/boundary.proto.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

from mobula._core import session_dir, transport
from mobula._core.mutations import LOST
from mobula._core.pb import boundary_pb2 as pb
from mobula._core.unary import ask
from mobula.exceptions import RaySystemError

#: What a session may be asked for at once; the core keeps to it.
MOST = 10_000


class Watch:
    """Asks the core that listens in a session's folder. Every question raises RaySystemError when it does not answer."""

    def __init__(self, folder: str) -> None:
        self.folder = folder

    def state(self, kind: pb.StateKind, most: int = MOST) -> pb.StateReply:
        """What there is now of one kind, at most so many rows."""
        return pb.StateReply.FromString(self._ask("State", pb.StateRequest(kind=kind, most=most).SerializeToString()))

    def why(self, task: str) -> pb.WhyReply:
        """What the tasks wait for that have this name, or an id that begins so."""
        return pb.WhyReply.FromString(self._ask("Why", pb.WhyRequest(task=task).SerializeToString()))

    def attempts(self) -> Iterator[pb.TaskEvent]:
        """Every attempt of a task that has ended and that the core remembers, in the order in which they ended."""
        for page in self._pages(gets=False):
            yield from page.events

    def gets(self) -> Iterator[pb.TaskGet]:
        """Every get of what a task returns that the core remembers, in the order in which they were answered."""
        for page in self._pages(gets=True):
            yield from page.gets

    def _pages(self, gets: bool) -> Iterator[pb.TaskEventsReply]:
        at = 0
        while True:
            request = pb.TaskEvents(**{"from": at}, gets=gets)
            page = pb.TaskEventsReply.FromString(self._ask("Events", request.SerializeToString()))
            yield page
            if page.next == page.first:
                return
            at = page.next

    def _ask(self, method: str, message: bytes) -> bytes:
        try:
            return ask(transport.opener(), session_dir.socket_of(self.folder), method, message)
        except LOST as error:
            raise RaySystemError(f"the session in {self.folder} does not answer: {error}") from error


def find(address: str | None = None) -> Watch:
    """The session to look at: of this folder, or of the driver with this pid, or the only one of this user.

    Raises ConnectionError with what there is to choose from where that is none or several.
    """
    if address and os.path.isdir(address):
        return Watch(address)
    running = session_dir.living()
    if address:
        chosen = [folder for folder, pid in running if str(pid) == address]
        if not chosen:
            raise ConnectionError(f"no session of this user has the driver {address}{_others(running)}")
        return Watch(chosen[0])
    if len(running) == 1:
        return Watch(running[0][0])
    if not running:
        raise ConnectionError("no session of this user is running: a program starts one with mobula.init()")
    raise ConnectionError(f"several sessions are running, name one by its driver's pid{_others(running)}")


def _others(running: list[tuple[str, int]]) -> str:
    return "; running are " + ", ".join(f"{pid} ({folder})" for folder, pid in running) if running else ""
