"""The socket under one gRPC stream: the only file of this room that does I/O.

The rule it keeps: a write never waits without reading. Both peers may write at once, and each may stop reading when
its own write is stuck; so whenever the socket or the peer's window takes no more, we poll for both directions, put
what arrives aside, and answer it.
"""

from __future__ import annotations

import select
import socket
import time
from collections import deque
from collections.abc import Sequence
from itertools import islice

from mobula._lane.connect import connect
from mobula._lane.connection import Connection
from mobula._lane.errors import LaneClosed, ProtocolError, RpcError
from mobula._lane.limits import DEFAULT_LIMITS, KIB, Limits

_READ = 64 * KIB
_READS = 16  # in one receive(): then the caller gets what there is, however fast the peer writes
_WRITE = 512 * KIB  # cut into frames at a time
_BUFFERS = 256  # of one sendmsg, well below IOV_MAX
_LONGEST = 2_000_000  # seconds (23 days): what poll takes as milliseconds
# SIGPIPE is ignored by Python, but a program may have set it back; macOS has no such flag.
_FLAGS = getattr(socket, "MSG_NOSIGNAL", 0)
_IN, _BOTH = select.POLLIN, select.POLLIN | select.POLLOUT
_INTERRUPTED = "an exception interrupted an operation of this lane; it must be thrown away"


