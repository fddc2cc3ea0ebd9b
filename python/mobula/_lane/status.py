"""How a stream ended, in gRPC's terms: trailers, HTTP status, reset code → RpcError."""

from __future__ import annotations

import re

from mobula._lane.errors import RpcError
from mobula._lane.frames import error_name

Fields = list[tuple[bytes, bytes]]

OK = 0
CANCELLED = 1
UNKNOWN = 2
PERMISSION_DENIED = 7
RESOURCE_EXHAUSTED = 8
UNIMPLEMENTED = 12
INTERNAL = 13
UNAVAILABLE = 14
UNAUTHENTICATED = 16

# grpc/grpc: doc/http-grpc-status-mapping.md
_OF_HTTP = {
    b"400": INTERNAL,
    b"401": UNAUTHENTICATED,
    b"403": PERMISSION_DENIED,
    b"404": UNIMPLEMENTED,
    b"429": UNAVAILABLE,
    b"502": UNAVAILABLE,
    b"503": UNAVAILABLE,
    b"504": UNAVAILABLE,
}
# grpc/grpc: doc/PROTOCOL-HTTP2.md, "Errors": by HTTP/2 error code; all others are INTERNAL.
_OF_RESET = {
    0x5: UNKNOWN,
    0x7: UNAVAILABLE,
    0x8: CANCELLED,
    0xB: RESOURCE_EXHAUSTED,
    0xC: PERMISSION_DENIED,
    0xD: UNKNOWN,
}


def from_trailers(fields: Fields, *, inside_message: bool) -> RpcError:
    """The status the trailers name. An OK that leaves a message unfinished is INTERNAL: the caller must not miss it."""
    named = dict(fields)
    if b"grpc-status" not in named:
        return RpcError(UNKNOWN, "the server ended the stream without grpc-status")
    text = named[b"grpc-status"]
    message = percent_decode(named.get(b"grpc-message", b""))
    if not text.isdigit() or len(text) > 9:
        return RpcError(UNKNOWN, f"the server ended the stream with grpc-status {text!r}: {message}")
    code = int(text)
    if code == OK and inside_message:
        return RpcError(INTERNAL, "the server ended the stream in the middle of a message")
    return RpcError(code, message)


def from_only_headers(fields: Fields) -> RpcError:
    """The status of a response that is headers and nothing else (gRPC's Trailers-Only)."""
    if b"grpc-status" in dict(fields):
        return from_trailers(fields, inside_message=False)
    return from_response(fields) or from_trailers(fields, inside_message=False)


def from_response(fields: Fields) -> RpcError | None:
    """What is wrong with response headers that are not trailers: None for a proper gRPC response."""
    named = dict(fields)
    status = named.get(b":status", b"")
    kind = named.get(b"content-type", b"")
    if status != b"200":
        return RpcError(_OF_HTTP.get(status, UNKNOWN), f"the server answered with HTTP status {_text(status)}")
    if not kind.startswith(b"application/grpc"):
        return RpcError(UNKNOWN, f"the server answered with content type {_text(kind)}")
    return None


def is_informational(fields: Fields) -> bool:
    """Whether this is a 1xx response, after which the real one follows."""
    return any(name == b":status" and len(value) == 3 and value[:1] == b"1" for name, value in fields)


def from_reset(code: int) -> RpcError:
    return RpcError(_OF_RESET.get(code, INTERNAL), f"the server reset the stream ({error_name(code)})")


def without_trailers(*, inside_message: bool) -> RpcError:
    where = " in the middle of a message" if inside_message else ""
    return RpcError(UNKNOWN, f"the server ended the stream without trailers{where}")


_ESCAPE = re.compile(rb"%([0-9A-Fa-f]{2})")


def percent_decode(text: bytes) -> str:
    """grpc-message. Escapes that are none stay as they are; bytes that are not UTF-8 become U+FFFD.

    >>> from mobula._lane.status import percent_decode
    >>> percent_decode(b"100%25 gr%C3%BCn %zz")
    '100% grün %zz'
    """
    # Without urllib, which `import mobula` does without too: imported as the lane ends, and so as the interpreter exits, it would
    # run the code of namedtuples, and CPython then forgets that it exits for a KeyboardInterrupt (exit code 1 and not -2).
    return _ESCAPE.sub(lambda escape: bytes.fromhex(escape[1].decode()), text).decode("utf-8", "replace")


def _text(value: bytes) -> str:
    return repr(value.decode("latin-1")) if value else "(none)"
