"""What leaves: messages cut into DATA frames, as far as the peer's windows and its frame size allow.

Knows no socket. A small message takes `one_frame`; everything else is queued and cut by `take`, which hands out
slices of the caller's buffers, so that a large message is never copied here.
"""

from __future__ import annotations

import struct
from collections import deque
from collections.abc import Sequence

from mobula._lane import frames
from mobula._lane.errors import ProtocolError
from mobula._lane.limits import KIB
from mobula._lane.messages import PREFIX, PREFIX_SIZE

_DATA_AND_PREFIX = struct.Struct(">IBIBI")  # frame header, then gRPC's flag and length
_DATA_HEADER = frames.HEADER

_COPIED = 16 * KIB  # a message up to this size is copied rather than given to the kernel as a buffer of its own


class Sender:
    """The send half of the stream.

    Windows are kept as ends: how many bytes in total may have been sent at most, on the connection and on the
    stream. One comparison with the smaller of the two then answers for both; a negative window (the peer may shrink
    its initial window below what is in flight, RFC 9113 §6.9.2) is simply an end below `_sent`.
    """

    __slots__ = (
        "_closing",
        "_connection_end",
        "_end",
        "_initial",
        "_max_frame",
        "_queue",
        "_sent",
        "_stream_end",
        "closed",
    )

    def __init__(self) -> None:
        self._sent = 0
        self._initial = self._connection_end = self._stream_end = self._end = frames.DEFAULT_WINDOW
        self._max_frame = frames.MIN_MAX_FRAME
        self._queue: deque[memoryview] = deque()
        self._closing = False
        self.closed = False
        """Whether our half of the stream has ended, or ends with what is queued."""

    def one_frame(self, message: bytes) -> bytes | None:
        """The whole message as one DATA frame, ready to be written; None where it has to go through `add`."""
        payload = len(message) + PREFIX_SIZE
        sent = self._sent + payload
        if sent > self._end or payload > self._max_frame or self._queue or self.closed:
            return None
        self._sent = sent
        return _DATA_AND_PREFIX.pack(payload << 8, 0, frames.STREAM, 0, len(message)) + message

    def one_frame_of(self, messages: Sequence[bytes]) -> bytes | None:
        """The same for several messages: gRPC does not care where DATA frames are cut, and one is cheapest to read."""
        payload = sum(map(len, messages)) + PREFIX_SIZE * len(messages)
        sent = self._sent + payload
        if sent > self._end or payload > self._max_frame or self._queue or self.closed:
            return None
        self._sent = sent
        parts: list[bytes] = [_DATA_HEADER.pack(payload << 8, 0, frames.STREAM)]
        for message in messages:
            parts.append(PREFIX.pack(0, len(message)))
            parts.append(message)
        return b"".join(parts)

    def add(self, messages: Sequence[bytes]) -> None:
        """Queues messages for `take`: small ones copied together, large ones as they are."""
        parts: list[bytes] = []
        for message in messages:
            parts.append(PREFIX.pack(0, len(message)))
            if len(message) <= _COPIED:
                parts.append(message)
            else:
                self._queue.append(memoryview(b"".join(parts)))
                self._queue.append(memoryview(message))
                parts.clear()
        if parts:
            self._queue.append(memoryview(b"".join(parts)))

    def close(self) -> None:
        """Ends our half of the stream after what is queued."""
        self._closing = not self.closed
        self.closed = True

    @property
    def waiting(self) -> bool:
        """Whether there is more to send, now or when a window opens."""
        return bool(self._queue) or self._closing

    def take(self, budget: int) -> list[bytes | memoryview]:
        """Whole frames, about `budget` bytes of them. Empty while the windows allow none."""
        out: list[bytes | memoryview] = []
        while self._queue and budget > 0:
            room = min(self._end - self._sent, self._max_frame)
            if room <= 0:
                return out
            at = len(out)
            out.append(b"")
            size = self._cut(out, room)
            out[at] = _DATA_HEADER.pack(size << 8, 0, frames.STREAM)
            self._sent += size
            budget -= size
        if self._closing and not self._queue:
            self._closing = False
            out.append(frames.frame(frames.DATA, frames.END_STREAM, frames.STREAM))
        return out

    def _cut(self, out: list[bytes | memoryview], room: int) -> int:
        """Moves up to `room` bytes from the queue to `out`; returns how many."""
        left = room
        queue = self._queue
        while queue and left:
            head = queue.popleft()
            if len(head) > left:
                out.append(head[:left])
                queue.appendleft(head[left:])
                return room
            out.append(head)
            left -= len(head)
        return room - left

    # ------------------------------------------------------------------------------- what the peer grants

    def grow_connection(self, increment: int) -> None:
        self._connection_end += increment
        self._check(self._connection_end, increment)

    def grow_stream(self, increment: int) -> None:
        self._stream_end += increment
        self._check(self._stream_end, increment)

    def set_initial_window(self, size: int) -> None:
        """Moves the stream's window by the difference to the last initial window."""
        if size > frames.MAX_WINDOW:
            raise ProtocolError(f"SETTINGS: an initial window of {size}")
        self._stream_end += size - self._initial
        self._initial = size
        self._check(self._stream_end, 1)

    def set_max_frame(self, size: int) -> None:
        if not frames.MIN_MAX_FRAME <= size <= frames.MAX_MAX_FRAME:
            raise ProtocolError(f"SETTINGS: a largest frame of {size} bytes")
        self._max_frame = size

    def _check(self, end: int, increment: int) -> None:
        if not increment:
            raise ProtocolError("WINDOW_UPDATE by 0")
        if end - self._sent > frames.MAX_WINDOW:
            raise ProtocolError("a flow-control window above 2^31-1")
        self._end = min(self._connection_end, self._stream_end)
