"""mobula's driver and the stock driver against the same stock workers, in turn: `make bench-cluster` (ARGS='--rounds 1').

Rates are calls per second, `join` is seconds until init() returns, `store` what the node's store holds more than before when all is
forgotten, in bytes. Above 1 means mobula is better. The workers do most of the work of a call, and are the same for both.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

LONG_S = 1.5
BATCH = 1000


def _rate(once: Callable[[], int]) -> float:
    """Calls per second of what does as many as it returns, after a first time that does not count."""
    once()
    done, begin = 0, time.perf_counter()
    while (spent := time.perf_counter() - begin) < LONG_S:
        done += once()
    return done / spent


def _workloads(ray: Any) -> dict[str, float]:
    @ray.remote
    def nothing() -> None: ...

    @ray.remote
    def length(x: bytes) -> int:
        return len(x)

    @ray.remote(num_cpus=0)
    class Actor:
        def nothing(self) -> None: ...

    actor = Actor.remote()
    one, many = lambda ref: (ray.get(ref), 1)[1], lambda refs: len(ray.get(refs))
    big = os.urandom(1 << 20)
    return {
        "tasks, one by one": _rate(lambda: one(nothing.remote())),
        "tasks, batches": _rate(lambda: many([nothing.remote() for _ in range(BATCH)])),
        "actor calls, one by one": _rate(lambda: one(actor.nothing.remote())),
        "actor calls, batches": _rate(lambda: many([actor.nothing.remote() for _ in range(BATCH)])),
        "1 MiB to a task": _rate(lambda: one(length.remote(ray.put(big)))),
    }


def drive(name: str, address: str) -> None:
    """Runs as the driver of one of the two, and prints what it has measured."""
    ray = importlib.import_module(name)
    begin = time.perf_counter()
    ray.init(address=address, log_to_driver=False)
    out = {"join": time.perf_counter() - begin}
    total = ray.cluster_resources()["object_store_memory"]
    out |= _workloads(ray)
    deadline = time.monotonic() + 10
    while (left := total - ray.available_resources().get("object_store_memory", 0)) and time.monotonic() < deadline:
        time.sleep(0.1)
    print(json.dumps(out | {"store": left}))


def _run(name: str, python: str, cluster: Any) -> dict[str, float]:
    done = subprocess.run(
        [python, __file__, "--drive", name, cluster.address],
        env={**os.environ, **cluster.environment},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        sys.exit(f"the driver of {name} failed:\n{done.stderr}")
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def main() -> None:
    """The table of both, medians over the rounds."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3, help="how often each is measured (%(default)s)")
    parser.add_argument("--drive", nargs=2, metavar=("NAME", "ADDRESS"), help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.drive:
        drive(*asked.drive)
        return
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
    from stock_kit import ray_python, stock_cluster

    pythons = {"mobula": sys.executable, "ray": str(ray_python())}
    found: dict[str, list[dict[str, float]]] = {name: [] for name in pythons}
    with stock_cluster({"num_cpus": 2}) as cluster:
        for number in range(asked.rounds):
            for name in sorted(pythons, reverse=bool(number % 2)):
                found[name].append(_run(name, pythons[name], cluster))
    print(f"{'':26}{'mobula':>12}{'stock':>12}{'ratio':>8}   load {os.getloadavg()[0]:.1f}")
    for row in found["mobula"][0]:
        ours, theirs = (statistics.median(one[row] for one in found[name]) for name in ("mobula", "ray"))
        ratio = (theirs / ours if row == "join" else ours / theirs) if ours and theirs and row != "store" else None
        print(f"{row:26}{ours:12,.2f}{theirs:12,.2f}" + (f"{ratio:8.2f}" if ratio else ""))


if __name__ == "__main__":
    main()
