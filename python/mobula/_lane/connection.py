"""What arrives on a connection with one stream, as a state machine without I/O.

Bytes go in through `feed`, in pieces of any size; what comes out is `inbox` (whole messages), `end` (why nothing
more will come) and `answers` (bytes to be written back: acknowledgements, window updates). The same bytes give the
same messages and the same end however they were cut. Never raises for what the peer sent: that becomes `end`.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence

from mobula._lane import frames, hpack, status
from mobula._lane.errors import LaneClosed, ProtocolError, RpcError
from mobula._lane.headers import opening
from mobula._lane.limits import DEFAULT_LIMITS, Limits
from mobula._lane.messages import PREFIX_SIZE, MessageReader
from mobula._lane.sending import Sender

_WHOLE = struct.Struct(">IIHI")
"""The first 14 bytes of a DATA frame that is one whole message: length and type; flags and the upper bytes of the
stream id (0); its last byte and gRPC's flag (1, 0); gRPC's length."""
_STREAM_UNCOMPRESSED = frames.STREAM << 8
_WHOLE_SIZE = _WHOLE.size
_FRAME = frames.FRAME_HEADER
_MAX_CONTINUATIONS = 32  # of one header block: frames of no bytes cost no memory and would go on for ever
_ID_BITS = 0x7FFF_FFFF
_UINT32 = struct.Struct(">I")
_SETTING = struct.Struct(">HI")


class Connection:
    """The receive half of the stream and everything that belongs to the connection.

    >>> from mobula._lane.connection import Connection
    >>> connection = Connection("/package.Service/Method")
    >>> connection.feed(bytes.fromhex("000000040000000000"))  # empty SETTINGS
    >>> connection.ready, bytes(connection.answers).hex(), connection.end
    (True, '000000040100000000', None)
    """

    __slots__ = (
        "_answered",
        "_block",
        "_block_ends_stream",
        "_continuations",
        "_goaway",
        "_need",
        "_partial",
        "_plain",
        "_reader",
        "_received_end",
        "_small",
        "_update_at",
        "answers",
        "end",
        "inbox",
        "limits",
        "opening",
        "ready",
        "received",
        "sender",
    )

    def __init__(self, method: str, metadata: Sequence[tuple[str, str]] = (), limits: Limits = DEFAULT_LIMITS) -> None:
        self.opening = opening(method, metadata, limits)
        """The bytes the client begins with."""
        self.sender = Sender()
        self._reader = MessageReader(limits.max_message)
        self.inbox = self._reader.inbox
        self.answers = bytearray()
        self.end: LaneClosed | RpcError | None = None
        self.ready = False
        """Whether the server's SETTINGS came: it speaks HTTP/2."""
        self.received = 0
        """Bytes of DATA so far, as flow control counts them."""
        self.limits = limits
        # The window as an end, like the sender's. Stream and connection are granted the same and updated together, so
        # one number does for both (a connection's window cannot be less than 65535; the stream's is then the smaller).
        self._received_end = limits.window
        self._update_at = limits.window - limits.window // 2
        self._small = min(frames.MIN_MAX_FRAME - PREFIX_SIZE, limits.max_message)
        self._answered = False  # response headers came: DATA may follow
        self._plain = False  # answered, and neither a message nor a header block has begun
        self._partial = bytearray()  # the beginning of a frame
        self._need = _FRAME  # how many bytes of it make sense to look at
        self._block: bytearray | None = None  # a header block that CONTINUATION goes on with
        self._block_ends_stream = False
        self._continuations = 0
        self._goaway = ""

    def take(self) -> list[bytes]:
        """The messages that came, in order; they are the caller's now."""
        messages = self.inbox
        self.inbox = self._reader.inbox = []
        return messages

    def feed(self, data: bytes) -> None:  # one loop on purpose: a call a frame would double what a message costs
        """Takes what was read."""
        if self.end is not None:
            return
        partial = self._partial
        if partial:
            if len(partial) + len(data) < self._need:
                partial += data
                return
            data = b"".join((partial, data))
            partial.clear()
        unpack = _WHOLE.unpack_from
        append = self.inbox.append
        small = self._small
        received = self.received
        pos, end = 0, len(data)
        try:
            while end - pos >= _FRAME:
                if self._plain and end - pos >= _WHOLE_SIZE:
                    word, zero, stream_and_flag, size = unpack(data, pos)
                    # One whole uncompressed message, alone in a DATA frame of our stream, without flags.
                    if (
                        word == size + PREFIX_SIZE << 8
                        and stream_and_flag == _STREAM_UNCOMPRESSED
                        and not zero
                        and size <= small
                        and received + size + PREFIX_SIZE <= self._received_end
                    ):
                        start = pos + _WHOLE_SIZE
                        stop = start + size
                        if stop > end:
                            break
                        append(data[start:stop])
                        received += size + PREFIX_SIZE
                        pos = stop
                        continue
                self.received = received
                stop = self._frame(data, pos, end)
                received = self.received
                if not stop:
                    break
                pos = stop
        except (ProtocolError, RpcError) as error:
            self.end = error.with_traceback(None)  # whose frames would hold us
        self.received = received
        if self.end is None:
            if pos < end:
                self._keep(data, pos)
            if received >= self._update_at:
                self._update_windows()

    def finish(self, reason: str) -> None:
        """No more bytes will come: end of file, or the error `reason` names."""
        if self.end is not None:
            return
        where = ""
        if self._partial or self._block is not None:
            where = " in the middle of a frame"
        elif self._reader.partial:
            where = " in the middle of a message"
        elif not self.ready:
            where = " before it said anything"
        self.end = LaneClosed(reason + where + self._goaway)

    # ------------------------------------------------------------------------------------------- frames

    def _keep(self, data: bytes, pos: int) -> None:
        self._partial += memoryview(data)[pos:]
        self._need = _FRAME
        if len(self._partial) >= _FRAME:
            self._need += int.from_bytes(self._partial[:3], "big")

    def _frame(self, data: bytes, pos: int, end: int) -> int:
        """Acts on the frame at `pos`; returns where it stops, 0 where it is not all there."""
        word: int
        word, flags, stream = frames.HEADER.unpack_from(data, pos)
        length, kind = word >> 8, word & 0xFF
        if not self.ready and (kind != frames.SETTINGS or flags & frames.ACK or length > frames.MIN_MAX_FRAME):
            raise ProtocolError(f"the server does not speak HTTP/2: it began with {data[pos : pos + _FRAME]!r}")
        if length > frames.MIN_MAX_FRAME:
            raise ProtocolError(f"a frame of {length} bytes; the limit is {frames.MIN_MAX_FRAME}")
        start = pos + _FRAME
        stop = start + length
        if stop > end:
            return 0
        stream &= _ID_BITS
        if self._block is not None and kind != frames.CONTINUATION:
            raise ProtocolError("a header block is interrupted by another frame")
        if kind < len(_HANDLERS):
            _HANDLERS[kind](self, flags, stream, data, start, stop)
            self._plain = self._answered and self._block is None and not self._reader.partial
        return stop

    def _data(self, flags: int, stream: int, data: bytes, pos: int, stop: int) -> None:
        self._ours("DATA", stream)
        if not self._answered:
            raise ProtocolError("DATA before the response headers")
        self.received += stop - pos  # padding counts, too
        if self.received > self._received_end:
            raise ProtocolError("the server sent more than the flow-control window allows")
        if flags & frames.PADDED:
            pos, stop = _unpad(data, pos, stop)
        self._reader.feed(data, pos, stop)
        if flags & frames.END_STREAM:
            raise status.without_trailers(inside_message=self._reader.partial)

    def _headers(self, flags: int, stream: int, data: bytes, pos: int, stop: int) -> None:
        self._ours("HEADERS", stream)
        if flags & frames.PADDED:
            pos, stop = _unpad(data, pos, stop)
        if flags & frames.HAS_PRIORITY:
            pos += 5
            if pos > stop:
                raise ProtocolError("HEADERS: too short for its priority")
        self._block = bytearray()
        self._block_ends_stream = bool(flags & frames.END_STREAM)
        self._continuations = 0
        self._add_to_block(flags, data, pos, stop)

    def _continuation(self, flags: int, stream: int, data: bytes, pos: int, stop: int) -> None:
        self._ours("CONTINUATION", stream)
        self._continuations += 1
        if self._block is None or self._continuations > _MAX_CONTINUATIONS:
            raise ProtocolError("CONTINUATION: too many, or after no header block")
        self._add_to_block(flags, data, pos, stop)

    def _add_to_block(self, flags: int, data: bytes, pos: int, stop: int) -> None:
        assert self._block is not None
        if len(self._block) + stop - pos > self.limits.max_header_list:
            raise ProtocolError(f"a header block above {self.limits.max_header_list} bytes")
        self._block += data[pos:stop]
        if flags & frames.END_HEADERS:
            block, self._block = bytes(self._block), None
            self._on_fields(hpack.decode(block, self.limits.max_header_list))

    def _on_fields(self, fields: status.Fields) -> None:
        if self._answered:
            if not self._block_ends_stream:
                raise ProtocolError("trailers that do not end the stream")
            raise status.from_trailers(fields, inside_message=self._reader.partial)
        if self._block_ends_stream:
            raise status.from_only_headers(fields)
        if status.is_informational(fields):
            return
        wrong = status.from_response(fields)
        if wrong is not None:
            raise wrong
        self._answered = True

    def _priority(self, flags: int, stream: int, data: bytes, pos: int, stop: int) -> None:
        del flags, data
        if stop - pos != 5 or not stream:
            raise ProtocolError("PRIORITY: wrong size or stream")

    def _rst_stream(self, flags: int, stream: int, data: bytes, pos: int, stop: int) -> None:
        del flags
        self._ours("RST_STREAM", stream)
        if stop - pos != 4:
            raise ProtocolError("RST_STREAM: wrong size")
        raise status.from_reset(_UINT32.unpack_from(data, pos)[0])

    def _settings(self, flags: int, stream: int, data: bytes, pos: int, stop: int) -> None:
        if stream or (stop - pos) % _SETTING.size or (flags & frames.ACK and stop > pos):
            raise ProtocolError("SETTINGS: wrong size or stream")
        if flags & frames.ACK:
            return
        for key, value in _SETTING.iter_unpack(data[pos:stop]):
            if key == frames.INITIAL_WINDOW_SIZE:
                self.sender.set_initial_window(value)
            elif key == frames.MAX_FRAME_SIZE:
                self.sender.set_max_frame(value)
            elif key == frames.ENABLE_PUSH and value:
                raise ProtocolError("SETTINGS: a server cannot enable push")
        self.ready = True
        self.answers += frames.frame(frames.SETTINGS, frames.ACK, 0)

    def _push_promise(self, flags: int, stream: int, data: bytes, pos: int, stop: int) -> None:
        del flags, stream, data, pos, stop
        raise ProtocolError("PUSH_PROMISE, though push is off")

    def _ping(self, flags: int, stream: int, data: bytes, pos: int, stop: int) -> None:
        if stream or stop - pos != 8:
            raise ProtocolError("PING: wrong size or stream")
        if not flags & frames.ACK:
            self.answers += frames.frame(frames.PING, frames.ACK, 0, data[pos:stop])

    def _go_away(self, flags: int, stream: int, data: bytes, pos: int, stop: int) -> None:
        """The server takes no new streams. Ours goes on to its own end, unless the server says it never saw it."""
        del flags
        if stream or stop - pos < 8:
            raise ProtocolError("GOAWAY: wrong size or stream")
        last, code = struct.unpack_from(">II", data, pos)
        text = data[pos + 8 : min(stop, pos + 8 + 200)].decode("utf-8", "replace")
        self._goaway = f"; before, it sent GOAWAY {frames.error_name(code)}" + (f": {text}" if text else "")
        if last & _ID_BITS < frames.STREAM:
            raise RpcError(status.UNAVAILABLE, "the server is going away and has not seen this stream" + self._goaway)

    def _window_update(self, flags: int, stream: int, data: bytes, pos: int, stop: int) -> None:
        del flags
        if stop - pos != 4:
            raise ProtocolError("WINDOW_UPDATE: wrong size")
        increment = _UINT32.unpack_from(data, pos)[0] & _ID_BITS
        if stream:
            self._ours("WINDOW_UPDATE", stream)
            self.sender.grow_stream(increment)
        else:
            self.sender.grow_connection(increment)

    def _ours(self, kind: str, stream: int) -> None:
        if stream != frames.STREAM:
            raise ProtocolError(f"{kind} for stream {stream}; there is only stream {frames.STREAM}")

    def _update_windows(self) -> None:
        """Grants again what came since the last grant. At arrival, not at delivery: a message larger than the window
        must come whole, and a peer that writes while we wait to write must not be the one that stops both."""
        used = self.received - (self._received_end - self.limits.window)
        self._received_end += used
        self._update_at += used
        self.answers += frames.window_update(0, used) + frames.window_update(frames.STREAM, used)


_Handler = Callable[[Connection, int, int, bytes, int, int], None]
_HANDLERS: tuple[_Handler, ...] = (
    Connection._data,
    Connection._headers,
    Connection._priority,
    Connection._rst_stream,
    Connection._settings,
    Connection._push_promise,
    Connection._ping,
    Connection._go_away,
    Connection._window_update,
    Connection._continuation,
)


def _unpad(data: bytes, pos: int, stop: int) -> tuple[int, int]:
    if pos == stop or data[pos] >= stop - pos:
        raise ProtocolError("a frame shorter than its padding")
    return pos + 1, stop - data[pos]
