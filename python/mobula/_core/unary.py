"""Unary calls of the Boundary service, for questions that are no part of any lane's order.

Owns nothing between calls: each opens a stream, sends one message, reads one, and closes.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

from mobula._core.mutations import LOST
from mobula._core.session import Session
from mobula._core.transport import RpcError, StreamOpener
from mobula.exceptions import RaySystemError

TIMEOUT_S = 30.0


def call_unary(session: Session, method: str, message: bytes) -> bytes:
    """The encoded reply of Boundary/<method>. Raises RaySystemError when the core is gone or refuses."""
    session.check()
    try:
        return ask(session.opener, session.socket_path, method, message, session.metadata)
    except LOST as error:
        session.lost(error)
        raise RaySystemError(f"{method}: the connection to mobula-core failed: {error}") from error


def ask(opener: StreamOpener, socket_path: str, method: str, message: bytes, metadata: Sequence[tuple[str, str]] = ()) -> bytes:
    """The same of any core that listens on a socket. Raises RaySystemError when it refuses, and LOST when it is gone."""
    try:
        stream = opener(socket_path, f"/mobula.boundary.v1.Boundary/{method}", metadata, timeout=TIMEOUT_S)
        try:
            stream.send(message)
            stream.half_close()
            deadline = time.monotonic() + TIMEOUT_S
            while time.monotonic() < deadline:
                stream.wait_readable(deadline - time.monotonic())
                messages = stream.receive()
                if messages:
                    return messages[0]
        finally:
            stream.close()
    except RpcError as error:
        raise RaySystemError(f"mobula-core refused {method}: {error.message or error.code}") from error
    raise RaySystemError(f"mobula-core did not answer {method} within {TIMEOUT_S:.0f} s")
