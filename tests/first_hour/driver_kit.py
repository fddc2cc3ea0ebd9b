"""Runs programs as a user would: a script in a folder of its own, in a process of its own.

Owns the process and what is seen of it. Judges nothing, except that it ends.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[2] / "python"
# Without PYTHONUNBUFFERED, under which print() writes a text and its newline apart, and a line of a worker may come between.
_INHERITED = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
ENV = {**_INHERITED, "RAY_COLOR_PREFIX": "0", "PYTHONPATH": str(PACKAGE)}
HEAD = "import mobula as ray\n"


@dataclass
class Ended:
    """A program that has ended."""

    code: int
    out: str
    err: str

    @property
    def lines(self) -> list[str]:
        """What it printed, with every pid of a prefix replaced by N."""
        return re.sub(r"pid=\d+\)", "pid=N)", self.out).splitlines()


def python(
    args: Sequence[str | Path], *, cwd: Path | None = None, env: Mapping[str, str] | None = None, timeout: float = 60
) -> Ended:
    """Runs this interpreter with arguments; env is added to the usual one."""
    done = subprocess.run(
        [sys.executable, *map(str, args)],
        cwd=cwd,
        env={**ENV, **(env or {})},
        check=False,
        capture_output=True,
        text=True,
        timeout=timeout,
    )
    return Ended(done.returncode, done.stdout, done.stderr)


def write(folder: Path, files: Mapping[str, str]) -> Path:
    """Writes files by their path in `folder`; gives the folder."""
    for name, source in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(source)
    return folder


def program(folder: Path, source: str, *options: str, env: Mapping[str, str] | None = None, timeout: float = 60) -> Ended:
    """Runs `source` as a script in `folder`, with `ray` imported."""
    script = folder / "program.py"
    script.write_text(HEAD + textwrap.dedent(source))
    return python([*options, script], cwd=folder, env=env, timeout=timeout)
