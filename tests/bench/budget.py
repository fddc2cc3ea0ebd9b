"""What a call costs each process, in CPU time: calls in batches of 1,000 on the driver, the core and the workers.

    python budget.py actor|async|threaded|task [--batches 150]

Wall time on a machine that others use says little, and an average is spoiled by whoever else ran. So each batch is measured by
itself, and the fastest tenth and the middle are shown. "submit" ends when the last `.remote()` has returned, "get" when the
values are there; the driver's CPU is split alike. All figures are microseconds per call.
"""

import argparse
import os
import time

from cpu import children, cpu

import mobula

CALLS = 1000
ap = argparse.ArgumentParser()
ap.add_argument("kind", choices=["actor", "async", "threaded", "task"])
ap.add_argument("--batches", type=int, default=150)
args = ap.parse_args()


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


def measure(call, core, workers):
    """One batch, as microseconds per call."""
    core_before, workers_before = cpu(core), cpu(workers)
    wall, mine, whole = [time.perf_counter_ns()], [time.thread_time_ns()], time.process_time_ns()
    refs = [call() for _ in range(CALLS)]
    wall.append(time.perf_counter_ns())
    mine.append(time.thread_time_ns())
    mobula.get(refs)
    wall.append(time.perf_counter_ns())
    mine.append(time.thread_time_ns())
    whole = time.process_time_ns() - whole
    del refs
    costs = (cpu(core) - core_before, cpu(workers) - workers_before)
    row = (wall[2] - wall[0], wall[1] - wall[0], wall[2] - wall[1], whole, mine[1] - mine[0], mine[2] - mine[1], *costs)
    return [value / CALLS / 1000 for value in row]


def show(what, rows):
    wall, submit, get, driver, own_submit, own_get, core, workers = (sum(column) / len(rows) for column in zip(*rows, strict=True))
    print(
        f"{args.kind:8s} {what:14s} {1e6 / wall:7.0f}/s  wall {wall:6.2f} (submit {submit:5.2f}, get {get:5.2f})  CPU: "
        f"driver {driver:5.2f} (submit {own_submit:5.2f}, get {own_get:5.2f}), core {core:5.2f}, workers {workers:5.2f}, "
        f"together {driver + core + workers:6.2f}"
    )


def main():
    mobula.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
    actor = {
        "actor": lambda: Actor.remote(),
        "threaded": lambda: Actor.options(max_concurrency=16).remote(),
        "async": lambda: AsyncActor.remote(),
        "task": lambda: None,
    }[args.kind]()
    # The attribute is looked up for each call, as programs do.
    call = small_value.remote if actor is None else lambda: actor.small_value.remote()
    for _ in range(5):
        mobula.get([call() for _ in range(CALLS)])
    core = children(os.getpid())[:1]
    rows = sorted(measure(call, core, children(core[0])) for _ in range(args.batches))
    tenth = max(1, args.batches // 10)
    middle = args.batches // 2
    show("fastest tenth", rows[:tenth])
    show("middle", rows[middle - tenth : middle + tenth])
    mobula.shutdown()


if __name__ == "__main__":
    main()
