"""How the cost of one call, ref or byte grows with how many there are: CPU of driver, core and workers together, as JSON.

    python growth.py [--json FILE] [--most 1000000] [--only PATTERN]

CPU and not wall time, for who else uses the machine shows in the clock first; the best round counts. With --only the other curves
stay as the file has them. `make bench-plots` draws it.
"""

import argparse
import json
import os
import re
import sys
import time

import numpy as np
from cpu import children, cpu

import mobula

ap = argparse.ArgumentParser()
ap.add_argument("--json", default="")
ap.add_argument("--most", type=int, default=1_000_000, help="tasks queued at once, at most")
ap.add_argument("--only", default="", help="curves whose name this regular expression finds")
ap.add_argument("--rounds", type=int, default=3)
args = ap.parse_args()


@mobula.remote
def small_value():
    return b"ok"


@mobula.remote(num_cpus=0)
class Actor:
    def small_value(self):
        return b"ok"


def family():
    """This process, the core and the workers there are now."""
    core = children(os.getpid())
    return [os.getpid(), *core, *(worker for one in core for worker in children(one))]


def cost(operations, fn, rounds=None):
    """Microseconds of CPU for one of the operations that fn() does, in the best round."""
    best = float("inf")
    for _ in range(rounds or args.rounds):
        pids = family()
        before = cpu(pids)
        fn()
        best = min(best, (cpu(pids) - before) / operations / 1000)
    return best


def queued(n):
    return cost(n, lambda: mobula.get([small_value.remote() for _ in range(n)]), rounds=1 if n > 100_000 else None)


def actors(n, calls=6400):
    made = [Actor.remote() for _ in range(n)]
    each = calls // n

    def call():
        mobula.get([one.small_value.remote() for one in made for _ in range(each)])

    call()  # they are up
    took = cost(each * n, call)
    for one in made:
        mobula.kill(one)
    return took


def live_refs(n, operations=2000):
    kept = [mobula.put(0) for _ in range(n)]

    def put_and_call():
        for _ in range(operations):
            mobula.put(0)
        mobula.get([small_value.remote() for _ in range(operations)])

    took = cost(2 * operations, put_and_call)
    del kept
    return took


def sizes(n):
    value = np.zeros(n, dtype=np.uint8)
    times = max(1, min(1000, (1 << 28) // n))

    def put_and_get():
        for _ in range(times):
            mobula.get(mobula.put(value))

    put_and_get()  # the arena's pages are there
    return cost(times, put_and_get)


CURVES = {
    "tasks queued at once": (queued, [n for n in (1000, 10_000, 100_000, 1_000_000) if n <= args.most], "CPU µs a task"),
    "actors called in turn": (actors, [1, 8, 64], "CPU µs a call"),
    "live refs": (live_refs, [1000, 10_000, 100_000], "CPU µs a put or task"),
    "bytes put and got": (sizes, [1, 1000, 10**5, 10**6, 10**7, 10**8, 10**9], "CPU µs a put and get"),
}


def main():
    found = {}
    if args.only and args.json:
        with open(args.json, encoding="utf-8") as f:
            found = json.load(f)
    for name, (measure, points, unit) in CURVES.items():
        if not re.search(args.only, name):
            continue
        mobula.init(num_cpus=2, object_store_memory=6 << 30, include_dashboard=False, log_to_driver=False)
        mobula.get([small_value.remote() for _ in range(2000)])
        found[name] = {"unit": unit, "points": []}
        for n in points:
            since = time.monotonic()
            took = round(measure(n), 2)
            found[name]["points"].append([n, took])
            print(f"{name:24s} {n:10d} {took:12.2f} {unit}  ({time.monotonic() - since:.0f} s)", file=sys.stderr)
        mobula.shutdown()
    text = json.dumps(found, indent=1, ensure_ascii=False)
    if args.json:
        with open(args.json, "w", encoding="utf-8") as f:
            f.write(text + "\n")
    else:
        print(text)


if __name__ == "__main__":
    main()
