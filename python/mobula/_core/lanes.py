"""A lane: one stream of gRPC messages that one thread uses for its requests and mutations.

Owns attaching, replacing a lost stream, requests and their answers. What a lane brings besides answers belongs to its
subclasses (executor.py of this package, helper.py).

Interrupts. In a driver an exception may be raised between any two bytecodes. Exactly one place may lose nothing by that:
`wait_readable`, which only polls. An exception there gives the request up and keeps the lane. An exception that touches the
stream may have cut a frame in two or dropped bytes already read, so the lane counts as broken: `_busy` is set around every
touch of the stream and stays set when the touch did not end. A broken or lost stream is replaced at the next use, and the log
writes again what may be missing.

What answers hand over. The answer to a Get pins blocks, that to an Allocate reserves one. Until it is taken, such a thing
belongs to the request, which is listed in `_awaited`; `take` makes something of it that gives it back at its own end, and
unlists the request, in one step (together.py). A request that is listed when its call ends is given up by a mutation, and
the core takes back what it has handed over, or will (pyshim/given.go). It is by its lane that the core knows what the request
was, so a stream on which anything was given up is not closed by its user, who cannot tell how far the mutation came:

    get interrupted: give-up deferred  →  next call writes it, interrupted too: stream cut  →  closed  →  give-up arrives, for a
                                                                                               lane that is gone: pinned for ever

The helper thread closes it when the core has applied everything so far.

Outcomes sent ahead. Who calls and then waits says so with the call, and the core sends the outcome to the lane that the call
went by: no request has to follow. A lane expects a few at a time, by object; what comes is kept for the asker, or thrown away
for one that is expected later. Nothing depends on it: what a lane does not have, because it was lost, or another thread made the
call, or the value is large, is asked for.

Calls inside calls. The garbage collector and signal handlers run user code in the middle of ours. Such an inner call finds
the lane in use and takes a lane of its own for the time it needs.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Sequence
from functools import partial
from types import CodeType, FrameType
from typing import TypeAlias, TypeVar, cast

from mobula._core import wire
from mobula._core.mutations import LOST
from mobula._core.pb import boundary_pb2 as pb
from mobula._core.session import Session
from mobula._core.transport import LANE_METHOD, RpcError, Stream
from mobula.exceptions import RaySystemError

ATTACH_TIMEOUT_S = 30.0
# gRPC status codes of a connection that went away, as opposed to a refusal: OK, CANCELLED, UNAVAILABLE.
_GONE_CODES = frozenset({0, 1, 14})
_MOST_ATTEMPTS = 4
#: Outcomes that a lane expects at a time. Beyond a few calls under way, one request for all of them costs less.
MOST_AHEAD = 4
_LONGEST_WAIT_S = 1e6

T = TypeVar("T")
Take: TypeAlias = Callable[[pb.Reply, Callable[[], object]], T]
"""Makes something of an answer. Calls the second argument, a C function, once: together with becoming the owner of what the
answer hands over. Until then whatever it raises gives the request up."""


Outcome: TypeAlias = tuple[bytes, bytes]
"""(data, metadata) of an outcome that was sent ahead."""
_ASK: Outcome = (b"", b"")  # it came without its value


class TooLate(Exception):
    """No answer came in time: the core is stopped, or has more to do than it can."""


class Lane:
    """One lane of this process. Used by one thread at a time; opened on first use."""

    KIND: pb.LaneKind = pb.LANE_CALLS

    def __init__(self, session: Session, attach: bytes | None = None) -> None:
        self.session = session
        self.attached = pb.Attached()
        self.carried = 0  # number of the last mutation written here
        self._attach = session.attach_message(self.KIND) if attach is None else attach
        self._stream: Stream | None = None
        self._busy = False
        self._last_request = 0
        self._awaited: dict[int, pb.Reply | None] = {}
        self._number = 0  # of the stream
        self._gave_up = False  # something on the stream
        self._ahead: dict[bytes, Outcome | None] = {}  # by object: None until it came
        self._watching = False

    # ------------------------------------------------------------------------------------------ the stream

    def ready(self, until: float | None = None) -> Stream:
        """The stream, attached; a broken or lost one is replaced first.

        Raises RaySystemError when the core is gone, refuses us, or the session was closed; TooLate when `until` (time.monotonic)
        has passed before the core took it.
        """
        stream = self._stream
        if stream is not None and not self._busy:
            return stream
        if stream is not None:
            self.drop(stream)
        return self._open(until)

    def _open(self, until: float | None) -> Stream:
        session = self.session
        since = time.monotonic()
        for attempt in range(_MOST_ATTEMPTS):
            session.check()
            try:
                return self._attach_once(until)
            except LOST as error:
                if isinstance(error, RpcError) and error.code not in _GONE_CODES:
                    raise RaySystemError(f"mobula-core refused this process: {error.message}") from error
                problem = error
            if until is not None and time.monotonic() >= until:
                session.check()
                raise TooLate from problem
            session.lost(problem)
            if attempt == _MOST_ATTEMPTS - 1:
                raise session.give_up(problem, since) from problem
        raise AssertionError("unreachable")

    def _attach_once(self, until: float | None) -> Stream:
        session = self.session
        number = next(session.stream_numbers)
        deadline = time.monotonic() + ATTACH_TIMEOUT_S
        if until is not None:
            deadline = min(deadline, until)
        patience = max(0.001, deadline - time.monotonic())
        stream = session.opener(session.socket_path, LANE_METHOD, session.metadata, timeout=patience)
        try:
            stream.send(wire.attach(self._attach + wire.lane_number(number)))
            messages: list[bytes] = []
            while not messages:
                if not stream.wait_readable(max(0.0, deadline - time.monotonic())):
                    if deadline == until:
                        raise TooLate
                    raise RaySystemError(f"mobula-core did not answer within {ATTACH_TIMEOUT_S:.0f} s; is it stopped?")
                messages = stream.receive()
            first = pb.ToShim.FromString(messages[0])
            if not first.HasField("attached"):
                raise RaySystemError("mobula-core began a lane with something else than `attached`; versions differ?")
            self.attached = first.attached
            session.log.note(first.attached.applied)
            self.carried = 0
            self._busy = False
            self._number = number
            self._gave_up = False
            self._stream = stream
            for data in messages[1:]:
                self._take(data)
        except BaseException:
            self._stream = None
            stream.close()
            raise
        return stream

    def drop(self, stream: Stream) -> None:
        """Throws a broken or lost stream away; what it carried is in doubt from now on."""
        if self._stream is stream:
            self._busy = True  # of no use from here on, should an interrupt end this in the middle
            if self.carried > self.session.log.seen:
                self.session.log.doubt()
            self._ahead.clear()
            self._give_up_all()
            forsaken = self._gave_up
            if forsaken:
                self.session.on_forsaken(stream)
            self._stream = None
            self._busy = False
            if forsaken:
                return
        try:
            stream.close()
        except LOST:
            pass  # it was lost already, which is why it is thrown away

    def close(self) -> None:
        """Closes the stream, if there is one. Only for a lane that no thread uses."""
        stream = self._stream
        if stream is not None:
            self.drop(stream)

    def forget_in_child(self) -> None:
        """In a forked child: lets go of the descriptor without a word, for the parent's stream goes on."""
        stream, self._stream = self._stream, None
        if stream is not None:
            stream.detach_after_fork()

    def is_open(self) -> bool:
        """Whether there is a stream at the moment."""
        return self._stream is not None

    def in_use(self) -> bool:
        """Whether a request is under way here."""
        return self._busy or self._watching or bool(self._awaited)

    def fileno(self) -> int:
        """The descriptor to poll for reading; changes when the lane was replaced. -1 without a stream."""
        return self._stream.fileno() if self._stream is not None else -1

    # ------------------------------------------------------------------------------------------ bytes in and out

    def send(self, stream: Stream, messages: Sequence[bytes]) -> None:
        """Writes FromShim messages in one go. Raises LaneClosed or RpcError when the stream is lost."""
        self._busy = True
        if len(messages) == 1:
            stream.send(messages[0])
        else:
            stream.send_many(messages)
        self._busy = False

    def send_one(self, stream: Stream, message: bytes) -> None:
        """send() of one message."""
        self._busy = True
        stream.send(message)
        self._busy = False

    def poll(self) -> None:
        """Reads and files what has arrived, without waiting. Raises LaneClosed or RpcError when the stream is lost."""
        self._read(self.ready())

    def _read(self, stream: Stream) -> None:
        self._busy = True
        for data in stream.receive():
            self._take(data)
        self._busy = False

    def poll_quietly(self) -> None:
        """poll() for acks alone: a lost lane is replaced at the next use."""
        stream = self._stream
        if stream is None or self._busy:
            return
        try:
            self._read(stream)
        except LOST:
            self.drop(stream)

    def _take(self, data: bytes) -> None:
        """Files one message."""
        self._file(pb.ToShim.FromString(data))

    def _file(self, message: pb.ToShim) -> None:
        if message.applied:
            self.session.log.note(message.applied)
        if message.HasField("reply"):
            reply = message.reply
            if reply.id in self._awaited:
                self._awaited[reply.id] = reply
            else:
                self._stray(reply)
        if message.HasField("ahead"):
            ahead = message.ahead
            if ahead.object_id in self._ahead:
                value = ahead.value
                self._ahead[ahead.object_id] = (value.data, value.metadata) if value.metadata else _ASK

    def _stray(self, reply: pb.Reply) -> None:
        """The answer to a request that was given up: the mutation that says so takes back what it hands over."""

    # ------------------------------------------------------------------------------------------ outcomes sent ahead

    def expect(self, object_id: bytes) -> bool:
        """Makes room for the outcome of a call that is about to be written here; False when there is none."""
        ahead = self._ahead
        if len(ahead) >= MOST_AHEAD:
            for known, outcome in ahead.items():
                if outcome is not None:
                    del ahead[known]
                    break
            else:
                return False
        ahead[object_id] = None
        return True

    def forget(self, object_id: bytes) -> None:
        """The call was not written here after all, or not in a way that makes its outcome come."""
        self._ahead.pop(object_id, None)

    def outcome(self, object_id: bytes) -> Outcome | None:
        """Waits for an outcome that is sent ahead; None for one that has to be asked for."""
        ahead = self._ahead
        if object_id not in ahead or (self.in_use() and _inside_lane_code(sys._getframe(1))):
            return None
        stream = self._stream
        if stream is None or self._busy:
            return None
        self._watching = True
        try:
            while (found := ahead.get(object_id, _ASK)) is None:
                stream.wait_readable(None)
                self._read(stream)
        except LOST as error:
            self.drop(stream)
            self.session.lost(error)
            return None
        except BaseException:
            self._drop_if_cut(stream)
            raise
        finally:
            self._watching = False
        ahead.pop(object_id, None)
        return found if found[1] else None

    def _drop_if_cut(self, stream: Stream) -> None:
        if self._busy:
            self.drop(stream)

    # ------------------------------------------------------------------------------------------ requests

    def next_id(self) -> int:
        """An unused request id of this lane."""
        self._last_request += 1
        return self._last_request

    def call(
        self,
        body: Callable[[], bytes],
        mutations: Sequence[bytes] = (),
        *,
        take: Take[T] | None = None,
        until: float | None = None,
    ) -> T:
        """Sends one request after all mutations so far (and `mutations`, in the same message); waits for its reply, and
        returns that, or what `take` makes of it.

        `body()` gives the encoded kind, and is asked again when a lost lane makes it necessary to ask the core again.
        Raises RaySystemError when the core is gone, TooLate when `until` (time.monotonic) has passed without an answer; any
        exception raised by a signal handler passes through.
        """
        if self._awaited or self._busy or self._watching:
            if _inside_lane_code(sys._getframe(1)):
                return self._call_aside(body, mutations, take, until)
            if not self._busy:
                self._give_up_all()
        since = time.monotonic()
        log = self.session.log
        problem: Exception
        for _ in range(_MOST_ATTEMPTS):
            stream = self.ready(until)
            request_id = self.next_id()
            self._awaited[request_id] = None
            try:
                request = wire.request(request_id, body())
                if mutations or log.unwritten():
                    log.write(self, mutations, partial(self._ask_after, request_id, request))
                    mutations = ()
                    stream = self.ready()
                else:
                    self.send(stream, (wire.after(log.last()) + request,))
                while True:
                    reply = self._awaited[request_id]
                    if reply is not None:
                        if take is not None:
                            return take(reply, partial(self._awaited.pop, request_id))
                        del self._awaited[request_id]
                        return cast(T, reply)
                    if until is None:
                        stream.wait_readable(None)
                    elif not _readable_until(stream, until):
                        raise TooLate
                    self._read(stream)
            except LOST as error:
                self.drop(stream)
                self.session.lost(error)
                problem = error
            except BaseException:
                if self._busy:
                    self.drop(stream)
                else:
                    self._give_up_all()
                raise
        raise self.session.give_up(problem, since) from problem

    def _give_up_all(self) -> None:
        """Tells the core that nobody will look at the answers that are awaited here, nor waits for them: it is not to take
        this task for blocked, and takes back what they hand over. Left to the next writer, before whose requests it goes: what
        is interrupted does not write."""
        for request_id in list(self._awaited):
            self._gave_up = True
            self.session.log.defer((wire.give_up(self._number, request_id),))
            self._awaited.pop(request_id, None)

    def _ask_after(self, request_id: int, request: bytes, last: int) -> bytes:
        """The fields of a request after mutation `last`. A lane that was lost while both were written has given the request up:
        on the stream in its place it is awaited again."""
        self._awaited.setdefault(request_id, None)
        return wire.after(last) + request

    def _call_aside(self, body: Callable[[], bytes], mutations: Sequence[bytes], take: Take[T] | None, until: float | None) -> T:
        aside = Lane(self.session)
        try:
            return aside.call(body, mutations, take=take, until=until)
        finally:
            aside.close()

    def is_inside(self) -> bool:
        """Whether the caller runs inside a call of this very lane: a finalizer or a signal handler."""
        return self.in_use() and _inside_lane_code(sys._getframe(1))


