"""The private folder of a session: made here, removed by whoever of driver, core and zygote is last.

Owns the name `mobula-<uid>-<pid>-<random>` and the sweep of folders whose driver is gone, which only a simultaneous kill of
all three leaves behind. Refuses to touch what it cannot prove to be dead: another user's, another pid namespace's.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import re
import shutil
import stat
import tempfile

from mobula._core.start_error import CoreStartError

_NAME = re.compile(r"mobula-(\d+)-(\d+)-[0-9a-f]{12}")
_OWNER = "owner"
_SOCKET = "core.sock"
_LONGEST_SOCKET_PATH = 107  # bytes; Linux's sockaddr_un
_NO_SPACE = {errno.ENOSPC, errno.EDQUOT}


def create(temp_dir: str | None = None, undo: contextlib.ExitStack | None = None) -> str:
    """Make the folder of a new session and sweep those of dead ones beside it; returns its path. `undo` removes it.

    Raises CoreStartError when no place takes it: not writable, no space, or too deep for a socket.
    """
    refusals = []
    for base in [temp_dir] if temp_dir else _bases():
        path = os.path.join(os.path.abspath(base), f"mobula-{os.getuid()}-{os.getpid()}-{os.urandom(6).hex()}")
        if len(os.fsencode(os.path.join(path, _SOCKET))) > _LONGEST_SOCKET_PATH:
            refusals.append(f"{base} (its path is too long for a socket: Linux takes {_LONGEST_SOCKET_PATH} bytes)")
            continue
        if undo is not None:
            undo.callback(remove, path)  # before it is there: a Ctrl-C may come between the making and the next line
        try:
            if temp_dir:
                os.makedirs(temp_dir, exist_ok=True)
            sweep(base)
            os.mkdir(path, 0o700)
        except OSError as error:
            refusals.append(f"{base} ({_why(error)})")
            continue
        try:
            os.chmod(path, 0o700)  # a default ACL or a set-gid parent may have widened it
            _write_owner(path)
        except OSError as error:
            remove(path)
            refusals.append(f"{base} ({_why(error)})")
            continue
        return path
    raise CoreStartError("no folder for the session could be made; tried " + ", ".join(refusals))


def remove(path: str) -> None:
    """Remove a session's folder; what is gone already is fine."""
    shutil.rmtree(path, ignore_errors=True)
    if os.path.isdir(path):
        # A task may have made folders read-only in its working_dir, which lies here.
        for where, folders, _ in os.walk(path):
            for name in folders:
                with contextlib.suppress(FileNotFoundError):  # another process removes it too
                    if not os.path.islink(os.path.join(where, name)):
                        os.chmod(os.path.join(where, name), 0o700)
        shutil.rmtree(path, ignore_errors=True)


def sweep(base: str) -> None:
    """Remove the folders in `base` whose driver is dead. What cannot be judged or removed is left."""
    try:
        entries = list(os.scandir(base))
    except OSError:
        return
    for entry in entries:
        match = _NAME.fullmatch(entry.name)
        if match and int(match[1]) == os.getuid() and _is_dead(entry, int(match[2])):
            remove(entry.path)


def living(temp_dir: str | None = None) -> list[tuple[str, int]]:
    """Folder and driver's pid of each session of this user whose driver lives, in the order of their pids."""
    found: dict[str, int] = {}
    for base in [temp_dir] if temp_dir else _bases():
        try:
            entries = list(os.scandir(base))
        except OSError:
            continue
        for entry in entries:
            match = _NAME.fullmatch(entry.name)
            if not match or int(match[1]) != os.getuid():
                continue
            if os.path.exists(socket_of(entry.path)) and not _is_dead(entry, int(match[2])):
                found[os.path.realpath(entry.path)] = int(match[2])
    return sorted(found.items(), key=lambda one: (one[1], one[0]))


def socket_of(folder: str) -> str:
    """The path of a session's socket."""
    return os.path.join(folder, _SOCKET)


def _bases() -> list[str]:
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    bases = [runtime] if runtime and os.path.isdir(runtime) else []
    temporary = tempfile.gettempdir()
    # A deep TMPDIR (pytest, batch systems) has no room for a socket's path: /tmp is the last resort.
    return list(dict.fromkeys([*bases, temporary, "/tmp"]))


def _why(error: OSError) -> str:
    if error.errno in _NO_SPACE:
        return "no space left"
    return os.strerror(error.errno) if error.errno else str(error)


def _write_owner(path: str) -> None:
    owner = {"pid": os.getpid(), "start": start_time(os.getpid()), "namespace": _pid_namespace()}
    with open(os.path.join(path, _OWNER), "w", encoding="utf-8") as file:
        json.dump(owner, file)


def _is_dead(entry: os.DirEntry[str], pid: int) -> bool:
    """Whether the driver that made the folder is surely gone.

    The pid alone proves nothing: it may have been given away since, and in a container that shares this folder it counts
    from one. The owner file says when that driver started and in which pid namespace. A folder without one is being made.
    """
    try:
        info = entry.stat(follow_symlinks=False)
        if not stat.S_ISDIR(info.st_mode) or info.st_uid != os.getuid():
            return False
        with open(os.path.join(entry.path, _OWNER), encoding="utf-8") as file:
            owner = json.load(file)
        if owner["namespace"] != _pid_namespace() or owner["pid"] != pid:
            return False
        return bool(start_time(pid) != owner["start"])
    except (OSError, ValueError, KeyError, TypeError):
        return False


def start_time(pid: int) -> int:
    """When the process started, in clock ticks after boot; 0 when there is no such process, or only its zombie."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            fields = file.read().rpartition(b")")[2].split()
    except OSError:
        return 0
    return 0 if fields[0] in (b"Z", b"X") else int(fields[19])


def _pid_namespace() -> str:
    try:
        return os.readlink("/proc/self/ns/pid")
    except OSError:
        return ""
