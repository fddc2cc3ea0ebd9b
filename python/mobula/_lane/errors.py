"""How a lane ends: the three errors the room raises about its peer.

LaneClosed
 └── ProtocolError     the peer broke HTTP/2 or gRPC, or one of our limits
RpcError               the server ended the stream itself, with a status

Misuse by the caller (a message above the limit, a malformed header name) is a ValueError and changes nothing.
"""

from __future__ import annotations

_NAMES = (
    "OK",
    "CANCELLED",
    "UNKNOWN",
    "INVALID_ARGUMENT",
    "DEADLINE_EXCEEDED",
    "NOT_FOUND",
    "ALREADY_EXISTS",
    "PERMISSION_DENIED",
    "RESOURCE_EXHAUSTED",
    "FAILED_PRECONDITION",
    "ABORTED",
    "OUT_OF_RANGE",
    "UNIMPLEMENTED",
    "INTERNAL",
    "UNAVAILABLE",
    "DATA_LOSS",
    "UNAUTHENTICATED",
)


class LaneClosed(ConnectionError):
    """The connection is gone: refused, reset, at its end, or closed by us. Nothing more will arrive."""


class ProtocolError(LaneClosed):
    """The server sent what HTTP/2, gRPC or our limits forbid. The connection must be thrown away."""


class RpcError(Exception):
    """The server ended the stream with a gRPC status; `code` 0 is an orderly end.

    >>> from mobula._lane import RpcError
    >>> str(RpcError(16, "bad token"))
    'UNAUTHENTICATED (16): bad token'
    """

    def __init__(self, code: int, message: str) -> None:
        super().__init__(code, message)
        self.code = code
        self.message = message

    def __str__(self) -> str:
        name = _NAMES[self.code] if 0 <= self.code < len(_NAMES) else "status"
        return f"{name} ({self.code})" + (f": {self.message}" if self.message else "")
