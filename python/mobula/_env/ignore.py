"""Which files of a folder are left out: `excludes`, .gitignore and .rayignore, by git's rules for patterns.

Owns the reading of patterns. Of several that fit a path the last one decides, and what is in a folder that is left out is
never looked at, so a later `!pattern` does not bring it back.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable

IGNORE_FILES = (".gitignore", ".rayignore")


class Rules:
    """Patterns that hold below one folder."""

    def __init__(self, root: str, patterns: Iterable[str]) -> None:
        self._root = root
        self._patterns = [read for read in map(_read, patterns) if read is not None]

    def leave_out(self, path: str, *, is_dir: bool) -> bool:
        """Whether `path`, which is below the folder, is left out."""
        name = os.path.relpath(path, self._root)
        if name == os.curdir:
            return False
        if is_dir:
            name += "/"
        out = False
        for pattern, takes_out in self._patterns:
            if pattern.match(name):
                out = takes_out
        return out


def rules_in(folder: str, *, gitignore: bool) -> list[Rules]:
    """What the folder's own ignore files say. Raises OSError for one that cannot be read."""
    found = []
    for name in IGNORE_FILES if gitignore else IGNORE_FILES[1:]:
        path = os.path.join(folder, name)
        if os.path.isfile(path):
            with open(path, encoding="utf-8", errors="surrogateescape") as file:
                found.append(Rules(folder, file))
    return found


def _read(line: str) -> tuple[re.Pattern[str], bool] | None:
    """One line as a pattern and whether it takes out; None for a comment or an empty line."""
    text = line.rstrip("\r\n")
    while text.endswith(" ") and not text.endswith("\\ "):
        text = text[:-1]
    if not text or text.startswith("#"):
        return None
    takes_out = not text.startswith("!")
    if not takes_out or text.startswith(("\\#", "\\!")):
        text = text[1:]
    only_folders = text.endswith("/")
    text = text.rstrip("/")
    # A slash at the beginning or in the middle ties a pattern to the folder that the rules are for.
    tied = "/" in text
    text = text.lstrip("/")
    if not text:
        return None
    end = "/" if only_folders else "(?:/|$)"
    return re.compile(("" if tied else "(?:.*/)?") + _translate(text) + end, re.DOTALL), takes_out


def _translate(text: str) -> str:
    out, i = "", 0
    while i < len(text):
        rest = text[i:]
        if rest.startswith("**/") and (i == 0 or text[i - 1] == "/"):
            out, i = out + "(?:.*/)?", i + 3
        elif rest == "**" and (i == 0 or text[i - 1] == "/"):
            out, i = out + ".+", i + 2
        elif rest[0] == "*":
            out, i = out + "[^/]*", i + len(rest) - len(rest.lstrip("*"))
        elif rest[0] == "?":
            out, i = out + "[^/]", i + 1
        elif rest[0] == "\\" and len(rest) > 1:
            out, i = out + re.escape(rest[1]), i + 2
        elif rest[0] == "[" and "]" in rest[2:]:
            close = text.index("]", i + 2)
            inside = text[i + 1 : close].replace("\\", "\\\\")
            if inside[0] in "!^":
                inside = "^/" + inside[1:]
            out, i = f"{out}[{inside}]", close + 1
        else:
            out, i = out + re.escape(rest[0]), i + 1
    return out
