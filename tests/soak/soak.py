"""Mixed work while processes are killed under it, for as long as asked; then a table, and exit code 0 if nothing was lost.

    make soak                                   twenty minutes
    make soak ARGS='--minutes 0.5 --seed 7'     shorter, with the same choices of work and of faults again

Each piece of work (`works.py`) knows what its result has to be, and which errors the faults may turn it into; any other value
or error is *wrong*, and one that has not come within PATIENCE_S is *lost*. The faults (`faults.py`) go on beside it. At the
end everything is let go of, and what the session still has then is a *leak*.
"""

from __future__ import annotations

import argparse
import gc
import os
import random
import sys
import tempfile
import threading
import time
from collections import Counter
from typing import Any

import faults
import works

import mobula

PATIENCE_S = 120.0
#: Pieces of work under way at once; each is several tasks or calls.
WINDOW = 24
#: Growth of the core's or the driver's own memory, warm to end, that is not taken for noise.
GROWTH_MB = 64
#: The core is warm after this share of the time, and not before it has ended so many tasks: it remembers the last 100,000.
WARM = 0.25
FULL = 110_000
#: What it needs for those: twice what they are, between two collections.
REMEMBERED_MB = 80
_QUIET = ("tasks_pending", "tasks_queued", "tasks_running", "canceled", "parked", "leases", "objects", "blocks", "pins", "actors")


def own_memory(pid: int) -> float:
    """MiB that are the process's alone: not the arena, which all share, nor the files of its program."""
    with open(f"/proc/{pid}/status") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("RssAnon:")) / 1024


class Tally:
    """What was done and what came out wrong, of all threads."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.done: Counter[str] = Counter()
        self.excused: Counter[str] = Counter()
        self.tasks = 0
        self.wrong: list[str] = []
        self.lost: list[str] = []

    def ended(self, work: works.Work) -> None:
        """Take one piece of work's result, or the error it ended with."""
        try:
            problem = work.check(PATIENCE_S)
        except mobula.exceptions.GetTimeoutError:
            with self.lock:
                self.lost.append(f"{work}: nothing within {PATIENCE_S:g} s")
            return
        except work.excuses as error:
            problem = None
            with self.lock:
                self.excused[type(error).__name__] += 1
        except Exception as error:
            problem = f"{type(error).__name__}: {error}"
        with self.lock:
            self.done[type(work).__name__] += 1
            self.tasks += work.tasks
            if problem:
                self.wrong.append(f"{work}: {problem}")


def client(until: float, seed: int, tally: Tally, world: works.World) -> None:
    """One thread of the driver: begins work and takes results, WINDOW at a time, until the time is over."""
    choose = random.Random(seed)
    under_way: list[works.Work] = []
    while time.monotonic() < until:
        while len(under_way) < WINDOW:
            under_way.append(choose.choice(works.KINDS)(world, choose))
        tally.ended(under_way.pop(choose.randrange(len(under_way))))
    while under_way:
        tally.ended(under_way.pop())


def at_rest(process: Any) -> list[str]:
    """What the session still has when nobody wants anything of it; [] once there is nothing."""
    deadline = time.monotonic() + 60
    while True:
        gc.collect()
        counts = process.inspect()
        found = [f"{name}={getattr(counts, name)}" for name in _QUIET if getattr(counts, name)]
        if not found or time.monotonic() > deadline:
            return found
        time.sleep(0.05)


def left_on_the_machine(folder: str, core: int, children: list[int]) -> list[str]:
    """Processes and folders that outlived the session."""
    deadline = time.monotonic() + 60
    while True:
        found = [f"process {pid}" for pid in (core, *children) if os.path.exists(f"/proc/{pid}")]
        found += [f"folder {folder}"] if os.path.exists(folder) else []
        if not found or time.monotonic() > deadline:
            return found
        time.sleep(0.05)


