"""Drivers as processes of their own, and what a session may leave on the machine: nothing."""

from __future__ import annotations

import contextlib
import glob
import json
import os
import signal
import subprocess
import sys
import tempfile
import textwrap
import time
from collections.abc import Callable, Iterator
from typing import Any

import mobula

PATIENCE_S = 60.0


def until(what: str, condition: Callable[[], bool]) -> None:
    """Wait for something that happens in other processes, which send this one no signal."""
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, f"never: {what}"
        time.sleep(0.005)


@contextlib.contextmanager
def stopped_core() -> Iterator[None]:
    """The core of this process's session is stopped (SIGSTOP) inside."""
    pid = mobula.session.process().session.core_pid
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def is_alive(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            return file.read().rpartition(b")")[2].split()[0] not in (b"Z", b"X")
    except OSError:
        return False


def children(parent: int) -> list[int]:
    """The pids of a process's children, whichever of its threads made them."""
    found: set[int] = set()
    for thread in os.listdir(f"/proc/{parent}/task"):
        with open(f"/proc/{parent}/task/{thread}/children") as file:
            found |= {int(pid) for pid in file.read().split()}
    return sorted(found)


def processes_of(mark: str) -> dict[int, str]:
    """Every process that has the session's mark in its environment or command line, by pid."""
    found = {}
    for path in glob.glob("/proc/[0-9]*"):
        pid = int(path.rpartition("/")[2])
        for name in ("cmdline", "environ"):
            try:
                with open(f"{path}/{name}", "rb") as file:
                    content = file.read()
            except OSError:
                continue
            if mark.encode() in content and pid != os.getpid():
                found[pid] = content.replace(b"\0", b" ").decode(errors="replace")[:200] if name == "cmdline" else name
    return found


def assert_nothing_left(session_dir: str) -> None:
    """No process, no folder. Waits: the ends of several processes are several events."""
    mark = os.path.basename(session_dir)
    until(f"the end of {processes_of(mark)}", lambda: not processes_of(mark))
    until("the end of the folder", lambda: not os.path.exists(session_dir))


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


class Driver:
    """A Python program that uses mobula. It prints JSON lines; its stderr is kept."""

    def __init__(self, program: str, temp_dir: str) -> None:
        self.errors = tempfile.TemporaryFile()  # noqa: SIM115 - closed by close()
        self.process = subprocess.Popen(
            [sys.executable, "-u", "-c", textwrap.dedent(program)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.errors,
            env={**os.environ, "XDG_RUNTIME_DIR": temp_dir},
            start_new_session=True,
        )
        self.pid = self.process.pid

    def read(self) -> dict[str, Any]:
        """The next line. Raises AssertionError with the program's stderr when it ended instead."""
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, f"the driver ended with {self.process.wait()}:\n{self.stderr()}"
        told: dict[str, Any] = json.loads(line)
        return told

    def say(self) -> None:
        """Let it go on past its `wait()`."""
        assert self.process.stdin is not None
        self.process.stdin.write(b"\n")
        self.process.stdin.flush()

    def stderr(self) -> str:
        self.errors.seek(0)
        return self.errors.read().decode()

    def kill(self) -> None:
        self.process.kill()

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        for stream in (self.process.stdin, self.process.stdout, self.errors):
            assert stream is not None
            with contextlib.suppress(BrokenPipeError):
                stream.close()


# A session with two actors, one of which has a child in a session of its own, as daemons are.
PRELUDE = """
import json, os, signal, subprocess, sys, threading, time
import mobula
from mobula import session

def tell(**fields):
    print(json.dumps(fields), flush=True)

def wait():
    sys.stdin.readline()

@mobula.remote
class Actor:
    def pid(self):
        return os.getpid()
    def start_child(self):
        return subprocess.Popen(["sleep", "1000"], start_new_session=True).pid
    def parent(self):
        return os.getppid()

@mobula.remote
def add(a, b):
    return a + b

def zygote_of(core):
    for name in os.listdir("/proc"):
        try:
            with open(f"/proc/{name}/comm") as comm, open(f"/proc/{name}/stat") as stat:
                if comm.read().strip() == "mobula-zygote" and int(stat.read().rpartition(")")[2].split()[1]) == core:
                    return int(name)
        except (OSError, ValueError):
            pass
    return 0

def tell_all():
    actors = [Actor.remote(), Actor.remote()]
    workers = mobula.get([actor.pid.remote() for actor in actors])
    child = mobula.get(actors[0].start_child.remote())
    core = mobula.get(actors[0].parent.remote())
    tell(core=core, workers=workers, child=child, zygote=zygote_of(core), session=session.started().session_dir)
    return actors
"""


@contextlib.contextmanager
def driver(program: str, temp_dir: str) -> Iterator[Driver]:
    running = Driver(PRELUDE + textwrap.dedent(program), temp_dir)
    try:
        yield running
    finally:
        running.close()


def kill(*pids: int) -> None:
    """SIGKILL them all before any of them can react."""
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
