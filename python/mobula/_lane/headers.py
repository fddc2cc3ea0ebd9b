"""The request: connection preface, our SETTINGS, and the headers that open the stream."""

from __future__ import annotations

import re
from collections.abc import Sequence

from mobula._lane import frames, hpack
from mobula._lane.limits import KIB, Limits

_METHOD = re.compile(r"/[!-.0-~]+/[!-.0-~]+")
_NAME = re.compile(r"[0-9a-z_.-]+")
_VALUE = re.compile(r"[ -~]*")
_RESERVED = ("te", "content-type", "user-agent")
# Sent before the server's own limit can be known, so it stays under what every server takes.
_MAX_BLOCK = 8 * KIB


def opening(method: str, metadata: Sequence[tuple[str, str]], limits: Limits) -> bytes:
    """Everything up to where messages may follow, as one write.

    `method` is a full gRPC path. Metadata is text only (the value of a "-bin" key must be base64 already). Raises
    ValueError for what gRPC does not allow in either.

    >>> from mobula._lane.headers import opening
    >>> from mobula._lane.limits import Limits
    >>> opening("/package.Service/Method", [("authorization", "Bearer 00")], Limits())[:3]
    b'PRI'
    """
    settings = frames.settings(
        {
            frames.HEADER_TABLE_SIZE: 0,
            frames.ENABLE_PUSH: 0,
            frames.INITIAL_WINDOW_SIZE: limits.window,
            frames.MAX_FRAME_SIZE: frames.MIN_MAX_FRAME,
            frames.MAX_HEADER_LIST_SIZE: limits.max_header_list,
        }
    )
    # SETTINGS sets the window of streams only; the connection's own grows by an update and cannot shrink.
    room = limits.window - frames.DEFAULT_WINDOW
    update = frames.window_update(0, room) if room > 0 else b""
    block = hpack.encode(_fields(method, metadata))
    if len(block) > _MAX_BLOCK:
        raise ValueError(f"metadata: {len(block)} bytes of headers; at most {_MAX_BLOCK} are sent")
    return frames.PREFACE + settings + update + frames.frame(frames.HEADERS, frames.END_HEADERS, frames.STREAM, block)


def _fields(method: str, metadata: Sequence[tuple[str, str]]) -> list[tuple[bytes, bytes]]:
    if not _METHOD.fullmatch(method):
        raise ValueError(f"method: {method!r} is not of the form /package.Service/Method")
    fields = [
        (b":method", b"POST"),
        (b":scheme", b"http"),
        (b":path", method.encode()),
        (b":authority", b"localhost"),
        (b"te", b"trailers"),
        (b"content-type", b"application/grpc"),
        (b"user-agent", b"mobula-lane"),
    ]
    for name, value in metadata:
        if not _NAME.fullmatch(name) or name in _RESERVED or name.startswith("grpc-"):
            raise ValueError(f"metadata: the name {name!r} is not lower-case or belongs to gRPC")
        if not _VALUE.fullmatch(value):
            raise ValueError(f"metadata: the value of {name!r} holds more than printable ASCII")
        fields.append((name.encode(), value.encode()))
    return fields
