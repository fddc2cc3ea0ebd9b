"""How a worker ends with the core: the "go" pipe before it runs, the parent-death signal after.

Refuses to poll: both learn of the core's end from the kernel.
"""

from __future__ import annotations

import ctypes
import os
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


def outlive_parent() -> None:
    """Take back the parent-death signal that the core set before it executed this process."""
    _prctl(PR_SET_PDEATHSIG, 0, 0, 0, 0)
