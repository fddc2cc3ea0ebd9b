"""The server's side of a lane as bytes: builders of frames, recorded streams, and the lane's view of them."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from dataclasses import dataclass

from mobula._lane import Limits
from mobula._lane.connection import Connection
from mobula._lane.frames import (
    ACK,
    CONTINUATION,
    DATA,
    END_HEADERS,
    END_STREAM,
    GOAWAY,
    HAS_PRIORITY,
    HEADERS,
    INITIAL_WINDOW_SIZE,
    MAX_FRAME_SIZE,
    PADDED,
    PING,
    PRIORITY,
    RST_STREAM,
    SETTINGS,
    frame,
    settings,
    window_update,
)

METHOD = "/t.Echo/Chat"
SMALL = Limits(window=1 << 20, max_message=1 << 16, max_header_list=4096)


def field(name: bytes, value: bytes) -> bytes:
    """A literal without indexing."""
    assert len(name) < 127
    size = bytes((len(value),)) if len(value) < 127 else b"\x7f" + _varint(len(value) - 127)
    return b"\0" + bytes((len(name),)) + name + size + value


def _varint(value: int) -> bytes:
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes((*out, value))


RESPONSE_BLOCK = b"\x88" + field(b"content-type", b"application/grpc")
RESPONSE = frame(HEADERS, END_HEADERS, 1, RESPONSE_BLOCK)
OPENED = settings({}) + RESPONSE


def prefixed(message: bytes, flag: int = 0) -> bytes:
    return struct.pack(">BI", flag, len(message)) + message


def data(payload: bytes, flags: int = 0) -> bytes:
    return frame(DATA, flags, 1, payload)


def message(body: bytes) -> bytes:
    """One message in one DATA frame, as grpc-go sends a small one."""
    return data(prefixed(body))


def padded(payload: bytes, padding: int, kind: int = DATA, flags: int = 0) -> bytes:
    return frame(kind, flags | PADDED, 1, bytes((padding,)) + payload + bytes(padding))


def trailer_block(code: int, text: bytes | None = None) -> bytes:
    block = field(b"grpc-status", b"%d" % code)
    return block if text is None else block + field(b"grpc-message", text)


def trailers(code: int, text: bytes | None = None) -> bytes:
    return frame(HEADERS, END_HEADERS | END_STREAM, 1, trailer_block(code, text))


def trailers_only(code: int, text: bytes) -> bytes:
    return frame(HEADERS, END_HEADERS | END_STREAM, 1, RESPONSE_BLOCK + trailer_block(code, text))


def rst(code: int) -> bytes:
    return frame(RST_STREAM, 0, 1, code.to_bytes(4, "big"))


def goaway(last: int, code: int = 0, text: bytes = b"") -> bytes:
    return frame(GOAWAY, 0, 0, struct.pack(">II", last, code) + text)


def ping(payload: bytes, flags: int = 0) -> bytes:
    return frame(PING, flags, 0, payload)


@dataclass
class View:
    """What a lane makes of a byte stream."""

    messages: list[bytes]
    end: tuple[type, tuple[object, ...]] | None
    answers: bytes
    """PING and SETTINGS acknowledgements; WINDOW_UPDATEs are left out, they may come in larger or smaller steps."""
    granted: int
    """Sum of the WINDOW_UPDATEs of the stream."""


def view(pieces: Iterable[bytes], limits: Limits = SMALL, *, eof: bool = True) -> View:
    connection = Connection(METHOD, (), limits)
    messages: list[bytes] = []
    for piece in pieces:
        connection.feed(piece)
        messages += connection.take()
    if eof:
        connection.finish("the server closed the connection")
    end = None if connection.end is None else (type(connection.end), connection.end.args)
    answers, granted = split_updates(bytes(connection.answers))
    return View(messages, end, answers, granted)


def frames_of(raw: bytes) -> list[tuple[int, int, int, bytes]]:
    """(type, flags, stream, payload) of each frame; the input must be whole frames."""
    found = []
    while raw:
        word, flags, stream = struct.unpack_from(">IBI", raw)
        assert len(raw) >= 9 + (word >> 8)
        found.append((word & 0xFF, flags, stream, raw[9 : 9 + (word >> 8)]))
        raw = raw[9 + (word >> 8) :]
    return found


def split_updates(raw: bytes) -> tuple[bytes, int]:
    rest = b""
    granted = 0
    for kind, flags, stream, payload in frames_of(raw):
        if kind == 8:
            granted += int.from_bytes(payload, "big") if stream else 0
        else:
            rest += frame(kind, flags, stream, payload)
    return rest, granted


_HALVES = prefixed(b"first") + prefixed(b"second")
_BLOCK = RESPONSE_BLOCK + field(b"x-long", b"v" * 200)

RECORDED: dict[str, bytes] = {
    "messages": OPENED + message(b"one") + message(b"") + message(b"three" * 20) + trailers(0),
    "settings and ping between": settings({INITIAL_WINDOW_SIZE: 70_000, MAX_FRAME_SIZE: 20_000, 99: 7})
    + frame(SETTINGS, ACK, 0)
    + RESPONSE
    + ping(b"abcdefgh")
    + message(b"one")
    + window_update(0, 1000)
    + window_update(1, 1000)
    + ping(b"12345678", ACK)
    + message(b"two")
    + settings({INITIAL_WINDOW_SIZE: 10})
    + trailers(0),
    "several messages in a frame": OPENED + data(_HALVES + prefixed(b"") * 3) + trailers(0),
    "messages across frames": OPENED + b"".join(data(_HALVES[i : i + 3]) for i in range(0, len(_HALVES), 3)) + trailers(0),
    "empty frames": OPENED + data(b"") + message(b"one") + data(b"") + data(b"\0") + data(b"") + data(b"\0\0\0\1x") + trailers(0),
    "padding": settings({})
    + padded(RESPONSE_BLOCK, 17, HEADERS, END_HEADERS)
    + padded(prefixed(b"one"), 0)
    + padded(prefixed(b"two")[:4], 255)
    + padded(prefixed(b"two")[4:], 3)
    + trailers(0),
    "continuation": settings({})
    + frame(HEADERS, 0, 1, _BLOCK[:10])
    + frame(CONTINUATION, 0, 1, _BLOCK[10:11])
    + frame(CONTINUATION, 0, 1)
    + frame(CONTINUATION, END_HEADERS, 1, _BLOCK[11:])
    + message(b"one")
    + frame(HEADERS, END_STREAM, 1, trailer_block(0)[:5])
    + frame(CONTINUATION, END_HEADERS, 1, trailer_block(0)[5:]),
    "priority and unknown": settings({})
    + frame(HEADERS, END_HEADERS | HAS_PRIORITY, 1, b"\0\0\0\0\x10" + RESPONSE_BLOCK)
    + frame(PRIORITY, 0, 1, b"\0\0\0\0\x10")
    + frame(0x42, 0xFF, 1, b"whatever")
    + message(b"one")
    + frame(0xFA, 0, 0)
    + trailers(0),
    "informational": settings({}) + frame(HEADERS, END_HEADERS, 1, b"\x48\x03103") + RESPONSE + message(b"one") + trailers(0),
    "status": OPENED + message(b"one") + trailers(5, b"100%25 gr%C3%BCn%0A"),
    "trailers only": settings({}) + trailers_only(16, b"bad token"),
    "table-size update": settings({}) + frame(HEADERS, END_HEADERS, 1, b"\x20" + RESPONSE_BLOCK) + message(b"one") + trailers(0),
    "huffman": settings({})
    + frame(
        HEADERS,
        END_HEADERS,
        1,
        bytes.fromhex("88 5f 8b 1d75d0620d263d4c4d6564 4088 25a849e95ba97d7f 89 25a849e95bb8e8b4bf"),
    )
    + message(b"one")
    + trailers(0),
    "goaway in a message": OPENED
    + data(prefixed(b"half and half")[:9])
    + goaway(2**31 - 1)
    + goaway(1, 0, b"graceful")
    + data(prefixed(b"half and half")[9:])
    + trailers(0),
    "refused by goaway": OPENED + goaway(0, 11, b"too_many_pings"),
    "reset after a message": OPENED + message(b"one") + rst(8),
    "reset inside a message": OPENED + data(prefixed(b"twelve bytes")[:9]) + rst(2),
    "reset refused": settings({}) + rst(7),
    "no trailers": OPENED + message(b"one") + data(prefixed(b"last"), END_STREAM),
    "ok inside a message": OPENED + data(prefixed(b"twelve bytes")[:9]) + trailers(0),
    "http error": settings({}) + frame(HEADERS, END_HEADERS | END_STREAM, 1, b"\x48\x03503"),
    "end in a frame": OPENED + message(b"one") + message(b"two")[:-1],
    "end in a message": OPENED + message(b"one") + data(prefixed(b"two")[:-1]),
    "compressed": OPENED + message(b"one") + data(prefixed(b"x", 1)) + message(b"never"),
    "too large": OPENED + message(b"one") + data(struct.pack(">BI", 0, SMALL.max_message + 1)),
    "not http2": b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n",
}
