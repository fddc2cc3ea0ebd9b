"""Faults on the side of Python, in the driver or in workers: connections and maps of shared memory, replaced from outside, for the
package itself has nothing of that.

The nth system call that is passed here fails. `cut` writes or reads half of it first: what a connection that breaks leaves. Each
worker counts for itself, and of all of them the first that gets to its nth has the fault.
"""

from __future__ import annotations

import errno
import json
import os
import socket
import threading
from collections.abc import Callable, Iterable
from itertools import chain
from typing import Any

from mobula._core import arena, launch
from mobula._lane import LaneClosed, stream

#: For workers: the action, the number, and a file that the first to have the fault makes, and tells of it in.
WORKERS = "MOBULA_TEST_WORKER_FAULT"


class Points:
    """Counts the calls; the nth that knows the action is the fault."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._left = 0
        self._action = ""
        self._side = "shim"
        self._told = ""
        self.happened = ""

    def ask(self, action: str, nth: int) -> None:
        """Starts over."""
        with self._lock:
            self._left, self._action, self.happened = nth, action, ""

    def ask_as_worker(self) -> None:
        """What the driver's environment asks workers for."""
        action, nth, told = json.loads(os.environ.get(WORKERS) or '["", 0, ""]')
        with self._lock:
            self._left, self._action, self._side, self._told = nth, action, "worker", told

    def hit(self, point: str, known: tuple[str, ...] = ("fail", "cut")) -> str:
        """What is to be done at a point, this time; "" for nothing."""
        with self._lock:
            if self._left == 0 or self._action not in known:
                return ""
            self._left -= 1
            if self._left:
                return ""
            happened = f"{self._side}.{point}:{self._action}"
            if self._told and not _first(self._told, happened):
                return ""
            self.happened = happened
            return self._action


def _first(path: str, text: str) -> bool:
    try:
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return False
    os.write(fd, text.encode())
    os.close(fd)
    return True


POINTS = Points()


class Socket:
    """A socket that breaks when it is told to, and is broken from then on."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock

    def __getattr__(self, name: str) -> Any:
        return getattr(self._sock, name)

    def send(self, data: Any, flags: int = 0) -> int:
        """Like socket.send."""
        return self._written(POINTS.hit("send"), (data,), lambda: self._sock.send(data, flags))

    def sendmsg(self, buffers: Iterable[Any], ancillary: Any = (), flags: int = 0) -> int:
        """Like socket.sendmsg."""
        parts = list(buffers)
        return self._written(POINTS.hit("send"), parts, lambda: self._sock.sendmsg(parts, ancillary, flags))

    def recv(self, size: int) -> bytes:
        """Like socket.recv. What comes first counts: a call that would only wait is no point."""
        data = self._sock.recv(size)
        action = POINTS.hit("recv") if data else ""
        if action == "cut" and len(data) > 1:
            self._break()
            return data[: len(data) // 2]
        if action:
            self._break()
            raise ConnectionResetError(errno.ECONNRESET, os.strerror(errno.ECONNRESET))
        return data

    def _written(self, action: str, parts: Iterable[Any], write: Callable[[], int]) -> int:
        if not action:
            return write()
        if action == "cut":
            data = bytes(chain.from_iterable(parts))
            self._sock.send(data[: len(data) // 2])
        self._break()
        raise BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE))

    def _break(self) -> None:
        self._sock.shutdown(socket.SHUT_RDWR)


def install() -> None:
    """Puts this between the driver and its system calls, and between its workers and theirs."""
    options = launch.worker_options

    def with_entry(config: launch.LaunchConfig) -> dict[str, Any]:
        return {**options(config), "entry": f"{__name__}:run_worker"}

    launch.worker_options = with_entry
    _install()


def run_worker(config: Any) -> None:
    """What workers begin with instead."""
    from mobula._worker import main

    _install()
    POINTS.ask_as_worker()
    main.run_worker(config)


def _install() -> None:
    connect, fresh_map, writable = stream.connect, arena._map_read_only, arena.Arena.writable

    def faulty_connect(path: str, timeout: float | None) -> Any:
        if POINTS.hit("connect", ("fail",)):
            raise LaneClosed(f"{path}: {os.strerror(errno.ECONNREFUSED)}")
        return Socket(connect(path, timeout))

    def faulty_map(*args: Any) -> Any:
        if POINTS.hit("map", ("fail",)):
            raise OSError(errno.ENOMEM, os.strerror(errno.ENOMEM))
        return fresh_map(*args)

    def faulty_writable(self: arena.Arena, offset: int, size: int) -> memoryview:
        if POINTS.hit("map to write", ("fail",)):
            raise OSError(errno.ENOMEM, os.strerror(errno.ENOMEM))
        return writable(self, offset, size)

    stream.connect = faulty_connect  # type: ignore[assignment]
    arena._map_read_only = faulty_map
    arena.Arena.writable = faulty_writable  # type: ignore[method-assign]
