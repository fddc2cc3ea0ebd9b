"""A million tasks queued at once: what they need while they wait, and that each runs once.

    make million                                a million
    make million ARGS='--tasks 100000'          fewer

Prints a table of memory a task, of the core and of the driver, and of the rates; exit code 0 if every value was right and
nothing was left.
"""

from __future__ import annotations

import argparse
import gc
import os
import sys
import tempfile
import time
from pathlib import Path

import mobula
from soak import at_rest, own_memory


@mobula.remote
def number(i: int) -> int:
    """The value that says which task this was."""
    return i


@mobula.remote
def hold(gate: str) -> None:
    """Keeps a worker busy until the gate opens."""
    while not os.path.exists(gate):
        time.sleep(0.01)


def queue(tasks: int) -> bool:
    """Queue them behind two held workers, look, let them run, and print the table."""
    mobula.init(num_cpus=2, object_store_memory=256 << 20)
    process = mobula.session.process()
    core = process.session.core_pid
    with tempfile.TemporaryDirectory() as folder:
        gate = Path(folder) / "gate"
        held = [hold.remote(str(gate)) for _ in range(2)]
        while process.inspect().tasks_running < 2:
            time.sleep(0.01)
        empty = own_memory(core), own_memory(os.getpid())
        began = time.monotonic()
        refs = [number.remote(i) for i in range(tasks)]
        while process.inspect().tasks_pending < tasks + 2:
            time.sleep(0.01)
        queued = time.monotonic() - began
        full = own_memory(core), own_memory(os.getpid())
        gate.touch()
        mobula.get(held)
    began = time.monotonic()
    wrong = sum(value != i for i, value in enumerate(mobula.get(refs)))
    ran = time.monotonic() - began
    del refs, held
    leaks = at_rest(process)
    gc.collect()
    after = own_memory(core), own_memory(os.getpid())
    mobula.shutdown()
    print("| tasks queued at once | |\n|---|---|")
    print(f"| tasks | {tasks:,} |")
    for n, who in enumerate(("core", "driver")):
        each = (full[n] - empty[n]) * (1 << 20) / tasks
        figures = ", ".join(f"{at[n]:.0f}" for at in (empty, full, after))
        print(f"| memory of the {who}: before, queued, after | {figures} MiB: {each:,.0f} bytes a task |")
    print(f"| queued, run | {tasks / queued:,.0f} a second, {tasks / ran:,.0f} a second |")
    print(f"| wrong values, leaks | {wrong}, {len(leaks)} |")
    for line in leaks:
        print(f"  {line}", file=sys.stderr)
    return not wrong and not leaks


def main() -> None:
    """Read the command line and run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tasks", type=int, default=1_000_000)
    sys.exit(0 if queue(parser.parse_args().tasks) else 1)


if __name__ == "__main__":
    main()
