"""A group of processes with a limit that the kernel holds, of whichever version of cgroups counts here."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from integration_kit import until


@contextmanager
def group(controller: str) -> Iterator[tuple[Path, bool]]:
    """An empty cgroup below this process's own, and whether it is of version 1. Skips the test where none can be made."""
    own = [line.split(":", 2) for line in Path("/proc/self/cgroup").read_text().splitlines()]
    version1 = [path for _, controllers, path in own if controller in controllers.split(",")]
    top = Path(f"/sys/fs/cgroup/{controller}{version1[0]}") if version1 else Path(f"/sys/fs/cgroup{own[-1][2]}")
    made = top / f"mobula-test-{os.getpid()}"
    try:
        made.mkdir()
    except OSError as error:
        pytest.skip(f"no cgroup can be made here: {error}")
    try:
        if not version1 and controller not in (made / "cgroup.controllers").read_text().split():
            pytest.skip(f"no cgroup with the controller {controller} can be made here")
        yield made, bool(version1)
    finally:
        until("the group is empty", lambda: not (made / "cgroup.procs").read_text())
        made.rmdir()