def _readable_until(stream: Stream, until: float) -> bool:
    while not stream.wait_readable(min(max(0.0, until - time.monotonic()), _LONGEST_WAIT_S)):
        if time.monotonic() >= until:
            return False
    return True


_LANE_CODE: frozenset[CodeType] = frozenset(
    {
        Lane.call.__code__,
        Lane.outcome.__code__,
        Lane._read.__code__,
        Lane.send.__code__,
        Lane.send_one.__code__,
        Lane._attach_once.__code__,
    }
)


def _inside_lane_code(frame: FrameType | None) -> bool:
    while frame is not None:
        if frame.f_code in _LANE_CODE:
            return True
        frame = frame.f_back
    return False


class LaneTable:
    """The lanes of the threads of one process.

    A lane is opened when its thread first needs one. When the thread ends, the interpreter drops what the thread kept in
    `threading.local`; the finalizer there only hands the lane on to `retire`, as it may run anywhere.
    """

    def __init__(self, session: Session, retire: Callable[[Lane], None]) -> None:
        self._session = session
        self._retire = retire
        self._local = threading.local()
        self._lanes: dict[int, Lane] = {}

    def get(self) -> Lane:
        """The lane of the calling thread."""
        try:
            lane: Lane = self._local.lane
        except AttributeError:
            return self.adopt(Lane(self._session))
        return lane

    def adopt(self, lane: Lane) -> Lane:
        """Makes a lane that of the calling thread."""
        self._lanes[id(lane)] = lane
        self._local.holder = _Holder(lane, self._ended)
        self._local.lane = lane
        return lane

    def _ended(self, lane: Lane) -> None:
        self._lanes.pop(id(lane), None)
        self._retire(lane)

    def all(self) -> list[Lane]:
        """Every lane of a thread that has not ended."""
        return list(self._lanes.values())


class _Holder:
    """Lives in threading.local and so as long as its thread."""

    __slots__ = ("_ended", "_lane")

    def __init__(self, lane: Lane, ended: Callable[[Lane], None]) -> None:
        self._lane = lane
        self._ended = ended

    def __del__(self) -> None:
        self._ended(self._lane)
