"""A program prints what it prints and nothing else, also where warnings are errors."""

from __future__ import annotations

from pathlib import Path

import pytest
from driver_kit import program

TYPICAL = """
import asyncio, threading, time
import numpy as np

@ray.remote
def square(x):
    return x * x

@ray.remote
def total(array):
    return float(array.sum())

@ray.remote
def fails():
    raise ValueError("expected")

@ray.remote
def parent():
    return sum(ray.get([square.remote(n) for n in range(3)]))

@ray.remote(max_concurrency=4)
class Threaded:
    def __init__(self): self.lock, self.n = threading.Lock(), 0
    def add(self, k):
        with self.lock:
            self.n += k
        return self.n
    def waits(self):
        while not ray.get_runtime_context().is_canceled():
            time.sleep(0.01)
        return "tidy"

@ray.remote
class Async:
    async def twice(self, x):
        await asyncio.sleep(0.01)
        return 2 * x
    async def waits(self):
        await asyncio.sleep(60)

@ray.remote
def sleeps():
    time.sleep(60)

def main():
    assert ray.get([square.remote(n) for n in range(20)]) == [n * n for n in range(20)]
    array = np.arange(1_000_000, dtype=np.float64)
    ref = ray.put(array)
    assert ray.get(total.remote(ref)) == array.sum()
    back = ray.get(ref)
    assert (back == array).all() and not back.flags.writeable
    try:
        ray.get(fails.remote())
    except ValueError:
        pass
    assert ray.get(parent.remote()) == 5
    threaded, loop = Threaded.remote(), Async.remote()
    ray.get([threaded.add.remote(n) for n in range(10)])
    assert ray.get(loop.twice.remote(4)) == 8
    for waiting in (threaded.waits.remote(), loop.waits.remote(), sleeps.remote()):
        time.sleep(0.1)
        ray.cancel(waiting)
        try:
            ray.get(waiting, timeout=60)
            raise AssertionError("not canceled")
        except ray.exceptions.TaskCancelledError:
            pass
    ready, rest = ray.wait([square.remote(n) for n in range(5)], num_returns=5, timeout=60)
    assert len(ready) == 5 and not rest
    ray.kill(threaded)
    ray.get_runtime_context().get_job_id()
    assert ray.cluster_resources()["CPU"]
    print("done")

if __name__ == "__main__":
    main()
"""


def test_hello_world(tmp_path: Path) -> None:
    done = program(tmp_path, '@ray.remote\ndef f():\n    return "hello"\nprint(ray.get(f.remote()))\n')
    assert (done.code, done.out, done.err) == (0, "hello\n", "")


@pytest.mark.parametrize("options", [(), ("-W", "error"), ("-X", "dev"), ("-b", "-W", "always"), ("-O",)], ids=" ".join)
def test_a_typical_program(tmp_path: Path, options: tuple[str, ...]) -> None:
    done = program(tmp_path, TYPICAL, *options)
    assert (done.code, done.out, done.err) == (0, "done\n", "")


@pytest.mark.parametrize("variable", ["PYTHONWARNINGS=error", "PYTHONDEVMODE=1", "PYTHONUNBUFFERED=1", "PYTHONUTF8=1"])
def test_variables_of_the_interpreter_reach_the_workers(tmp_path: Path, variable: str) -> None:
    name, _, value = variable.partition("=")
    done = program(tmp_path, TYPICAL, env={name: value})
    assert (done.code, done.out, done.err) == (0, "done\n", "")
