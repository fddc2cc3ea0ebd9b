"""gRPC's framing: a flag, a length, a message, again and again, cut anywhere by the frames below."""

from __future__ import annotations

import struct
from io import BytesIO

from mobula._lane.errors import ProtocolError

PREFIX = struct.Struct(">BI")
PREFIX_SIZE = PREFIX.size


class MessageReader:
    """Puts messages together from the payloads of DATA frames and appends them to `inbox`."""

    __slots__ = ("_body", "_left", "_limit", "_prefix", "inbox")

    def __init__(self, limit: int) -> None:
        self.inbox: list[bytes] = []
        self._limit = limit
        self._prefix = b""
        # BytesIO grows in place and hands its buffer out without a copy, so a large message costs one copy of each
        # byte, and memory for what has arrived rather than for what a length prefix claims.
        self._body: BytesIO | None = None
        self._left = 0

    @property
    def partial(self) -> bool:
        """Whether a message has begun and not ended."""
        return self._body is not None or bool(self._prefix)

    def feed(self, data: bytes, pos: int, stop: int) -> None:
        """Takes the payload data[pos:stop]. Raises ProtocolError after the messages before the offence are filed."""
        while pos < stop:
            if self._body is not None:
                pos = self._grow(self._body, data, pos, stop)
                continue
            prefix = self._prefix + data[pos : min(stop, pos + PREFIX_SIZE - len(self._prefix))]
            pos += len(prefix) - len(self._prefix)
            if len(prefix) < PREFIX_SIZE:
                self._prefix = prefix
                return
            self._prefix = b""
            size = self._size(prefix)
            if size <= stop - pos:
                self.inbox.append(data[pos : pos + size])
                pos += size
            else:
                self._body = BytesIO()
                self._left = size

    def _grow(self, body: BytesIO, data: bytes, pos: int, stop: int) -> int:
        take = min(self._left, stop - pos)
        body.write(memoryview(data)[pos : pos + take])
        self._left -= take
        if not self._left:
            self._body = None
            self.inbox.append(body.getvalue())
        return pos + take

    def _size(self, prefix: bytes) -> int:
        flag, size = PREFIX.unpack(prefix)
        if flag:
            raise ProtocolError(
                "the server sent a compressed message; this client offers no compression"
                if flag == 1
                else f"the server sent a message whose compression flag is {flag}"
            )
        if size > self._limit:
            raise ProtocolError(f"the server sent a message of {size} bytes; the limit is {self._limit}")
        return int(size)
