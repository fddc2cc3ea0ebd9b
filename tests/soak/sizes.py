"""Values of one byte to two gigabytes, one byte below, at and above each size at which something changes, by every way.

    make sizes                              needs nine gigabytes of memory
    make sizes ARGS='--most 300000000'      up to so many bytes

Each is put and got, given to a task and returned by it, as bytes and as an array; every byte is compared. Prints a table of the
largest, and what was wrong; exit code 0 if nothing was, and nothing was left.
"""

from __future__ import annotations

import argparse
import gc
import sys
import time
from typing import Any

import numpy as np

import mobula
from soak import at_rest

#: What changes there: a varint's length; the inline limit; HTTP/2's frames; a lane's windows; 2^24 and 2^31, which lengths end at.
EDGES = {
    "one byte": 1,
    "a varint of two bytes": 1 << 7,
    "a page": 1 << 12,
    "a varint of three bytes, a frame": 1 << 14,
    "a window of HTTP/2": 1 << 16,
    "the inline limit": 100 * 1024,
    "a step of a copy": 4 << 20,
    "a window of a lane": 8 << 20,
    "three bytes of length": 1 << 24,
    "a message of a lane": 512 << 20,
    "a signed length of 32 bits": 1 << 31,
}
#: The header and description of a pickled array are up to this long: what is stored crosses the edge within it.
AROUND = (-300, -200, -100, -9, -1, 0, 1)
#: From here on only one below, at and above: each costs seconds.
LARGE = 64 << 20


@mobula.remote
def same(value: Any) -> Any:
    """What it was given."""
    return value


def _equal(one: Any, other: Any) -> bool:
    return bool(np.array_equal(np.frombuffer(one, np.uint8), np.frombuffer(other, np.uint8)))


def _ways(raw: np.ndarray) -> list[str]:
    """Every way for one value; the names of those that gave something else."""
    wrong = []
    ref = mobula.put(raw)
    if not _equal(mobula.get(ref), raw):
        wrong.append("put and got")
    if not _equal(mobula.get(same.remote(ref)), raw):
        wrong.append("through a task, by its ref")
    del ref
    if raw.nbytes < LARGE or raw.nbytes == 1 << 31:
        data = raw.tobytes()
        if mobula.get(mobula.put(data)) != data:
            wrong.append("bytes, put and got")
        if raw.nbytes < LARGE and mobula.get(same.remote(data)) != data:
            wrong.append("bytes, given and returned")
    return wrong


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--most", type=int, default=1 << 32)
    args = parser.parse_args()
    everything = np.random.default_rng(1).integers(0, 256, min(args.most, (1 << 31) + 1), np.uint8)
    mobula.init(num_cpus=1, object_store_memory=5 << 30 if args.most > 1 << 30 else 1 << 30)
    process = mobula.session.process()
    wrong, sizes = [], 0
    print("| edge | sizes | seconds | wrong |\n|---|---|---|---|", flush=True)
    for what, edge in EDGES.items():
        began, found = time.monotonic(), []
        chosen = [edge + by for by in (AROUND if edge < LARGE else (-1, 0, 1)) if 1 <= edge + by <= len(everything)]
        for size in chosen:
            found += [f"{size} bytes: {way}" for way in _ways(everything[:size])]
            gc.collect()
        sizes += len(chosen)
        wrong += found
        print(f"| {what}, {edge:,} | {len(chosen)} | {time.monotonic() - began:.1f} | {len(found)} |", flush=True)
    leaks = at_rest(process)
    mobula.shutdown()
    print(f"{sizes} sizes, wrong: {wrong or 'nothing'}, left: {leaks or 'nothing'}")
    return 1 if wrong or leaks else 0


if __name__ == "__main__":
    sys.exit(main())
