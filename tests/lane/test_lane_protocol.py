"""What a peer may not send, what it may ask for, and that neither costs unbounded memory."""

from __future__ import annotations

import struct
import tracemalloc

import lane_bytes as b
import pytest

from mobula._lane import Limits, ProtocolError, RpcError
from mobula._lane.connection import Connection
from mobula._lane.frames import (
    ACK,
    CONTINUATION,
    DATA,
    ENABLE_PUSH,
    END_HEADERS,
    END_STREAM,
    GOAWAY,
    HEADERS,
    INITIAL_WINDOW_SIZE,
    MAX_FRAME_SIZE,
    PADDED,
    PING,
    PRIORITY,
    PUSH_PROMISE,
    RST_STREAM,
    SETTINGS,
    WINDOW_UPDATE,
    frame,
    settings,
    window_update,
)

OPENED = b.OPENED
HALF_BLOCK = frame(HEADERS, 0, 1, b.RESPONSE_BLOCK[:5])

REFUSED: dict[str, bytes] = {
    "first frame not settings": b.ping(b"12345678"),
    "first frame an acknowledgement": frame(SETTINGS, ACK, 0),
    "frame above our limit": OPENED + frame(DATA, 0, 1, bytes(16_385)),
    "unknown frame above our limit": OPENED + struct.pack(">IBI", 16_385 << 8 | 0x42, 0, 0),
    "data before headers": settings({}) + b.message(b"x"),
    "data of another stream": OPENED + frame(DATA, 0, 3, b.prefixed(b"x")),
    "data of the connection": OPENED + frame(DATA, 0, 0, b.prefixed(b"x")),
    "data without its padding": OPENED + frame(DATA, PADDED, 1),
    "data all padding": OPENED + frame(DATA, PADDED, 1, b"\x04abc"),
    "headers of another stream": settings({}) + frame(HEADERS, END_HEADERS, 2, b.RESPONSE_BLOCK),
    "headers too short for priority": settings({}) + frame(HEADERS, 0x24, 1, b"\0\0\0\0"),
    "trailers that go on": OPENED + frame(HEADERS, END_HEADERS, 1, b.trailer_block(0)),
    "ping in a header block": settings({}) + HALF_BLOCK + b.ping(b"12345678"),
    "unknown frame in a header block": settings({}) + HALF_BLOCK + frame(0x42, 0, 1),
    "continuation of nothing": OPENED + frame(CONTINUATION, END_HEADERS, 1),
    "continuation of another stream": settings({}) + HALF_BLOCK + frame(CONTINUATION, END_HEADERS, 3),
    "continuation flood": settings({}) + HALF_BLOCK + frame(CONTINUATION, 0, 1) * 100,
    "header block too large": settings({}) + HALF_BLOCK + frame(CONTINUATION, 0, 1, bytes(4096)),
    "header list too large": settings({}) + frame(HEADERS, END_HEADERS, 1, b"\x90" * 100),
    "hpack index": settings({}) + frame(HEADERS, END_HEADERS, 1, b"\xbe"),
    "priority size": OPENED + frame(PRIORITY, 0, 1, b"1234"),
    "rst size": OPENED + frame(RST_STREAM, 0, 1, b"123"),
    "rst of another stream": OPENED + frame(RST_STREAM, 0, 3, b"1234"),
    "settings of a stream": OPENED + frame(SETTINGS, 0, 1),
    "settings size": OPENED + frame(SETTINGS, 0, 0, b"12345"),
    "settings acknowledgement with content": OPENED + frame(SETTINGS, ACK, 0, b"123456"),
    "settings window": OPENED + settings({INITIAL_WINDOW_SIZE: 2**31}),
    "settings small frame": OPENED + settings({MAX_FRAME_SIZE: 16_383}),
    "settings large frame": OPENED + settings({MAX_FRAME_SIZE: 2**24}),
    "settings push": OPENED + settings({ENABLE_PUSH: 1}),
    "push promise": OPENED + frame(PUSH_PROMISE, END_HEADERS, 1, b"\0\0\0\2"),
    "ping size": OPENED + b.ping(b"1234567"),
    "ping of a stream": OPENED + frame(PING, 0, 1, b"12345678"),
    "goaway size": OPENED + frame(GOAWAY, 0, 0, b"1234567"),
    "goaway of a stream": OPENED + frame(GOAWAY, 0, 1, b"12345678"),
    "window update size": OPENED + frame(WINDOW_UPDATE, 0, 1, b"123"),
    "window update of another stream": OPENED + window_update(3, 1),
    "window update by nothing": OPENED + window_update(0, 0),
    "window update of the stream by nothing": OPENED + window_update(1, 0),
    "connection window overflow": OPENED + window_update(0, 2**31 - 1),
    "stream window overflow": OPENED + window_update(1, 2**31 - 1),
    "stream window overflow by settings": OPENED + window_update(1, 2**31 - 65_536) + settings({INITIAL_WINDOW_SIZE: 65_536}),
    "compressed": OPENED + b.data(b.prefixed(b"x", 1)),
    "compression flag": OPENED + b.data(b.prefixed(b"x", 2)),
    "message above the limit": OPENED + b.data(b"\0\xff\xff\xff\xff"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name: str) -> None:
    raw = REFUSED[name]
    seen = b.view([raw])
    assert seen.end is not None
    assert seen.end[0] is ProtocolError, seen.end
    assert b.view(raw[i : i + 1] for i in range(len(raw))) == seen


def test_ping_and_settings_are_acknowledged_in_order() -> None:
    raw = settings({}) + b.ping(b"11111111") + settings({99: 1}) + b.ping(b"22222222", ACK) + b.ping(b"33333333")
    ack = frame(SETTINGS, ACK, 0)
    seen = b.view([raw], eof=False)
    assert seen.answers == ack + b.ping(b"11111111", ACK) + ack + b.ping(b"33333333", ACK)
    assert seen.end is None


def test_reserved_stream_bit_is_ignored() -> None:
    raw = b.OPENED + struct.pack(">IBI", 8 << 8, 0, 0x8000_0001) + b.prefixed(b"one")
    assert b.view([raw]).messages == [b"one"]


def test_a_length_prefix_allocates_nothing() -> None:
    connection = Connection(b.METHOD)
    tracemalloc.start()
    try:
        connection.feed(b.OPENED + b.data(struct.pack(">BI", 0, 512 << 20) + b"x"))
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
    finally:
        tracemalloc.stop()
    assert connection.end is None


def test_a_message_in_one_byte_frames_takes_memory_for_its_bytes() -> None:
    connection = Connection(b.METHOD)
    connection.feed(b.OPENED + b.data(struct.pack(">BI", 0, 1 << 20)))
    tracemalloc.start()
    try:
        for _ in range(100):
            connection.feed(b.data(b"x") * 1000)
        assert tracemalloc.get_traced_memory()[0] < 300_000
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    ("trailer", "code", "text"),
    [
        (b.trailers(0), 0, ""),
        (b.trailers(13, b"plain"), 13, "plain"),
        (b.trailers(13, b"%C3%BC%F0%9F%90%9F"), 13, "ü🐟"),
        (b.trailers(13, b"%zz%2"), 13, "%zz%2"),
        (b.trailers(13, b"%ff"), 13, "�"),
        (b.trailers(99, b"new"), 99, "new"),
        (frame(HEADERS, END_HEADERS | END_STREAM, 1, b.field(b"grpc-status", b"x")), 2, None),
        (frame(HEADERS, END_HEADERS | END_STREAM, 1, b.field(b"grpc-status", b"9" * 3000)), 2, None),
        (frame(HEADERS, END_HEADERS | END_STREAM, 1, b.field(b"other", b"x")), 2, None),
    ],
)
def test_status(trailer: bytes, code: int, text: str | None) -> None:
    seen = b.view([b.OPENED + trailer])
    assert seen.end is not None
    assert seen.end[0] is RpcError
    assert seen.end[1][0] == code
    assert text is None or seen.end[1][1] == text


