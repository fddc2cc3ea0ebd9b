"""Where the cluster is that `init(address=…)` names, and the token that lets a driver in.

Owns Ray's rules for both: RAY_ADDRESS before what runs on this machine; RAY_AUTH_TOKEN before RAY_AUTH_TOKEN_PATH before the file
in the home folder. It speaks to nobody: whether the cluster is there, the core finds out.
"""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path
from typing import Any

#: Where `ray start` writes the address of the cluster that it has started or joined.
_CURRENT = "ray_current_cluster"
_HOST_AND_PORT = re.compile(r"(?:\[[0-9A-Fa-f:.]+\]|[^\s:/\[\]]+):[0-9]{1,5}")


def address_of(given: str, source: str, temp_dir: str | None = None) -> str:
    """The GCS's host:port. ValueError for what is no address, ConnectionError where "auto" finds no cluster."""
    if given == "auto":
        found = os.environ.get("RAY_ADDRESS") or ""
        if found in ("", "auto", "local"):
            found = _of_this_machine(temp_dir)
        given, source = found, "RAY_ADDRESS" if os.environ.get("RAY_ADDRESS") else source
    if given.startswith("ray://"):
        raise NotImplementedError(
            f"{source} is {given!r}: Ray Client, a proxy at the cluster's head, is not built into mobula. Run the program on "
            "one of the cluster's machines and give host:port or 'auto'"
        )
    if not _HOST_AND_PORT.fullmatch(given):
        raise ValueError(f"{source} is {given!r}, which is no address: give 'auto', 'local', or host:port of the cluster's GCS")
    return given


def _of_this_machine(temp_dir: str | None) -> str:
    written = Path(temp_dir or os.environ.get("RAY_TMPDIR") or "/tmp") / ("" if temp_dir else "ray") / _CURRENT
    running = _running()
    try:
        last = written.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError):
        last = ""
    if last and (last in running or not running):
        return last
    if len(running) == 1:
        return running.pop()
    if running:
        raise ConnectionError(
            f"several Ray clusters run on this machine ({', '.join(sorted(running))}): give the address of one of them"
        )
    raise ConnectionError("no Ray cluster runs on this machine: start one with `ray start --head`, or give its address")


def _running() -> set[str]:
    """Addresses of the GCS that raylets of this machine were started with."""
    found = set()
    for process in Path("/proc").glob("[0-9]*"):
        try:
            arguments = (process / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue  # it has ended, or is somebody else's
        if os.path.basename(arguments[0]) == b"raylet":
            found |= {one.split(b"=", 1)[1].decode() for one in arguments if one.startswith((b"--gcs-address=", b"--gcs_address="))}
    return found


def token() -> str:
    """The cluster's token; "" where authentication is off or there is none. ValueError where a named file cannot be read."""
    if os.environ.get("RAY_AUTH_MODE", "token").strip().lower() == "disabled":
        return ""
    if given := os.environ.get("RAY_AUTH_TOKEN", "").strip():
        return given
    named = os.environ.get("RAY_AUTH_TOKEN_PATH")
    path = Path(named) if named else Path.home() / ".ray" / "auth_token"
    try:
        return path.read_text(encoding="utf-8").strip()
    except OSError as error:
        if named:
            raise ValueError(f"RAY_AUTH_TOKEN_PATH={named}: the token cannot be read: {error.strerror}") from error
        return ""


def options() -> dict[str, Any]:
    """What the core tells the cluster of this driver."""
    main_file = getattr(sys.modules.get("__main__"), "__file__", None)
    cwd = os.getcwd()
    script_dir = os.path.dirname(os.path.abspath(main_file)) if main_file else cwd
    return {
        "token": token(),
        "sys_path": list(dict.fromkeys((script_dir, cwd))),
        "entrypoint": " ".join([os.path.basename(sys.executable or "python"), *sys.argv]),
    }
