"""Where mobula-core is, and why it cannot be run when it cannot.

Refuses to download or build anything: a package that was installed has its own core inside.
"""

from __future__ import annotations

import os
import struct
import sys

from mobula._core.start_error import CoreStartError

VARIABLE = "MOBULA_CORE"
PACKAGED = os.path.join(os.path.dirname(os.path.dirname(os.path.realpath(__file__))), "bin", "mobula-core")

_MACHINES = {62: "x86-64", 183: "arm64", 40: "32-bit ARM", 3: "32-bit x86", 243: "RISC-V"}  # e_machine of the ELF header
_OURS = {"x86_64": "x86-64", "amd64": "x86-64", "aarch64": "arm64", "arm64": "arm64"}


def find() -> str:
    """The path of the core: MOBULA_CORE if set, else the one inside the package.

    Raises CoreStartError when there is none, when it may not be executed, or when it is for another kind of machine.
    """
    if not sys.platform.startswith("linux"):
        raise CoreStartError(f"mobula runs on Linux on x86-64 and arm64 only; this is {os.uname().sysname}")
    chosen = os.environ.get(VARIABLE)
    path = chosen or str(PACKAGED)
    looked = f"{path} (from {VARIABLE})" if chosen else f"{path} (in the package; {VARIABLE} is not set)"
    if not os.path.isfile(path):
        raise CoreStartError(
            f"mobula-core was not found: looked for {looked}. Install a wheel of mobula, or run `make build` in a checkout"
        )
    if not os.access(path, os.X_OK):
        mode = os.stat(path).st_mode & 0o7777
        raise CoreStartError(
            f"mobula-core may not be executed: {path} has mode {mode:04o} and belongs to uid {os.stat(path).st_uid}, "
            f"this process to uid {os.getuid()}; `chmod +x` it, or look whether its file system is mounted noexec"
        )
    check_machine(path)
    return path


def check_machine(path: str) -> None:
    """Refuse a file that is no Linux program for this machine, before the kernel does it with less to say."""
    try:
        with open(path, "rb") as file:
            header = file.read(20)
    except OSError as error:
        raise CoreStartError(f"mobula-core cannot be read: {error}") from error
    if header.startswith(b"#!"):
        return  # a wrapper script, which MOBULA_CORE may name
    if len(header) < 20 or not header.startswith(b"\x7fELF"):
        raise CoreStartError(f"mobula-core is not a Linux program: {path} starts with {header[:4]!r}")
    order = "<" if header[5] == 1 else ">"
    machine = struct.unpack_from(order + "H", header, 18)[0]
    theirs = _MACHINES.get(machine, f"machine type {machine}")
    here = os.uname().machine
    ours = _OURS.get(here.lower(), here)
    if theirs != ours:
        raise CoreStartError(f"mobula-core is built for {theirs}, this machine is {ours}: {path}")