class GrpcStream:
    """One bidirectional gRPC stream on a unix socket of its own. Not thread-safe: one thread a stream.

        stream = GrpcStream.open(path, "/package.Service/Method", [("authorization", "Bearer 00")])
        stream.send(request)
        while not (messages := stream.receive()):
            stream.wait_readable(None)

    Interrupts. An exception may be raised between any two bytecodes (KeyboardInterrupt). In `wait_readable` it loses
    nothing. Anywhere else a frame may be half written or half read, so `broken` is set while an operation runs, and
    stays set when it does not come to its end; every later operation then raises LaneClosed. For the same reason an
    operation must not be begun inside another one (by a signal handler): it could not tell that from an interrupt.
    """

    __slots__ = (
        "_both",
        "_connection",
        "_limits",
        "_out",
        "_poll",
        "_recv",
        "_send",
        "_sender",
        "_sock",
        "_taken",
        "_unread",
        "broken",
    )

    def __init__(self, sock: socket.socket, connection: Connection) -> None:
        """Use `open`. `sock` must be connected; the stream owns it from here on."""
        sock.setblocking(False)
        self._sock = sock
        self._recv = sock.recv
        self._send = sock.send
        self._connection = connection
        self._sender = connection.sender
        self._limits = connection.limits
        self._out: deque[bytes | memoryview] = deque()  # cut, but not taken by the socket yet; order is the wire's
        self._unread = 0  # bytes of answers in `_out`
        self._taken = 0  # connection.received when messages were last handed out
        poll = select.poll()
        poll.register(sock, _IN)
        self._poll = poll.poll
        self._both = select.poll()
        self._both.register(sock, _BOTH)
        self.broken = False

    @classmethod
    def open(
        cls,
        path: str,
        method: str,
        metadata: Sequence[tuple[str, str]] = (),
        *,
        timeout: float | None = 30,
        limits: Limits = DEFAULT_LIMITS,
    ) -> GrpcStream:
        """Connects, opens the stream and waits until the server has shown that it speaks HTTP/2.

        `timeout` is in seconds, for all of it. Raises LaneClosed (nobody there, refused, too late, ProtocolError) and
        ValueError for a malformed method or metadata. The method may still be refused: `receive` tells.

            stream = GrpcStream.open("/run/core.sock", "/mobula.boundary.v1.Boundary/Lane")
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        connection = Connection(method, metadata, limits)
        sock = connect(path, timeout)
        try:
            stream = cls(sock, connection)
            stream._start(path, deadline)
        except BaseException:
            sock.close()
            raise
        return stream

    def fileno(self) -> int:
        """For a selector of the caller's; -1 after `close`. See `wants_write`."""
        return self._sock.fileno()

    @property
    def wants_write(self) -> bool:
        """Whether answers to the peer wait for the socket: a caller with a selector of its own must then also call
        `receive` when the socket is writable. `wait_readable` sees to it by itself."""
        return bool(self._out)

    # -------------------------------------------------------------------------------------------- sending

    def send(self, message: bytes) -> None:
        """Sends one message: it is in the socket when this returns. Waits as long as the peer takes nothing.

        Raises ValueError for a message above the limit (nothing was changed), RpcError or LaneClosed when the stream
        has ended; messages that came before the end can still be received.
        """
        if self.broken or self._connection.end is not None:
            raise self._refusal()
        if not self._out:
            self.broken = True
            frame = self._sender.one_frame(message)
            if frame is not None:
                # As in _send_frame: a call less for each of a program's calls.
                try:
                    sent = self._send(frame, _FLAGS)
                except OSError as error:
                    sent = self._not_sent(error)
                if sent != len(frame):
                    self._out.append(memoryview(frame)[sent:])
                    self._drain()
                self.broken = False
                return
            self.broken = False
        self._send_slowly((message,))

    def send_many(self, messages: Sequence[bytes]) -> None:
        """Sends several messages in order, in one write where they are small. Otherwise like `send`.

        Where several small messages are known at once this is much cheaper than `send` for each.
        """
        if self.broken or self._connection.end is not None:
            raise self._refusal()
        if not messages:
            return
        if not self._out:
            self.broken = True
            frame = self._sender.one_frame_of(messages)
            if frame is not None:
                self._send_frame(frame)
                return
            self.broken = False
        self._send_slowly(messages)

    def half_close(self) -> None:
        """Tells the server that no more messages follow. Receiving goes on to the server's status."""
        if self.broken or self._connection.end is not None:
            raise self._refusal()
        self.broken = True
        self._sender.close()
        self._drain()
        self.broken = False

    # ------------------------------------------------------------------------------------------ receiving

    def wait_readable(self, timeout: float | None) -> bool:
        """Waits up to `timeout` seconds (None: for ever; at most 23 days) until `receive` has something to do; False if not.

        True at once when messages were put aside or the end is known. Changes nothing: the one place where an
        interrupt may land without the lane being lost. `receive` may still find nothing for its caller.
        """
        connection = self._connection
        if connection.inbox or connection.end is not None or self.broken:
            return True
        poll = self._both.poll if self._out else self._poll
        return bool(poll(None if timeout is None else min(max(timeout, 0), _LONGEST) * 1000))

    def receive(self) -> list[bytes]:
        """The messages that are there, perhaps none; never waits. Answers PING and SETTINGS, renews windows.

        Raises, once all messages before it were returned: RpcError when the server ended the stream (code 0: in
        order), LaneClosed when the connection ended without that, ProtocolError when the server broke the protocol.
        """
        if self.broken:
            raise self._refusal()
        self.broken = True
        connection = self._connection
        if not connection.inbox and connection.end is None:
            if self._out:
                self._write()
            for _ in range(_READS):
                try:
                    data = self._recv(_READ)
                except BlockingIOError:
                    break
                except OSError as error:
                    connection.finish(f"the connection failed: {error.strerror}")
                    break
                if not data:
                    connection.finish("the server closed the connection")
                    break
                connection.feed(data)
                if connection.answers:
                    self._answer()
                if len(data) < _READ or connection.end is not None:
                    break
        messages = connection.inbox
        if messages:
            messages = connection.take()
            self._taken = connection.received
        elif connection.end is not None:
            self.broken = False
            raise self._refusal()
        self.broken = False
        return messages

    # -------------------------------------------------------------------------------------------- closing

    def close(self) -> None:
        """Ends the connection: the server sees it at once, even if a forked child still holds the socket. Idempotent."""
        try:
            self._sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass  # the peer was first, or closed already
        self.detach_after_fork()

    def detach_after_fork(self) -> None:
        """Lets go of the socket without a word, for a child that inherited it: the parent's stream goes on."""
        self._sock.close()
        self._connection.finish("the lane was closed on this side")

    # ------------------------------------------------------------------------------------------- slow paths

    def _start(self, path: str, deadline: float | None) -> None:
        connection = self._connection
        self._out.append(connection.opening)
        while not connection.ready:
            self._write()
            if connection.end is not None:
                raise self._refusal()
            left = None if deadline is None else deadline - time.monotonic()
            if left is not None and left <= 0:
                raise LaneClosed(f"{path}: no HTTP/2 SETTINGS from the server in time")
            (self._both.poll if self._out else self._poll)(None if left is None else min(left, _LONGEST) * 1000)
            self._put_aside()

    def _send_frame(self, frame: bytes) -> None:
        try:
            sent = self._send(frame, _FLAGS)
        except OSError as error:
            sent = self._not_sent(error)
        if sent != len(frame):
            self._out.append(memoryview(frame)[sent:])
            self._drain()
        self.broken = False

    def _send_slowly(self, messages: Sequence[bytes]) -> None:
        if self._sender.closed:
            raise ValueError("a message after half_close")
        for message in messages:
            if len(message) > self._limits.max_message:
                raise ValueError(f"a message of {len(message)} bytes; the limit is {self._limits.max_message}")
        self.broken = True
        self._sender.add(messages)
        self._drain()
        self.broken = False

    def _drain(self) -> None:
        """Until everything queued is in the socket. Reads whenever it cannot write."""
        sender, out, connection = self._sender, self._out, self._connection
        while True:
            if connection.end is not None:
                self.broken = False  # not interrupted: it has ended, and what came before can still be received
                raise self._refusal()
            if not out:
                out.extend(sender.take(_WRITE))
            if out:
                if not self._write() and connection.end is None:
                    self._both.poll()
                    self._put_aside()
            elif sender.waiting:
                self._poll()
                self._put_aside()
            else:
                return

    def _write(self) -> bool:
        """Gives the socket what it takes now; whether that was everything."""
        out = self._out
        while out:
            try:
                sent = self._sock.sendmsg(islice(out, _BUFFERS), (), _FLAGS)
            except OSError as error:
                sent = self._not_sent(error)
                if not sent:
                    return False
            while sent:
                size = len(out[0])
                if size > sent:
                    out[0] = memoryview(out[0])[sent:]
                    break
                sent -= size
                out.popleft()
        return True

    def _not_sent(self, error: OSError) -> int:
        """How much went out when the socket raised: 0. A peer that is gone is known as the end after this, with the
        reason it gave: it may have sent its status before it closed, and that tells more than a broken pipe."""
        if not isinstance(error, BlockingIOError):
            while self._connection.end is None and self._put_aside():
                pass
            self._connection.finish(f"the connection failed: {error.strerror}")
        return 0

    def _put_aside(self) -> bool:
        """Reads once; messages stay in the inbox. Whether there was anything."""
        connection = self._connection
        try:
            data = self._recv(_READ)
        except BlockingIOError:
            return False
        except OSError as error:
            connection.finish(f"the connection failed: {error.strerror}")
            return False
        if not data:
            connection.finish("the server closed the connection")
            return False
        connection.feed(data)
        if connection.answers:
            self._answer()
        # A list entry and an object header for each, so that many tiny messages count as what they take.
        if connection.received - self._taken + 64 * len(connection.inbox) > self._limits.max_stash:
            connection.end = ProtocolError("the server sends without end while this side waits to send")
        return True

    def _answer(self) -> None:
        """Writes control frames, behind whatever the socket has not taken yet. Never waits."""
        answers = self._connection.answers
        self._out.append(bytes(answers))
        self._unread += len(answers)
        answers.clear()
        if self._write():
            self._unread = 0
        elif self._unread > self._limits.max_answers:
            self._connection.end = ProtocolError("the server does not read the answers it asks for, and asks on")

    def _refusal(self) -> LaneClosed | RpcError:
        if self.broken:
            return LaneClosed(_INTERRUPTED)
        end = self._connection.end
        assert end is not None
        # A new one each time: a raised exception collects traceback and context.
        return type(end)(*end.args)
