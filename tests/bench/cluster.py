"""mobula's driver and the stock driver against the same stock workers, in turn: `make bench-cluster` (ARGS='--rounds 1 --nodes 2').

Rates are calls per second; `join` is seconds until init() returns, with and without the import before it; `store` is what the
stores of all nodes hold more than before when everything is forgotten, in bytes, and `store, 100 MiB held` while 100 values of
1 MiB are. Above 1 means mobula is better. The workers do most of the work of a call, and are the same for both. With two nodes the
workloads of large values run on the one that is not the driver's.

Before the rounds each joins once: a raylet makes its first driver wait for its first workers, and Python files are compiled.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

LONG_S = 1.5
BATCH = 1000
HELD = 100
MIB = 1 << 20
FAR = "far"  # a resource that only the second node has
SECONDS = ("import and join", "join")
STORES = ("store", "store, 100 MiB held")


def _rate(once: Callable[[], int]) -> float:
    """Calls per second of what does as many as it returns, after a first time that does not count."""
    once()
    done, begin = 0, time.perf_counter()
    while (spent := time.perf_counter() - begin) < LONG_S:
        done += once()
    return done / spent


def _workloads(ray: Any, where: dict[str, float]) -> dict[str, float]:
    @ray.remote
    def nothing() -> None: ...

    @ray.remote(resources=where)
    def length(x: bytes) -> int:
        return len(x)

    @ray.remote(resources=where)
    def made() -> bytes:
        return os.urandom(MIB)

    @ray.remote(num_cpus=0)
    class Actor:
        def nothing(self) -> None: ...

    actor = Actor.remote()
    one, many = lambda ref: (ray.get(ref), 1)[1], lambda refs: len(ray.get(refs))
    big = os.urandom(MIB)
    return {
        "tasks, one by one": _rate(lambda: one(nothing.remote())),
        "tasks, batches": _rate(lambda: many([nothing.remote() for _ in range(BATCH)])),
        "actor calls, one by one": _rate(lambda: one(actor.nothing.remote())),
        "actor calls, batches": _rate(lambda: many([actor.nothing.remote() for _ in range(BATCH)])),
        "1 MiB to a task": _rate(lambda: one(length.remote(ray.put(big)))),
        "1 MiB from a task": _rate(lambda: one(made.remote())),
    }


def _held(ray: Any, total: float) -> float:
    """Bytes in the stores while values are held."""
    refs = [ray.put(os.urandom(MIB)) for _ in range(HELD)]
    return _settled(lambda: total - ray.available_resources().get("object_store_memory", 0), lambda used: used >= len(refs) * MIB)


def _settled(read: Callable[[], float], enough: Callable[[float], bool]) -> float:
    """What is read once it is as expected, or after ten seconds: what is free is told some tenths of a second late."""
    deadline = time.monotonic() + 10
    while not enough(found := read()) and time.monotonic() < deadline:
        time.sleep(0.1)
    return found


def drive(name: str, address: str, workloads: bool) -> None:
    """Runs as the driver of one of the two, and prints what it has measured."""
    begin = time.perf_counter()
    ray = importlib.import_module(name)
    imported = time.perf_counter()
    ray.init(address=address, log_to_driver=False)
    joined = time.perf_counter()
    out = dict(zip(SECONDS, (joined - begin, joined - imported), strict=True))
    if workloads:
        resources = ray.cluster_resources()
        out |= _workloads(ray, {FAR: 0.01} if FAR in resources else {})
        total = resources["object_store_memory"]
        held = _held(ray, total)
        left = _settled(lambda: total - ray.available_resources().get("object_store_memory", 0), lambda used: not used)
        out |= dict(zip(STORES, (left, held), strict=True))
    print(json.dumps(out))


def _run(name: str, python: str, cluster: Any, compiled: str, what: str = "--drive") -> dict[str, float]:
    environment = {**os.environ, **cluster.environment, "PYTHONPYCACHEPREFIX": compiled}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    done = subprocess.run(
        [python, __file__, what, name, cluster.address],
        env=environment,
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
    parser.add_argument("--nodes", type=int, choices=(1, 2), default=1, help="how many the cluster has (%(default)s)")
    parser.add_argument("--drive", nargs=2, metavar=("NAME", "ADDRESS"), help=argparse.SUPPRESS)
    parser.add_argument("--join", nargs=2, metavar=("NAME", "ADDRESS"), help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.drive or asked.join:
        drive(*(asked.drive or asked.join), workloads=bool(asked.drive))
        return
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
    from stock_kit import ray_python, stock_cluster

    pythons = {"mobula": sys.executable, "ray": str(ray_python())}
    found: dict[str, list[dict[str, float]]] = {name: [] for name in pythons}
    nodes = [{"num_cpus": 2}, {"num_cpus": 2, "resources": {FAR: 1}}][: asked.nodes]
    with tempfile.TemporaryDirectory() as compiled, stock_cluster(*nodes) as cluster:
        for name, python in pythons.items():
            _run(name, python, cluster, compiled, "--join")
        for number in range(asked.rounds):
            for name in sorted(pythons, reverse=bool(number % 2)):
                found[name].append(_run(name, pythons[name], cluster, compiled))
    _table(found)


def _table(found: dict[str, list[dict[str, float]]]) -> None:
    print(f"{'':26}{'mobula':>14}{'stock':>14}{'ratio':>8}   load {os.getloadavg()[0]:.1f}")
    for row in found["mobula"][0]:
        ours, theirs = (statistics.median(one[row] for one in found[name]) for name in ("mobula", "ray"))
        ratio = (theirs / ours if row in SECONDS else ours / theirs) if ours and theirs and row not in STORES else None
        print(f"{row:26}{ours:14,.2f}{theirs:14,.2f}" + (f"{ratio:8.2f}" if ratio else ""))


if __name__ == "__main__":
    main()
