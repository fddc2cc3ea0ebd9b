"""How a program ends: without waiting for what runs, with its own exit code, with nothing left (mobula.testing looks)."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from driver_kit import ENV, HEAD, program

BUSY = """
import os, sys, time, threading, asyncio
ray.init(num_cpus=2)
@ray.remote
def sleeps():
    time.sleep(600)
@ray.remote
def spins():
    while True:
        pass
@ray.remote(max_concurrency=3)
class Actor:
    def sleeps(self): time.sleep(600)
    def ready(self): return 1
@ray.remote
class Async:
    async def sleeps(self): await asyncio.sleep(600)
actor, loop = Actor.remote(), Async.remote()
refs = [sleeps.remote(), spins.remote(), sleeps.remote(), actor.sleeps.remote(), loop.sleeps.remote()]
ray.get(actor.ready.remote())
"""


@pytest.mark.parametrize(
    ("ending", "code", "last"),
    [
        ("", 0, ""),
        ("sys.exit(0)", 0, ""),
        ("sys.exit(7)", 7, ""),
        ("sys.exit('a sentence')", 1, "a sentence"),
        ("raise KeyError('uncaught')", 1, "KeyError: 'uncaught'"),
        ("raise SystemExit", 0, ""),
        ("os._exit(9)", 9, ""),
        ("os.kill(os.getpid(), 15)", -15, ""),
        ("os.kill(os.getpid(), 9)", -9, ""),
        ("os.kill(os.getpid(), 2)", -2, "KeyboardInterrupt"),
        ("ray.shutdown(); sys.exit(3)", 3, ""),
        ("ray.get(ray.put(1)); del actor, loop, refs; sys.exit(4)", 4, ""),
        ("threading.Thread(target=lambda: ray.get(refs[0]), daemon=True).start(); time.sleep(0.1); sys.exit(5)", 5, ""),
        ("import atexit; atexit.register(lambda: print(ray.get(actor.ready.remote()))); sys.exit(6)", 6, ""),
    ],
    ids=lambda value: str(value)[:40] if isinstance(value, str) else None,
)
def test_it_ends_at_once_with_its_own_code(tmp_path: Path, ending: str, code: int, last: str | None) -> None:
    # What runs would go on for ten minutes: that the program has ended shows that nobody waited for it.
    done = program(tmp_path, BUSY + ending + "\n", timeout=60)
    assert done.code == code, done.err
    if last is not None:
        assert done.err.rstrip("\n").rpartition("\n")[2] == last


def test_ctrl_c_in_a_blocked_get_and_going_on(tmp_path: Path) -> None:
    script = tmp_path / "program.py"
    script.write_text(
        HEAD
        + BUSY
        + """
for call in (lambda: ray.get(refs[0]), lambda: ray.wait([refs[3]]), lambda: ray.get(refs)):
    print("waiting", flush=True)
    try:
        call()
    except KeyboardInterrupt:
        print("interrupted", ray.get(actor.ready.remote()), flush=True)
"""
    )
    child = subprocess.Popen([sys.executable, script], env=ENV, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert child.stdout is not None
    try:
        for _ in range(3):
            assert child.stdout.readline() == "waiting\n"
            time.sleep(0.2)
            child.send_signal(signal.SIGINT)
            assert child.stdout.readline() == "interrupted 1\n"
        assert child.wait(timeout=60) == 0
    finally:
        child.kill()
        _, err = child.communicate()
    assert err == ""


def test_ctrl_c_of_a_terminal_reaches_the_driver_alone(tmp_path: Path) -> None:
    """A terminal signals the whole foreground group; workers must not print a traceback each."""
    script = tmp_path / "program.py"
    script.write_text(HEAD + BUSY + "print('waiting', flush=True)\nray.get(refs[0])\n")
    child = subprocess.Popen(
        [sys.executable, script], env=ENV, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    assert child.stdout is not None
    assert child.stdout.readline() == "waiting\n"
    os.killpg(child.pid, signal.SIGINT)
    out, err = child.communicate(timeout=60)
    assert child.returncode == -signal.SIGINT
    assert out == ""
    assert err.count("Traceback") == 1
    assert err.rstrip().endswith("KeyboardInterrupt")


def test_two_sessions_and_a_fork_in_one_program(tmp_path: Path) -> None:
    done = program(
        tmp_path,
        """
        import multiprocessing as mp, os
        @ray.remote
        def f(x): return x + 1
        def child(queue):
            try:
                ray.get(f.remote(1))
            except RuntimeError as error:
                queue.put(str(error))
        if __name__ == "__main__":
            assert ray.get(f.remote(1)) == 2
            queue = mp.get_context("fork").Queue()
            process = mp.get_context("fork").Process(target=child, args=(queue,))
            process.start()
            print(queue.get(timeout=60))
            process.join()
            assert ray.get(f.remote(2)) == 3
            ray.shutdown()
            assert ray.get(f.remote(3)) == 4
        """,
    )
    assert (done.code, done.err) == (0, "")
    assert "fork" in done.out
    assert done.out.count("\n") == 1


def test_a_ref_of_a_session_that_has_ended(tmp_path: Path) -> None:
    done = program(
        tmp_path,
        """
        @ray.remote
        def f(): return 1
        ref, large = f.remote(), ray.put(bytes(1 << 20))
        ray.shutdown()
        for one in (ref, large):
            try:
                ray.get(one)
            except ray.exceptions.RayError as error:
                print(error)
        """,
    )
    assert (done.code, done.err) == (0, "")
    assert done.out.count("of a session that has ended") == 2
