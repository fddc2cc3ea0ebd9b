"""A worker's main lane in the test's own process, with a stand-in for the helper thread's 10 ms tick."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Iterator
from typing import Any

from fake_process import FakeProcess, run_of

from mobula._core.pb import boundary_pb2 as pb
from mobula._core.runs import Run
from mobula._worker.assembly import prepare
from mobula._worker.interrupts import Interrupts


class Rig:
    """`process` and `lane` are the fake core's side; `executor` is run by the test, on the main thread."""

    def __init__(self) -> None:
        self.process = FakeProcess()
        self.interrupts = Interrupts()
        self.interrupts.install()
        self.worker, self.executor = prepare(self.process, self.process.ticket_fd, self.interrupts)
        self.lane = self.process.lanes.get_nowait()

    def do(self, function: Any, *args: Any, **options: Any) -> pb.TaskDone:
        """Run one task and give its report."""
        self.executor.run(run_of(function, *args, **options))
        return self.process.next_done(0)

    def serve(self, *runs: Run) -> list[pb.TaskDone]:
        """Run what the lane brings: these runs, or drop them."""
        for run in runs:
            self.lane.feed(run)
        self.lane.poll()
        while self.lane.runs:
            self.executor.run(self.lane.runs.popleft())
        return self.reports()

    def reports(self) -> list[pb.TaskDone]:
        done = []
        while not self.process.done.empty():
            done.append(self.process.next_done())
        return done

    def cancel(self, epoch: int) -> None:
        """What the core does: first the word, then the signal."""
        self.process.cancel(self.lane, epoch)
        os.kill(os.getpid(), signal.SIGINT)


@contextlib.contextmanager
def rigged() -> Iterator[Rig]:
    """A rig; the SIGINT handler and the environment are as before afterwards."""
    before = signal.getsignal(signal.SIGINT)
    environment = dict(os.environ)
    os.environ.pop("OMP_NUM_THREADS", None)
    try:
        yield Rig()
    finally:
        signal.signal(signal.SIGINT, before)
        os.environ.clear()
        os.environ.update(environment)


@contextlib.contextmanager
def ticking(rig: Rig, period: float = 0.01) -> Iterator[None]:
    """The helper thread's tick."""
    stop = threading.Event()

    def tick() -> None:
        while not stop.wait(period):
            rig.interrupts.tick()

    thread = threading.Thread(target=tick)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
