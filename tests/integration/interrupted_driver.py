"""A driver that is interrupted at random instants, and then says whether anything was lost, doubled or left.

    python interrupted_driver.py INTERRUPTS SEED FOLDER

Ctrl-C is SIGINT of the kernel's, at any bytecode of the main thread: a helper process sends it. The handler raises only
while the loop's body runs, as `except KeyboardInterrupt` could not be where it is needed otherwise.
"""

from __future__ import annotations

import gc
import json
import os
import random
import signal
import subprocess
import sys
import time
from typing import Any

import numpy as np

import mobula
from mobula.object_ref import ObjectRef

SENDER = """
import os, random, sys, time
choose = random.Random(int(sys.argv[2]))
while True:
    time.sleep(choose.random() ** 3 * 0.02)
    try:
        os.kill(int(sys.argv[1]), 2)
    except ProcessLookupError:
        break
"""


@mobula.remote
def double(number: int) -> int:
    return 2 * number


@mobula.remote
class Ledger:
    """Which calls arrived, in order."""

    def __init__(self) -> None:
        self.seen: list[int] = []

    def note(self, number: int) -> int:
        self.seen.append(number)
        return number

    def all(self) -> list[int]:
        return self.seen


class Driver:
    """What is known for sure: a ref that was kept, and what it has to give."""

    def __init__(self, seed: int) -> None:
        self.choose = random.Random(seed)
        self.ledger = Ledger.remote()
        self.kept: list[tuple[Any, int]] = []
        self.notes: list[int] = []
        self.number = 0
        self.wrong: list[str] = []

    def step(self) -> None:
        """One use of everything; may be cut short anywhere."""
        self.number += 1
        number = self.number
        note = self.ledger.note.remote(number)
        self.notes.append(number)
        ref = double.remote(number)
        self.kept.append((ref, 2 * number))
        put = mobula.put(number)
        self.kept.append((put, number))
        if number % 5 == 0:
            large = mobula.put(np.full(200_000, number, np.int32))
            self.check(int(mobula.get(large)[-1]) == number, "large")
        if number % 7 == 0:
            mobula.wait([ref, note], num_returns=2)
        if number % 11 == 0:
            mobula.cancel(double.remote(1))
        self.check(mobula.get(note) == number, "note")
        self.check(mobula.get([ref, put]) == [2 * number, number], "values")

    def check(self, right: bool, what: str) -> None:
        if not right:
            self.wrong.append(f"{what} of {self.number}")


def main(interrupts: int, seed: int) -> None:
    armed = False
    taken = 0

    def handler(signum: int, frame: Any) -> None:
        nonlocal armed, taken
        if armed:
            armed = False
            taken += 1
            raise KeyboardInterrupt

    signal.signal(signal.SIGINT, handler)
    mobula.init(num_cpus=2, object_store_memory=1 << 28, log_to_driver=False)
    driver = Driver(seed)
    mobula.get(driver.ledger.all.remote())
    sender = subprocess.Popen([sys.executable, "-S", "-c", SENDER, str(os.getpid()), str(seed)])
    steps = 0
    try:
        while taken < interrupts:
            try:
                armed = True
                driver.step()
                steps += 1
                armed = False
            except KeyboardInterrupt:  # noqa: PERF203 - that is what is tested
                pass
            except Exception as error:
                armed = False
                driver.wrong.append(f"{type(error).__name__}: {error}")
                if len(driver.wrong) > 5:
                    break
    finally:
        armed = False
        sender.kill()
        sender.wait()
    told: dict[str, Any] = {"taken": taken, "steps": steps, "wrong": driver.wrong}
    values = mobula.get([ref for ref, _ in driver.kept])
    told["kept"] = len(values)
    told["lost"] = [want for (_, want), value in zip(driver.kept, values, strict=True) if value != want]
    seen = mobula.get(driver.ledger.all.remote())
    told["doubled"] = len(seen) - len(set(seen))
    told["unordered"] = seen != sorted(seen)
    told["unseen"] = sorted(set(driver.notes) - set(seen))
    del values
    driver.kept.clear()
    told["counts"] = at_rest()
    print(json.dumps(told))
    mobula.shutdown()


def at_rest() -> dict[str, int]:
    """The core's counts as soon as nothing is left, or what is left after a minute."""
    deadline = time.monotonic() + 60
    process = mobula.session.process()
    while True:
        gc.collect()
        counts = process.inspect()
        refs = len({one.binary() for one in gc.get_objects() if type(one) is ObjectRef})
        left = {
            "tasks_pending": counts.tasks_pending,
            "queued": counts.tasks_queued,
            "running": counts.tasks_running,
            "canceled": counts.canceled,
            "parked": counts.parked,
            "leases": counts.leases,
            "objects beyond refs": max(0, counts.objects - refs),
            "blocks": counts.blocks,
            "pins": counts.pins,
        }
        left = {name: count for name, count in left.items() if count}
        if not left or time.monotonic() > deadline:
            return left
        time.sleep(0.01)


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