@pytest.mark.parametrize(
    ("block", "code"),
    [
        (b"\x48\x03401", 16),
        (b"\x48\x03404", 12),
        (b"\x48\x03599", 2),
        (b"\x48\x7f\x81\x1e" + b"9" * 3968, 2),  # 4096 digits are more than int() takes
        (b"\x88" + b.field(b"content-type", b"text/html"), 2),
        (b"", 2),
    ],
)
def test_wrong_response(block: bytes, code: int) -> None:
    for flags in (END_HEADERS, END_HEADERS | END_STREAM):
        seen = b.view([settings({}) + frame(HEADERS, flags, 1, block)], Limits())
        assert seen.end is not None
        assert seen.end[0] is RpcError
        assert seen.end[1][0] == code


def test_the_opening() -> None:
    raw = Connection(b.METHOD, [("authorization", "Bearer 00")]).opening
    assert raw.startswith(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
    kinds = [(kind, stream) for kind, _, stream, _ in b.frames_of(raw[24:])]
    assert kinds == [(SETTINGS, 0), (WINDOW_UPDATE, 0), (HEADERS, 1)]
    assert dict(struct.iter_unpack(">HI", b.frames_of(raw[24:])[0][3]))[1] == 0  # no dynamic table


@pytest.mark.parametrize(
    ("method", "metadata"),
    [
        ("Chat", []),
        ("/a/b c", []),
        (b.METHOD, [("Upper", "x")]),
        (b.METHOD, [(":path", "x")]),
        (b.METHOD, [("te", "x")]),
        (b.METHOD, [("grpc-timeout", "1S")]),
        (b.METHOD, [("a", "x\r\nb: c")]),
        (b.METHOD, [("a", "ü")]),
        (b.METHOD, [("a", "x" * 9000)]),
    ],
)
def test_malformed_requests_are_the_callers_mistake(method: str, metadata: list[tuple[str, str]]) -> None:
    with pytest.raises(ValueError, match=r"method|metadata"):
        Connection(method, metadata)
