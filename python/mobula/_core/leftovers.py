"""The sweep after a core that was killed and could clean up nothing itself.

Run by the zygote, and by the driver where that is still there. It finds processes by the session's mark in their environment,
and refuses to guess at any other.
"""

from __future__ import annotations

import os
import shutil
import signal


def kill_session(mark: str) -> int:
    """Kill every process of this user whose environment carries the session's mark, but not this one; count them.

    For the end of a core that could clean up nothing: its workers die by their parent-death signal, but what they had
    started does not. Such children inherit the mark, whatever session or group they have made for themselves.
    """
    killed: set[str] = set()
    wanted = f"MOBULA_SESSION={mark}".encode()
    own = str(os.getpid())
    while True:
        # Again until nobody new is found: what was being forked while the list was read is in the next one.
        found = {pid for pid in os.listdir("/proc") if pid.isdigit() and pid != own and _has_variable(pid, wanted)}
        fresh = {pid for pid in found - killed if _kill(pid, wanted)}
        if not fresh:
            return len(killed)
        killed |= fresh


def _has_variable(pid: str, wanted: bytes) -> bool:
    try:
        with open(f"/proc/{pid}/environ", "rb") as file:
            return wanted in file.read().split(b"\0")
    except OSError:
        return False  # gone, a zombie, or another user's


def _kill(pid: str, wanted: bytes) -> bool:
    try:
        fd = os.pidfd_open(int(pid))
    except OSError:
        return False
    try:
        # Looked at again under the descriptor: between the first look and now the number may have changed hands.
        if not _has_variable(pid, wanted):
            return False
        signal.pidfd_send_signal(fd, signal.SIGKILL)
        return True
    except OSError:
        return False
    finally:
        os.close(fd)


def clean_up_after_core(session_dir: str) -> None:
    """What the core would have done at its end: no process of the session, no folder."""
    mark = os.path.basename(session_dir)
    if not mark.startswith("mobula-"):
        return
    kill_session(mark)
    shutil.rmtree(session_dir, ignore_errors=True)
