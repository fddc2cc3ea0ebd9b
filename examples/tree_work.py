"""What scan_tree.py computes over a tree of files: plain Python without an actor, by which the driver checks the actor.

It lies beside the script on purpose: workers import it, because they get the driver's folder on their path.
"""

from __future__ import annotations

import hashlib
import heapq
import os
import stat
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

CHUNK = 1 << 20

Step = Callable[[], None]  # called after each file


@dataclass(frozen=True)
class File:
    """One regular file as it was when the tree was listed."""

    path: str
    size: int
    mtime_ns: int

    def changed(self) -> bool:
        """Whether the file on disk is no longer the one that was listed."""
        try:
            now = os.stat(self.path, follow_symlinks=False)
        except OSError:
            return True
        return (now.st_size, now.st_mtime_ns) != (self.size, self.mtime_ns)


@dataclass
class Tree:
    """The files to work on, in a fixed order, and what was left out and why."""

    root: str
    files: list[File] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)

    @property
    def size(self) -> int:
        return sum(file.size for file in self.files)


def find_files(root: str, *, hidden: bool, max_files: int, max_bytes: int) -> Tree:
    """List the readable regular files below `root`.

    Links are not followed (they may form a circle); pipes, sockets and devices are left out (reading one may block).
    """
    tree = Tree(root)
    budget = max_bytes

    def unreadable_folder(_error: OSError) -> None:
        tree.left_out["unreadable folders"] += 1

    for folder, folders, names in os.walk(root, onerror=unreadable_folder):
        real = [name for name in folders if not os.path.islink(os.path.join(folder, name))]
        keep = sorted(name for name in real if hidden or not (name.startswith(".") or name == "__pycache__"))
        tree.left_out["links and special files"] += len(folders) - len(real)
        tree.left_out["hidden folders and caches"] += len(real) - len(keep)
        folders[:] = keep
        for name in sorted(names):
            path = os.path.join(folder, name)
            try:
                about = os.stat(path, follow_symlinks=False)
            except OSError:
                tree.left_out["unreadable files"] += 1
                continue
            if not stat.S_ISREG(about.st_mode):
                tree.left_out["links and special files"] += 1
            elif not os.access(path, os.R_OK):
                tree.left_out["unreadable files"] += 1
            elif len(tree.files) >= max_files or about.st_size > budget:
                tree.left_out["files over the limits (--max-files, --max-bytes)"] += 1
            else:
                budget -= about.st_size
                tree.files.append(File(path, about.st_size, about.st_mtime_ns))
    tree.left_out = +tree.left_out
    return tree


def chunks(file: File) -> Iterator[bytes]:
    """The content, never more than was there when the file was listed: a log that grows is no moving target."""
    left = file.size
    if not left:  # also the files of /proc, which have no size and may have no end
        return
    with open(file.path, "rb") as source:
        while left and (chunk := source.read(min(CHUNK, left))):
            left -= len(chunk)
            yield chunk


def contents(files: list[File], step: Step) -> Iterator[tuple[File, Iterator[bytes]]]:
    """Each file with its chunks; one that cannot be read any more counts as empty."""

    def readable(file: File) -> Iterator[bytes]:
        try:
            yield from chunks(file)
        except OSError:
            return

    for file in files:
        yield file, readable(file)
        step()


def lines(files: list[File], step: Step) -> dict[str, int]:
    """Lines of all text files; a file with a zero byte in it is none."""
    total = {"lines": 0, "text files": 0}
    for _, content in contents(files, step):
        count, text = 0, True
        for chunk in content:
            text = text and b"\0" not in chunk
            count += chunk.count(b"\n")
        if text:
            total["lines"] += count
            total["text files"] += 1
    return total


def kinds(files: list[File], step: Step) -> dict[str, tuple[int, int]]:
    """Files and bytes for each ending of the file name, the largest first."""
    count: Counter[str] = Counter()
    size: Counter[str] = Counter()
    for file, content in contents(files, step):
        ending = os.path.splitext(file.path)[1].lower() or "no ending"
        count[ending] += 1
        size[ending] += sum(len(chunk) for chunk in content)
    return {ending: (count[ending], total) for ending, total in size.most_common()}


def largest(files: list[File], step: Step) -> list[tuple[int, str]]:
    """The five largest files, by the bytes that can really be read."""
    sizes = ((sum(len(chunk) for chunk in content), file.path) for file, content in contents(files, step))
    return heapq.nlargest(5, sizes)


def checksum(files: list[File], step: Step) -> str:
    """One SHA-256 over the names and contents of the whole tree."""
    whole = hashlib.sha256()
    for file, content in contents(files, step):
        one = hashlib.sha256()
        for chunk in content:
            one.update(chunk)
        whole.update(os.fsencode(file.path) + b"\0" + one.digest())
    return whole.hexdigest()


WORK: dict[str, Callable[[list[File], Step], Any]] = {
    "lines": lines,
    "kinds": kinds,
    "largest": largest,
    "checksum": checksum,
}
