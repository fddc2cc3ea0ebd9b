"""The lane that brings tasks to a worker's thread or event loop.

Owns filing: what arrives between or during requests lands in the deques here, in order, and whoever runs the thread takes
it from there. It refuses to run anything. Unlike a plain lane it is never replaced: the core binds pushed tasks and a word
of the cancel page to this very stream, so its end is the end of the worker.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from mobula._core import wire
from mobula._core.lanes import Lane
from mobula._core.pb import boundary_pb2 as pb
from mobula._core.runs import Run, read
from mobula._core.session import Session
from mobula._core.transport import LaneClosed, Stream


class ExecutorLane(Lane):
    """A lane with tasks; see Process.open_executor_lane.

    `runs`, `cancels` and `openings` are consumed by the caller; `exit` stays None until the core asks the process to
    leave. `on_push`, when set, is called after something was filed by a read that poll() did not make, inside a
    request or between mutations: an event loop, which waits for the descriptor alone, would not learn of it.
    """

    KIND = pb.LANE_EXECUTOR

    def __init__(self, session: Session, group: str = "", opening: int = 0, event_loop: bool = False) -> None:
        super().__init__(session, session.attach_message(self.KIND, group, opening, event_loop))
        self.group = group
        self.event_loop = event_loop
        self.runs: deque[Run] = deque()
        self.cancels: deque[pb.CancelRun] = deque()
        self.openings: deque[pb.OpenLane] = deque()
        self.exit: pb.Exit | None = None
        self.on_push: Callable[[], None] | None = None
        self._pushed = 0
        self._was_open = False
        super()._open(None)
        self._was_open = True
        #: Index of this lane's word in the cancel page.
        self.slot: int = self.attached.slot

    def wait(self, timeout: float | None = None) -> bool:
        """Waits until poll() has something to read, or the lane ended; False when `timeout` seconds passed.

        Changes nothing: an exception raised in here by a signal handler loses nothing.
        """
        return self.ready().wait_readable(timeout)

    def send_dropped(self, generation: int) -> None:
        """Tells the core that every pushed task of `generation` was dropped unrun."""
        encoded = pb.FromShim(dropped=pb.RunDropped(generation=generation)).SerializeToString()
        self.send(self.ready(), (encoded,))

    def catch_up(self) -> None:
        """Returns when the core has read every cancel that had returned before, and what follows of it was filed here."""
        self.call(lambda: wire.SYNC_BODY)

    def _open(self, until: float | None) -> Stream:
        if self._was_open:
            raise LaneClosed("the lane that brings tasks to this worker has ended; the worker has to leave")
        return super()._open(until)

    def poll(self) -> None:
        """Reads and files what has arrived, without waiting. Raises ConnectionError when the lane has ended."""
        super()._read(self.ready())

    def _read(self, stream: Stream) -> None:
        # Reading that the caller of poll() does not know of.
        before = self._pushed
        super()._read(stream)
        if self._pushed != before and self.on_push is not None:
            self.on_push()

    def _take(self, data: bytes) -> None:
        found = read(data)
        if found is None:
            super()._take(data)
        else:
            applied, runs = found
            if applied:
                self.session.log.note(applied)
            self.runs.extend(runs)
            self._pushed += 1

    def _file(self, message: pb.ToShim) -> None:
        super()._file(message)
        if message.run:
            self.runs.extend([Run.of(one) for one in message.run])
            self._pushed += 1
        if message.cancel:
            self.cancels.extend(message.cancel)
            self._pushed += 1
        if message.HasField("open_lane"):
            self.openings.append(message.open_lane)
            self._pushed += 1
        if message.HasField("exit"):
            self.exit = message.exit
            self._pushed += 1
