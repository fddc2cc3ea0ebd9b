"""The kernel kills a worker for memory: a group of processes with a limit, and a task that needs more than that."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from integration_kit import until

LIMIT = 512 << 20
PROGRAM = """
import os
import mobula

with open(os.path.join({group!r}, "cgroup.procs"), "w") as file:
    file.write(str(os.getpid()))  # the core and the workers are born in it

@mobula.remote(max_retries=0)
def greedy():
    return len(b"x" * {size})

@mobula.remote
def modest():
    return 1

mobula.init(num_cpus=1, object_store_memory=80 << 20)
core = mobula.session.process().session.core_pid
try:
    mobula.get(greedy.remote(), timeout=100)
except mobula.exceptions.OutOfMemoryError as error:
    print("told:", str(error).splitlines()[0])
print("next:", mobula.get(modest.remote(), timeout=100))
assert mobula.session.process().session.core_pid == core
mobula.testing.at_rest()
mobula.shutdown()
"""


@pytest.fixture
def group() -> Iterator[Path]:
    """A cgroup with a limit of memory, of whichever version counts memory here."""
    own = [line.split(":", 2) for line in Path("/proc/self/cgroup").read_text().splitlines()]
    version1 = [path for _, controllers, path in own if "memory" in controllers.split(",")]
    top = Path("/sys/fs/cgroup/memory" + version1[0]) if version1 else Path("/sys/fs/cgroup" + own[-1][2])
    made = top / f"mobula-test-{os.getpid()}"
    try:
        made.mkdir()
    except OSError as error:
        pytest.skip(f"no cgroup can be made here: {error}")
    try:
        (made / ("memory.limit_in_bytes" if version1 else "memory.max")).write_text(str(LIMIT))
        if not version1:
            (made / "memory.swap.max").write_text("0")
    except OSError as error:
        made.rmdir()
        pytest.skip(f"its memory cannot be limited: {error}")
    yield made
    until("the group is empty", lambda: not (made / "cgroup.procs").read_text())
    made.rmdir()


def test_a_worker_that_the_kernel_kills_for_memory_is_one_error_and_nothing_else(group: Path) -> None:
    """Invariant: a task that takes all memory loses its worker and gets an error that says so; the core, the driver and what is
    called next go on."""
    program = "import mobula.testing\n" + PROGRAM.format(group=str(group), size=2 * LIMIT)
    done = subprocess.run([sys.executable, "-c", program], check=False, capture_output=True, text=True, timeout=110)
    assert done.returncode == 0, done.stderr
    told, following = done.stdout.splitlines()
    assert following == "next: 1"
    assert "killed by the kernel because memory ran out" in told
