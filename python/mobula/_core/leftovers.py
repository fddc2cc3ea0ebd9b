"""The sweep after a core that was killed and could clean up nothing itself.

Run by the zygote, and by the driver where that is still there. It finds processes by the session's mark in their environment,
and refuses to guess at any other.
"""

from __future__ import annotations

import os
import signal
import time

#: How long a process may be on its way from one program into the next. Where it takes longer, what it becomes is left alone.
PATIENCE_S = 5.0


def kill_session(mark: str) -> int:
    """Kill every process of this user whose environment carries the session's mark, but not this one; count them.

    For the end of a core that could clean up nothing: its workers die by their parent-death signal, but what they had
    started does not. Such children inherit the mark, whatever session or group they have made for themselves.
    """
    killed: set[str] = set()
    wanted = f"MOBULA_SESSION={mark}".encode()
    own = str(os.getpid())
    deadline = time.monotonic() + PATIENCE_S
    while True:
        # Again until nobody new is found: what was being forked while the list was read is in the next one.
        looks = {pid: _has_variable(pid, wanted) for pid in os.listdir("/proc") if pid.isdigit() and pid != own}
        fresh = {pid for pid, has in looks.items() if has and pid not in killed and _kill(pid, wanted)}
        killed |= fresh
        if not fresh:
            if all(has is not None for has in looks.values()) or time.monotonic() > deadline:
                return len(killed)
            time.sleep(0.001)  # the kernel tells nobody when it has a new program's environment in place


def _has_variable(pid: str, wanted: bytes) -> bool | None:
    """None: not to be told yet, for the process is between two programs.

    The race: a worker starts a child, which has called execve and has no environment for as long as the kernel reads the new
    program in (tens of milliseconds where others use the processors, and subprocess.Popen has returned meanwhile). It looks
    like a process of somebody else then. It has no arguments either, which tells it from one with an empty environment, but an
    executable, which kernel threads and the dead have not. The arguments are read on both sides of the environment: the new
    program's may come, and the old one's go, between two readings.
    """
    try:
        before, environment, after = (_read(pid, name) for name in ("cmdline", "environ", "cmdline"))
        if environment or (before and after):
            return wanted in environment.split(b"\0")
        os.readlink(f"/proc/{pid}/exe")
    except OSError:
        return False  # gone, a zombie, or another user's
    return None


def _read(pid: str, name: str) -> bytes:
    with open(f"/proc/{pid}/{name}", "rb") as file:
        return file.read()


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
    import shutil  # here: a zygote that nothing happens to needs no compressors

    kill_session(mark)
    shutil.rmtree(session_dir, ignore_errors=True)