def soak(seconds: float, seed: int, threads: int, fault_every: float) -> bool:
    """Run it, print the table, and say whether nothing was wrong, lost or left."""
    before = set(os.listdir("/proc/self/fd"))
    mobula.init(num_cpus=4, object_store_memory=256 << 20, log_to_driver=False)
    process = mobula.session.process()
    core, folder = process.session.core_pid, os.path.dirname(process.session.socket_path)
    memory: dict[str, tuple[float, float]] = {}
    tally = Tally()
    with tempfile.TemporaryDirectory() as notes:
        world = works.World(notes)
        until = time.monotonic() + seconds
        killer = faults.Faults(core, seed, fault_every)
        clients = [threading.Thread(target=client, args=(until, seed * 1000 + n, tally, world)) for n in range(threads)]
        for thread in (killer, *clients):
            thread.start()
        time.sleep(seconds * WARM)
        memory["start"], warm = (own_memory(core), own_memory(os.getpid())), tally.tasks
        while tally.tasks < FULL and time.monotonic() < until:
            time.sleep(0.1)  # a look at a count that nobody waits for
        if warm < FULL <= tally.tasks:
            memory["start"], warm = (own_memory(core), own_memory(os.getpid())), tally.tasks
        for thread in clients:
            thread.join()
        killer.stop()
        tally.wrong += world.twice()
        world.close()
    leaks = at_rest(process)
    memory["end"] = own_memory(core), own_memory(os.getpid())
    children = faults.children(core)
    mobula.shutdown()
    del process, world
    gc.collect()
    leaks += left_on_the_machine(folder, core, children)
    leaks += [f"{len(os.listdir('/proc/self/fd')) - len(before)} descriptors of the driver"] * (
        len(os.listdir("/proc/self/fd")) > len(before)
    )
    for n, who in enumerate(("core", "driver")):
        if memory["end"][n] - memory["start"][n] > GROWTH_MB + REMEMBERED_MB * (who == "core" and warm < FULL):
            leaks.append(f"the {who}'s memory")
    print_table(seconds, seed, tally, killer.done, memory, warm, leaks)
    return not (tally.wrong or tally.lost or leaks or killer.failed)


def print_table(
    seconds: float,
    seed: int,
    tally: Tally,
    injected: Counter[str],
    memory: dict[str, tuple[float, float]],
    warm: int,
    leaks: list[str],
) -> None:
    """The table, in Markdown."""

    def each(counts: Counter[str]) -> str:
        return ", ".join(f"{name} {count:,}" for name, count in sorted(counts.items()))

    rows = {
        "time": f"{seconds / 60:.1f} minutes (seed {seed})",
        "tasks and calls done": f"{tally.tasks:,}",
        "pieces of work": f"{tally.done.total():,}: {each(tally.done)}",
        "faults injected": f"{injected.total():,}: {each(injected)}",
        "errors that a fault explains": f"{tally.excused.total():,}: {each(tally.excused)}",
        "wrong results": len(tally.wrong),
        "lost results": len(tally.lost),
        f"memory of the core, after {warm:,} tasks and at the end": f"{memory['start'][0]:.1f} and {memory['end'][0]:.1f} MiB",
        "memory of the driver, then and at the end": f"{memory['start'][1]:.1f} and {memory['end'][1]:.1f} MiB",
        "leaks": len(leaks),
    }
    print("\n| soak | |\n|---|---|")
    for name, value in rows.items():
        print(f"| {name} | {value} |")
    for line in (tally.wrong + tally.lost)[:20] + leaks:
        print(f"  {line}", file=sys.stderr)


def main() -> None:
    """Read the command line and run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=20)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().getrandbits(24))
    parser.add_argument("--threads", type=int, default=2, help="of the driver, each with work of its own")
    parser.add_argument("--fault-every", type=float, default=0.4, help="seconds between faults, on average")
    options = parser.parse_args()
    print(f"seed {options.seed}", flush=True)
    sys.exit(0 if soak(options.minutes * 60, options.seed, options.threads, options.fault_every) else 1)


if __name__ == "__main__":
    main()
