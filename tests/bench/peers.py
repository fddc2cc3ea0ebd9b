"""What the standard library offers for the same work, in turn with mobula in one run: calls a second, and the ratios.

    python peers.py [--rounds 5] [--seconds 0.5]

One call after the other against `concurrent.futures.ProcessPoolExecutor`, batches of 1,000 against
`multiprocessing.Pool.apply_async`, each with two processes. Rounds alternate; a ratio is the median of the rounds' own, so that a
machine that drifts does not decide it. Above 1 means that mobula is ahead. Beside the rate stands what a call takes of all
processes' CPU, which others on the machine do not change as much.
"""

import argparse
import json
import multiprocessing
import os
import statistics
import time
from concurrent.futures import ProcessPoolExecutor

from cpu import children, cpu

import mobula

BATCH = 1000
ap = argparse.ArgumentParser()
ap.add_argument("--rounds", type=int, default=5)
ap.add_argument("--seconds", type=float, default=0.5)
ap.add_argument("--json", default="")
args = ap.parse_args()


def plain():
    return b"ok"


@mobula.remote
def small_value():
    return b"ok"


@mobula.remote(num_cpus=0)
class Actor:
    def small_value(self):
        return b"ok"


@mobula.remote(num_cpus=0)
class AsyncActor:
    async def small_value(self):
        return b"ok"


def family():
    """This process, and those below it: the pools', the core, its workers."""
    below = children(os.getpid())
    return [os.getpid(), *below, *(worker for one in below for worker in children(one))]


def measure(fn, calls):
    """Calls a second, and microseconds of CPU for each."""
    pids = family()
    count, spent, begin = 0, cpu(pids), time.perf_counter()
    while True:
        fn()
        count += calls
        took = time.perf_counter() - begin
        if took > args.seconds:
            return count / took, (cpu(pids) - spent) / count / 1000


def main():
    # Their processes are forked, so they come first: mobula has threads.
    executor, pool = ProcessPoolExecutor(2), multiprocessing.Pool(2)
    list(executor.map(abs, range(100)))
    pool.map(abs, range(100))
    mobula.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
    actor, async_actor = Actor.remote(), AsyncActor.remote()

    def calls_of(call):
        return (lambda: mobula.get(call()), lambda: mobula.get([call() for _ in range(BATCH)]))

    ours = {
        "task": calls_of(lambda: small_value.remote()),
        "actor call": calls_of(lambda: actor.small_value.remote()),
        "async-actor call": calls_of(lambda: async_actor.small_value.remote()),
    }

    def in_pool():
        for result in [pool.apply_async(plain) for _ in range(BATCH)]:
            result.get()

    one_by_one = {"ProcessPoolExecutor.submit().result()": lambda: executor.submit(plain).result()}
    in_batches = {"Pool.apply_async(), get()": in_pool}
    groups = [
        ("one after the other", 1, {name: fns[0] for name, fns in ours.items()}, one_by_one),
        (f"batches of {BATCH}", BATCH, {name: fns[1] for name, fns in ours.items()}, in_batches),
    ]
    found = []
    for title, calls, mine, theirs in groups:
        rows = mine | theirs
        for fn in rows.values():
            fn()
        rounds = [{name: measure(fn, calls) for name, fn in rows.items()} for _ in range(args.rounds)]
        (peer,) = theirs
        for name in (peer, *mine):
            speed, spent = (statistics.median(column) for column in zip(*(one[name] for one in rounds), strict=True))
            ratio = statistics.median(one[name][0] / one[peer][0] for one in rounds)
            found.append({"group": title, "peer": peer, "what": name, "rate": speed, "cpu": spent, "ratio": ratio})
            print(f"{title:22s} {name:40s} {speed:10,.0f}/s   CPU {spent:7.1f} µs   ratio {ratio:6.2f}")
    mobula.shutdown()
    executor.shutdown()
    pool.terminate()
    if args.json:
        with open(args.json, "w", encoding="utf-8") as f:
            json.dump(found, f, indent=1)


if __name__ == "__main__":
    main()
