"""The cache of virtual environments, which sessions of one user share: `mobula/runtime_env` below XDG_CACHE_HOME or ~/.cache.

Owns the folder (mode 0700), a lock for each entry, and the bound: when an entry is made, those that were not used for longest
go until all are below MOBULA_RUNTIME_ENV_CACHE_GB (10). It may be removed as a whole while no session runs.

An entry is used under a shared lock and made under an exclusive one; the kernel lets a lock go with the last process that
has its descriptor. An entry without its mark of completeness was being made by a process that died, and is made anew.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import stat
from collections.abc import Callable

BOUND_VARIABLE = "MOBULA_RUNTIME_ENV_CACHE_GB"
_BOUND_GB = 10.0
_MARK = "mobula-complete.json"
_LOCK = ".lock"


def home() -> str:
    """The folder of the cache, made where it is missing. Raises OSError when it cannot be, or is not this user's own."""
    base = os.environ.get("XDG_CACHE_HOME") or ""
    if not os.path.isabs(base):
        base = os.path.join(os.path.expanduser("~"), ".cache")
    path = os.path.join(base, "mobula", "runtime_env")
    os.makedirs(path, mode=0o700, exist_ok=True)
    info = os.stat(path)
    if info.st_uid != os.getuid():
        raise PermissionError(f"{path} belongs to another user: set XDG_CACHE_HOME to a folder of your own")
    if stat.S_IMODE(info.st_mode) != 0o700:
        os.chmod(path, 0o700)
    return path


def entry(name: str, make: Callable[[str], None]) -> tuple[str, int]:
    """The folder of an entry, made by `make(folder)` where it is missing, and a descriptor with a shared lock on it.

    While the descriptor is open, here or in a process that was given it, nobody removes the entry.
    """
    root = home()
    folder = os.path.join(root, name)
    while True:
        lock = _locked(folder, fcntl.LOCK_EX)
        try:
            if not _is_complete(folder):
                shutil.rmtree(folder, ignore_errors=True)
                os.mkdir(folder, 0o700)
                try:
                    make(folder)
                except BaseException:
                    shutil.rmtree(folder, ignore_errors=True)
                    os.unlink(folder + _LOCK)
                    raise
                _complete(folder)
                _keep_bound(root)
            # The kernel gives the one lock up before it takes the other: whoever clears up may come in between.
            fcntl.flock(lock, fcntl.LOCK_SH)
            if _is_current(lock, folder) and _is_complete(folder):
                os.utime(os.path.join(folder, _MARK))
                return folder, lock
        except BaseException:
            os.close(lock)
            raise
        os.close(lock)


def _locked(folder: str, how: int) -> int:
    """A descriptor of the entry's lock file, locked; raises BlockingIOError with LOCK_NB where it is taken."""
    while True:
        lock = os.open(folder + _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, how)
            if _is_current(lock, folder):
                return lock
        except BaseException:
            os.close(lock)
            raise
        os.close(lock)  # the entry was removed, and its lock file with it, while we waited


def _is_current(lock: int, folder: str) -> bool:
    try:
        there = os.stat(folder + _LOCK)
    except FileNotFoundError:
        return False
    mine = os.fstat(lock)
    return (mine.st_dev, mine.st_ino) == (there.st_dev, there.st_ino)


def _is_complete(folder: str) -> bool:
    return os.path.isfile(os.path.join(folder, _MARK))


def _complete(folder: str) -> None:
    draft = os.path.join(folder, _MARK + ".draft")
    with open(draft, "w", encoding="utf-8") as file:
        json.dump({"bytes": _size(folder)}, file)
    os.replace(draft, os.path.join(folder, _MARK))


def _size(folder: str) -> int:
    return sum(os.lstat(os.path.join(where, name)).st_size for where, _, names in os.walk(folder) for name in names)


def _keep_bound(root: str) -> None:
    bound = float(os.environ.get(BOUND_VARIABLE) or _BOUND_GB) * 2**30
    entries = []
    for name in os.listdir(root):
        mark = os.path.join(root, name, _MARK)
        try:
            with open(mark, encoding="utf-8") as file:
                size = int(json.load(file)["bytes"])
            entries.append((os.stat(mark).st_mtime, size, os.path.join(root, name)))
        except (OSError, ValueError, KeyError):
            continue  # a lock file, or an entry that is being made
    total = sum(size for _, size, _ in entries)
    for _, size, folder in sorted(entries):
        if total <= bound:
            return
        if _remove(folder):
            total -= size


def _remove(folder: str) -> bool:
    """Removes an entry that nobody uses."""
    try:
        lock = _locked(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    try:
        shutil.rmtree(folder, ignore_errors=True)
        os.unlink(folder + _LOCK)
        return True
    finally:
        os.close(lock)
