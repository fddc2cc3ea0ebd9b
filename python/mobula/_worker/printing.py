"""What this worker prints says itself whose it is.

The core reads the pipe a while after a line was written, and by then the worker may run another task: a name looked up there
would be the wrong one half of the time when short tasks of two kinds alternate. So each write of Python's stdout and stderr
goes between two marks that the core takes out again (coreworker/workers/lines.go). Ray prints a mark line into its log files
at every task; here a task that prints nothing costs nothing.

Owns the two streams and the name. Refuses to mark what does not go to the core: when user code has put a file in the place
of descriptor 1 or 2, that file gets what was printed and nothing else. What C code and child processes write has no mark;
the core then takes the name of what runs.
"""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Callable
from typing import Any, Final

_BEGIN: Final = b"\x1emobula:"
_END: Final = b"\x1f"
_NOBODY: Final = _BEGIN + _END
_NAME_LIMIT: Final = 200  # characters; the core takes marks of 512 bytes

_name: str = ""
_asked: Callable[[], object] | None = None
_streams: list[io.TextIOWrapper] = []


def becomes(name: str) -> None:
    """From now on what is printed is this task's or actor's."""
    global _name
    _name = name


def asks(check: Callable[[], object]) -> None:
    """`check` is called before each write. What it raises goes to who prints; the text stays in the stream's buffer."""
    global _asked
    _asked = check


def becomes_actor(class_name: str, instance: Any = None) -> None:
    """The same for an actor: its class, or what its own `__repr__` says once there is an instance. Ray does the same."""
    name = class_name
    if instance is not None and vars(object)["__repr__"] != getattr(type(instance), "__repr__", None):
        try:
            name = repr(instance)
        except Exception:  # noqa: BLE001 - user code; the class is a name as well
            name = class_name
    becomes(name)


class _Marked(io.FileIO):
    """Descriptor 1 or 2 with a mark around each write."""

    def __init__(self, fd: int) -> None:
        super().__init__(fd, "wb", closefd=False)
        self._mine = _identity(fd)

    def write(self, data: Any, /) -> int:
        if _asked is not None:
            _asked()
        name = _name
        if not name or _identity(self.fileno()) != self._mine:
            return super().write(data)
        begin = _BEGIN + name[:_NAME_LIMIT].encode("utf-8", "replace").translate(None, b"\n\r\x1e\x1f") + _END
        text = bytes(data)
        # A line that is not finished yet stays this name's.
        whole = begin + text + (_NOBODY if text.endswith(b"\n") else b"")
        written = super().write(whole)
        # Less than all when a signal came: the caller writes the rest, and a mark that was cut is no harm, because the
        # next one begins with the byte that no mark has inside.
        return max(0, min(written - len(begin), len(text)))


def mark_output() -> None:
    """Give this process a stdout and stderr that mark what they write, each line at once. Once, before user code."""
    for name, fd in (("stdout", 1), ("stderr", 2)):
        old = getattr(sys, name)
        if not isinstance(old, io.TextIOWrapper):
            continue  # closed by whoever started us: nobody reads it
        old.flush()
        new = io.TextIOWrapper(
            io.BufferedWriter(_Marked(fd)), encoding=old.encoding, errors="backslashreplace", line_buffering=True
        )
        new.mode = "w"  # type: ignore[misc] # what the interpreter's own streams have
        setattr(sys, name, new)
        setattr(sys, f"__{name}__", new)
        _streams.append(new)


def task_ends() -> None:
    """Hand on what the task printed without ending its line: it is the task's, not the next one's."""
    for stream in _streams:
        try:
            stream.flush()
        except (OSError, ValueError):  # noqa: PERF203
            pass  # user code has closed it; there is no one left to tell


def tell(text: str) -> None:
    """Print to stderr what the user should see, when there is one."""
    try:
        print(text, file=sys.stderr)
    except (OSError, ValueError):
        pass  # user code has closed it


def _identity(fd: int) -> tuple[int, int]:
    found = os.fstat(fd)
    return found.st_dev, found.st_ino
