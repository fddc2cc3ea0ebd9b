"""How a process ends with the core: the parent-death signal, the "go" pipe, and the sweep after a killed core.

Refuses to poll: each of these learns of the core's end from the kernel.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import signal

PR_SET_PDEATHSIG = 1
PR_SET_NAME = 15

_libc = ctypes.CDLL(None, use_errno=True)
_prctl = _libc.prctl
_prctl.argtypes = [ctypes.c_int, ctypes.c_ulong, ctypes.c_ulong, ctypes.c_ulong, ctypes.c_ulong]


def set_name(name: str) -> None:
    """Name the process for ps and top: at most 15 bytes. A failure changes nothing that matters."""
    buffer = ctypes.create_string_buffer(name.encode()[:15])
    _prctl(PR_SET_NAME, ctypes.addressof(buffer), 0, 0, 0)


def wait_for_go(go_fd: int) -> bool:
    """Block until the core lets this worker run; False when the core, or the zygote before it reported, is gone.

    The core writes only after the zygote has seen the process between them end, so the parent is the core from here on.
    """
    try:
        return os.read(go_fd, 1) == b"g"
    finally:
        os.close(go_fd)


def die_with(core_pid: int) -> bool:
    """Have the kernel kill this process when its parent, the core, ends. False when that has happened already.

    The parent is compared afterwards: had it ended before the call, nobody would ever send the signal.
    """
    if _prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0) != 0:
        errno = ctypes.get_errno()
        raise OSError(errno, f"prctl(PR_SET_PDEATHSIG): {os.strerror(errno)}")
    return os.getppid() == core_pid


def kill_session(mark: str) -> int:
    """Kill every process of this user whose environment carries the session's mark, but not this one; count them.

    For the end of a core that could clean up nothing: its workers die by their parent-death signal, but what they had
    started does not. Such children inherit the mark, whatever session or group they have made for themselves.
    """
    killed = 0
    wanted = f"MOBULA_SESSION={mark}".encode()
    own = os.getpid()
    again = True
    while again:  # what was being forked while the list was read is in the next one
        again = False
        for name in os.listdir("/proc"):
            if not name.isdigit() or int(name) == own:
                continue
            if _has_variable(name, wanted) and _kill(name, wanted):
                killed += 1
                again = True
    return killed


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
