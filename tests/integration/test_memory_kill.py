"""The kernel kills a worker for memory: a group of processes with a limit, and a task that needs more than that."""

from __future__ import annotations

import re
import subprocess
import sys

from cgroup_kit import group

LIMIT = 512 << 20
PROGRAM = """
import os
import mobula
import mobula.testing

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


def test_a_worker_that_the_kernel_kills_for_memory_is_one_error_and_nothing_else() -> None:
    """Invariant: a task that takes all memory loses its worker and gets an error that says so; the core, the driver and what is
    called next go on."""
    with group("memory") as (folder, version1):
        if version1:
            (folder / "memory.limit_in_bytes").write_text(str(LIMIT))
        else:
            (folder / "memory.max").write_text(str(LIMIT))
            (folder / "memory.swap.max").write_text("0")
        program = PROGRAM.format(group=str(folder), size=2 * LIMIT)
        done = subprocess.run([sys.executable, "-c", program], check=False, capture_output=True, text=True, timeout=110)
    assert done.returncode == 0, done.stderr
    told, following = done.stdout.splitlines()
    assert following == "next: 1"
    assert "killed by the kernel because memory ran out" in told
    peak = re.search(r"had used up to (\d+) MiB", told)  # the task asks for more than there is
    assert peak, told
    assert 64 < int(peak[1]) <= LIMIT >> 20
    assert "running greedy()" in told
