"""Which gRPC client carries the lanes.

Owns the choice: the one-stream client of mobula._lane, or stock grpcio when MOBULA_TRANSPORT=grpcio, which proves in the
integration tests that the service is plain gRPC. Everything else in this package sees a `Stream` and its three errors.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Protocol

from mobula._lane import GrpcStream, LaneClosed, ProtocolError, RpcError

__all__ = ["LANE_METHOD", "LaneClosed", "ProtocolError", "RpcError", "Stream", "StreamOpener", "opener", "uses_page"]

LANE_METHOD = "/mobula.boundary.v1.Boundary/Lane"


class Stream(Protocol):
    """One bidirectional gRPC stream, used by one thread at a time."""

    def fileno(self) -> int: ...
    def send(self, message: bytes) -> None: ...
    def send_many(self, messages: Sequence[bytes]) -> None: ...
    def wait_readable(self, timeout: float | None) -> bool: ...
    def receive(self) -> list[bytes]: ...
    def half_close(self) -> None: ...
    def close(self) -> None: ...
    def detach_after_fork(self) -> None: ...


class StreamOpener(Protocol):
    """Connects to a unix socket and opens one stream; `timeout` is in seconds."""

    def __call__(
        self, path: str, method: str, metadata: Sequence[tuple[str, str]] = (), *, timeout: float | None = 30
    ) -> Stream: ...


def uses_page() -> bool:
    """Whether the shared cancel page may be read; stock grpcio stands for a shim that has none."""
    return os.environ.get("MOBULA_TRANSPORT", "") != "grpcio"


def writes_through() -> bool:
    """Whether what was sent is on the wire when send() returns."""
    return os.environ.get("MOBULA_TRANSPORT", "") != "grpcio"


def opener() -> StreamOpener:
    """The stream opener that MOBULA_TRANSPORT asks for.

    Raises ValueError for a transport that does not exist.
    """
    name = os.environ.get("MOBULA_TRANSPORT", "")
    if name in ("", "lane"):
        return GrpcStream.open
    if name == "grpcio":
        # Loaded on demand: a forked worker must not inherit the threads of gRPC's C core.
        from mobula._core.grpcio_stream import GrpcioStream

        return GrpcioStream.open
    raise ValueError(f"MOBULA_TRANSPORT={name!r}: no such transport; leave it out, or set it to 'lane' or 'grpcio'")
