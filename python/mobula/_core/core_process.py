"""The handle of a running core: what the driver needs to reach it, end it, and say how it ended.

Owns the core's process, the lifeline and the driver's descriptors of the shared memory. The process is named by a pidfd
throughout; a child that the user forks gives all of it up.
"""

from __future__ import annotations

import os
import select
import signal
import subprocess
import threading
import time

from mobula._core import forks, leftovers, session_dir
from mobula._core.start_error import last_words

_LOG_TAIL = 16 << 10


class Core:
    """A started core. Made by `launch.start`; `stop` must follow, in this process."""

    def __init__(
        self,
        *,
        process: subprocess.Popen[bytes],
        pidfd: int,
        directory: str,
        socket_path: str,
        token: bytes,
        arena_fd: int,
        arena_bytes: int,
        page_fd: int,
        spill_fd: int,
        lifeline_fd: int,
        log_fd: int,
        job_id: bytes = b"\x01\x00\x00\x00",
        address: bytes = b"",
    ) -> None:
        #: The job that the session is.
        self.job_id = job_id
        #: In a cluster: this driver's address, as references to its objects carry it.
        self.address = address
        #: Path of the socket, mode 0600, in `session_dir`.
        self.socket_path = socket_path
        #: 32 bytes; calls carry the hex form.
        self.token = token
        #: The object arena's memfd and its size in bytes; open until `stop`.
        self.arena_fd = arena_fd
        self.arena_bytes = arena_bytes
        #: The cancel page's memfd; open until `stop`. -1 in a cluster.
        self.page_fd = page_fd
        #: The file that objects are spilled to; open until `stop`.
        self.spill_fd = spill_fd
        self.pid = process.pid
        #: Readable once the core has ended; open until `stop`.
        self.pidfd = pidfd
        self.session_dir = directory
        self._process = process
        self._lifeline_fd = lifeline_fd
        self._log_fd = log_fd
        self._lock = threading.Lock()
        self._ended: str | None = None
        self._stopped = False
        forks.on_child(self._abandon)

    def is_alive(self) -> bool:
        """Whether the core runs."""
        return not self._stopped and not _ends_within(self.pidfd, 0)

    def log_tail(self) -> str:
        """The end of what the core wrote on stderr."""
        if self._log_fd < 0:
            return ""
        return read_log(self._log_fd)

    def describe_end(self) -> str:
        """One sentence on how the core ended, with its last words; "" while it runs or after an ordinary end."""
        with self._lock:
            if self._ended is None and not self._stopped and _ends_within(self.pidfd, 0):
                self._ended = self._describe(asked=False)
            return self._ended or ""

    def stop(self, timeout_s: float = 20.0) -> None:
        """End the core and everything below it, and wait until that is done; the folder and the descriptors go too.

        In order first: the lifeline and SIGTERM. A core that takes longer than `timeout_s` seconds is killed, and its
        processes are found by the session's mark. Idempotent, and nothing in a forked child.
        """
        with self._lock:
            if self._stopped:
                return
            self._stopped = True
            forks.forget(self._abandon)
            died_before = _ends_within(self.pidfd, 0)
            _close(self._lifeline_fd)
            if not died_before:
                _signal(self.pidfd, signal.SIGTERM)
            in_order = _ends_within(self.pidfd, timeout_s)
            if not in_order:
                _signal(self.pidfd, signal.SIGKILL)
                _ends_within(self.pidfd, None)
            if self._ended is None:
                self._ended = self._describe(asked=not died_before)
            if died_before or not in_order or self._process.returncode != 0:
                # It could not clean up, and the zygote, which would, may be gone as well.
                leftovers.clean_up_after_core(self.session_dir)
            session_dir.remove(self.session_dir)
            self._close_descriptors()

    def disown(self) -> None:
        """There is nothing to stop any more: whoever started it has undone that."""
        self._stopped = True
        forks.forget(self._abandon)

    def _describe(self, *, asked: bool) -> str:
        try:
            code = self._process.wait()
        except ChildProcessError:
            code = 0  # somebody waits for all children of this process; how it ended is lost
        if asked and code == 0:
            return ""
        return f"{ended_how(self.pid, code)}{last_words(self.log_tail())}"

    def _close_descriptors(self) -> None:
        _close(self.arena_fd)
        _close(self.page_fd)
        _close(self.spill_fd)
        _close(self.pidfd)
        _close(self._log_fd)
        self._log_fd = -1

    def _abandon(self) -> None:
        """In a forked child: let go. The lifeline above all, or the core would not see the driver's end through it."""
        self._stopped = True
        _close(self._lifeline_fd)
        self._close_descriptors()
        self._process.returncode = 0  # or its finalizer would complain about a child that is none of ours


def ended_how(pid: int, code: int) -> str:
    """The fact, as a sentence's beginning."""
    if code < 0:
        try:
            name = signal.Signals(-code).name
        except ValueError:
            name = f"signal {-code}"
        return f"mobula-core (process {pid}) was killed by {name}"
    return f"mobula-core (process {pid}) exited with code {code}"


def read_log(fd: int) -> str:
    """The end of a log that lies in a memfd."""
    size = os.fstat(fd).st_size
    return os.pread(fd, _LOG_TAIL, max(0, size - _LOG_TAIL)).decode(errors="replace")


def _ends_within(pidfd: int, timeout_s: float | None) -> bool:
    """Whether the process ends in time (None: however long). Taken up again after a signal handler has raised nothing."""
    poll = select.poll()
    poll.register(pidfd, select.POLLIN)
    deadline = None if timeout_s is None else time.monotonic() + timeout_s
    while True:
        left = None if deadline is None else max(0.0, deadline - time.monotonic()) * 1000
        if poll.poll(left):
            return True
        if deadline is not None and time.monotonic() >= deadline:
            return False


def _signal(pidfd: int, number: signal.Signals) -> None:
    try:
        signal.pidfd_send_signal(pidfd, number)
    except ProcessLookupError:
        pass  # it has ended already, which is what was wanted


def _close(fd: int) -> None:
    try:
        os.close(fd)
    except OSError:
        pass  # closed by a child that closes all descriptors, say: there is nothing to give back
