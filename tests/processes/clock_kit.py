"""Sets the clock on the wall back for one process, for good, while it runs: what an administrator or NTP does to all of them.

A process asks for the time in the page of code that the kernel maps into it, the vDSO; nothing that is preloaded gets in between
in a static program. Here its functions are led to code that asks the kernel and takes so many seconds from the answer, for the
clock on the wall alone. What the process forks has it as well; what it executes has not. x86-64 only.
"""

from __future__ import annotations

import contextlib
import os
import platform
import signal
import struct
from collections.abc import Iterator
from pathlib import Path

from process_kit import until

_JUMP = 5  # bytes
_FORM = struct.Struct("<i")
_SYMBOL = struct.Struct("<IBBHQQ")
_SECTION = struct.Struct("<IIQQQQIIQQ")
_DYNAMIC_SYMBOLS = 11


def possible() -> bool:
    """Whether this machine lets a process be told another time."""
    return platform.machine() == "x86_64" and os.path.exists("/proc/self/mem") and "[vdso]" in Path("/proc/self/maps").read_text()


def set_back(pid: int, seconds: int) -> None:
    """Sets the clock of a process back, which is stopped meanwhile. Raises OSError where memory may not be written."""
    start, image = _image(pid)
    stubs = b""
    jumps = []
    free = len(image) - 256
    for name, code in _codes(seconds).items():
        entry = _functions(image)[name]
        jumps.append((entry, b"\xe9" + _FORM.pack(free + len(stubs) - entry - _JUMP)))
        stubs += code
    if image[free:].startswith(stubs):
        return  # forked by one whose clock was set back
    assert not any(image[free:]), "there is something in the last bytes of the vDSO"
    os.kill(pid, signal.SIGSTOP)
    try:
        until("it stands still", lambda: _stands(pid))
        between = [place for place in _places(pid) for entry, _ in jumps if 0 < place - start - entry < _JUMP]
        assert not between, "a thread stands where the jump would be"
        with open(f"/proc/{pid}/mem", "r+b", buffering=0) as memory:
            for place, code in [(free, stubs), *jumps]:
                memory.seek(start + place)
                memory.write(code)
    finally:
        os.kill(pid, signal.SIGCONT)


def _codes(seconds: int) -> dict[str, bytes]:
    """Of each function that tells the time on the wall: a system call, and so many seconds less."""
    less = _FORM.pack(seconds)
    return {
        # edi is 0 or 5, CLOCK_REALTIME and its coarse kind: sub [rsi], less
        "__vdso_clock_gettime": b"\xb8\xe4\0\0\0\x0f\x05\x83\xff\x00\x74\x05\x83\xff\x05\x75\x07\x48\x81\x2e" + less + b"\xc3",
        # unless rdi is 0: sub [rdi], less
        "__vdso_gettimeofday": b"\xb8\x60\0\0\0\x0f\x05\x48\x85\xff\x74\x07\x48\x81\x2f" + less + b"\xc3",
        # sub rax, less; unless rdi is 0: mov [rdi], rax
        "__vdso_time": b"\xb8\xc9\0\0\0\x0f\x05\x48\x2d" + less + b"\x48\x85\xff\x74\x03\x48\x89\x07\xc3",
    }


def _image(pid: int) -> tuple[int, bytes]:
    with open(f"/proc/{pid}/maps") as maps:
        line = next(line for line in maps if line.rstrip().endswith("[vdso]"))
    start, end = (int(text, 16) for text in line.split()[0].split("-"))
    with open(f"/proc/{pid}/mem", "rb", buffering=0) as memory:
        memory.seek(start)
        return start, memory.read(end - start)


def _functions(image: bytes) -> dict[str, int]:
    """Where each function begins."""
    (table,) = struct.unpack_from("<Q", image, 40)
    size, count = struct.unpack_from("<HH", image, 58)
    sections = [_SECTION.unpack_from(image, table + size * n) for n in range(count)]
    symbols = next(section for section in sections if section[1] == _DYNAMIC_SYMBOLS)
    names = sections[symbols[6]][4]
    found = {}
    for at in range(symbols[4], symbols[4] + symbols[5], _SYMBOL.size):
        name, _, _, _, value, _ = _SYMBOL.unpack_from(image, at)
        found[image[names + name : image.index(b"\0", names + name)].decode()] = value
    return found


def _threads(pid: int, what: str) -> Iterator[str]:
    for thread in os.listdir(f"/proc/{pid}/task"):
        with contextlib.suppress(OSError):  # it ended
            yield Path(f"/proc/{pid}/task/{thread}/{what}").read_text()


def _stands(pid: int) -> bool:
    return all(text.rpartition(")")[2].split()[0] in "TZ" for text in _threads(pid, "stat"))


def _places(pid: int) -> list[int]:
    """Where each thread stands in its code."""
    return [int(text.split()[-1], 16) for text in _threads(pid, "syscall") if not text.startswith("running")]
