"""How a worker process ends, in real processes: exit status, output, atexit handlers, and that nothing holds it back."""

from __future__ import annotations

import re
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent

HEAD = """
import atexit, os, sys, threading, time
sys.path.insert(0, {here!r})
from fake_process import FakeProcess, creation_of, method_of, run_of
from mobula._core.pb import boundary_pb2 as pb
from mobula._core.process import Process
from mobula._worker import main

process = FakeProcess()
class Config:
    ticket_fd = process.ticket_fd
    session_dir = ""
Process.attach_worker = classmethod(lambda cls, config: process)

def close():
    print("closed", file=sys.stderr)
process.close = close

def core(*steps):
    def work():
        lane = process.lanes.get(timeout=60)
        for step in steps:
            step(lane)
    threading.Thread(target=work, daemon=True).start()

def run(lane, one):
    lane.feed(one)
    process.done.get(timeout=60)
"""


def run_worker(body: str) -> subprocess.CompletedProcess[str]:
    script = HEAD.format(here=str(HERE)) + textwrap.dedent(body) + "\nmain.run_worker(Config)\n"
    done = subprocess.run([sys.executable, "-W", "error", "-c", script], check=False, capture_output=True, text=True, timeout=60)
    # The core takes the marks out.
    done.stdout, done.stderr = (re.sub("\x1emobula:[^\x1f]*\x1f", "", one) for one in (done.stdout, done.stderr))
    return done


def test_exit_says_goodbye_to_user_code_and_the_core() -> None:
    done = run_worker(
        """
        def greet():
            atexit.register(print, "atexit ran")
            print("no newline at the end", end="")
        core(lambda lane: run(lane, run_of(greet)), lambda lane: lane.feed(exit=pb.Exit(now=True, why="idle")))
        """
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "no newline at the endatexit ran\n", "closed\n")


def test_an_actors_shutdown_hook_runs_once() -> None:
    done = run_worker(
        """
        class Actor:
            def __ray_shutdown__(self):
                print("hook ran")
        core(lambda lane: run(lane, creation_of(Actor)), lambda lane: lane.feed(exit=pb.Exit()))
        """
    )
    assert (done.returncode, done.stdout) == (0, "hook ran\n")


@pytest.mark.parametrize("statement", ["raise SystemExit(3)", "sys.exit(3)", "os._exit(3)"])
def test_a_task_that_ends_its_process(statement: str) -> None:
    done = run_worker(
        f"""
        def stop():
            import os, sys
            print("last words")
            {statement}
        core(lambda lane: lane.feed(run_of(stop)))
        """
    )
    assert (done.returncode, done.stdout) == (3, "last words\n")


def test_a_lost_core_ends_the_worker_at_once_and_without_user_code() -> None:
    done = run_worker(
        """
        def greet():
            atexit.register(print, "atexit ran")
        core(lambda lane: run(lane, run_of(greet)), lambda lane: lane.lose())
        """
    )
    assert (done.returncode, done.stdout, done.stderr) == (71, "", "")


def test_threads_and_handlers_of_the_user_do_not_hold_the_process() -> None:
    done = run_worker(
        """
        def clutter():
            import atexit, threading, time
            threading.Thread(target=time.sleep, args=(600,)).start()
            def fail():
                raise RuntimeError("a handler that fails")
            atexit.register(fail)
        core(lambda lane: run(lane, run_of(clutter)), lambda lane: lane.feed(exit=pb.Exit()))
        """
    )
    assert done.returncode == 0
    assert "a handler that fails" in done.stderr


def test_an_exit_waits_for_a_running_method_unless_it_says_now() -> None:
    body = """
        class Actor:
            def work(self):
                import time
                print("begins")
                time.sleep(0.3)
                print("ends")
                return 1
        def in_thread(lane):
            lane.feed(open_lane=pb.OpenLane(opening=1))
            process.lanes.get(timeout=60).feed(method_of("work"))
            time.sleep(0.1)
        core(lambda lane: run(lane, creation_of(Actor)), in_thread, lambda lane: lane.feed(exit=pb.Exit(now=NOW)))
        """
    assert run_worker(body.replace("NOW", "False")).stdout == "begins\nends\n"
    assert run_worker(body.replace("NOW", "True")).stdout == "begins\n"


def test_a_fault_of_the_shim_is_told() -> None:
    done = run_worker(
        """
        def break_it(lane):
            lane.runs = None
            lane.feed(run_of(len))
        core(break_it)
        """
    )
    assert done.returncode == 70
    assert "Traceback" in done.stderr


def test_an_async_actor_leaves_by_exit_actor() -> None:
    done = run_worker(
        """
        class Actor:
            async def leave(self):
                from mobula._worker.actor import exit_actor
                exit_actor()
        def leave(lane):
            lane.feed(open_lane=pb.OpenLane(opening=1))
            process.lanes.get(timeout=60).feed(method_of("leave"))
        core(lambda lane: run(lane, creation_of(Actor, is_asyncio=True)), leave)
        """
    )
    assert (done.returncode, done.stderr) == (0, "closed\n")


def test_a_signal_while_idle_does_nothing() -> None:
    done = run_worker(
        """
        import signal
        def interrupt(lane):
            for _ in range(50):
                os.kill(os.getpid(), signal.SIGINT)
                time.sleep(0.001)
            lane.feed(exit=pb.Exit())
        core(interrupt)
        """
    )
    assert (done.returncode, done.stderr) == (0, "closed\n")
