"""A connected unix socket, or LaneClosed with the fact."""

from __future__ import annotations

import socket
import struct

from mobula._lane.errors import LaneClosed


def connect(path: str, timeout: float | None) -> socket.socket:
    """Connects within `timeout` seconds (None: waits). A path that begins with a zero byte is an abstract name.

    Python's own timeout makes the socket non-blocking, and a non-blocking connect to a unix socket whose backlog is
    full fails at once with EAGAIN. A blocking connect waits for room, as long as the send timeout says.
    """
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        if timeout is not None:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, _timeval(timeout))
        sock.connect(path)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, _NO_TIMEOUT)
    except BlockingIOError:
        sock.close()
        raise LaneClosed(f"{path}: nobody accepted the connection in time") from None
    except OSError as error:
        sock.close()
        raise LaneClosed(f"{path}: {error.strerror or error}") from error
    except BaseException:
        sock.close()
        raise
    return sock


_NO_TIMEOUT = struct.pack("ll", 0, 0)


def _timeval(seconds: float) -> bytes:
    return struct.pack("ll", *divmod(max(int(seconds * 1_000_000), 1), 1_000_000))
