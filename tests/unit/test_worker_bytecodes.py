"""The cancel of a task arrives at every bytecode of its run, one after the other: one report each, and none reaches the next task.

What test_worker_interrupts.py does with signals at random moments is done here in order: at the n-th bytecode of the package, or of
the task's own code, the core's word is set and the handler is called as the interpreter would call it. A signal that has to wait is
sent again at every bytecode from then on, as the helper's tick sends it, so it comes at the very first place where it may.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
from bytecodes import GLUE_OPCODES, ROOMS, WHOLE, Count, Tracer, counts, stride_of
from fake_core import JOB, FakeCore
from fake_process import creation_of, method_of, run_of
from worker_rig import Rig, rigged

from mobula._core import page
from mobula._core.pb import boundary_pb2 as pb
from mobula._core.process import Process
from mobula._core.runs import Run
from mobula._worker import outcome
from mobula._worker.assembly import prepare
from mobula._worker.config import WorkerConfig
from mobula._worker.interrupts import Interrupts


@pytest.fixture
def rig() -> Iterator[Rig]:
    with rigged() as made:
        yield made


class Canceler(Tracer):
    """Cancels the run of an epoch at the n-th bytecode, and sends the signal at each one after that until it raises."""

    rooms = (*ROOMS, __file__)

    def __init__(self, rig: Rig, at: int, epoch: int) -> None:
        self._rig = rig
        self._epoch = epoch
        self.left = at

    def step(self, frame: FrameType, event: str, argument: Any) -> Any:
        if event == "opcode":
            self.left -= 1
            if self.left == 0:
                self._rig.process.cancel(self._rig.lane, self._epoch)
            if self.left <= 0 and frame.f_code.co_code[frame.f_lasti] not in GLUE_OPCODES:
                self._rig.interrupts._on_signal(2, frame)
        return self.step


def everywhere(rig: Rig, name: str, make: Callable[[int], Run], wants: Callable[[pb.TaskDone], bool], stride: int) -> None:
    """Cancels the run that `make(epoch)` gives at every bytecode of it, until it is over before that."""
    first, stride = stride_of(stride)
    outcomes = set()
    for turn, at in enumerate(range(first, 50_000, stride)):
        epoch = 2 * turn + 1
        canceler = Canceler(rig, at, epoch)
        before = sys.gettrace()
        sys.settrace(canceler)
        try:
            rig.executor.run(make(epoch))
        finally:
            sys.settrace(before)
        (done,) = rig.reports()
        outcomes.add(done.outcome)
        assert done.outcome == pb.OUTCOME_CANCELED or wants(done), (at, done)
        if canceler.left > 0:
            assert wants(done)
            break
        # The word and a signal that is late are for the run that is over.
        rig.interrupts._on_signal(2, sys._getframe())
        rig.executor.run(run_of(len, "next", epoch=epoch + 1))
        (after,) = rig.reports()
        assert after.outcome == pb.OUTCOME_OK, at
    else:
        raise AssertionError(f"{name} never came to its end")
    counts[name] = Count(at - 1, turn)
    assert pb.OUTCOME_CANCELED in outcomes


def is_ok(done: pb.TaskDone) -> bool:
    return done.outcome == pb.OUTCOME_OK


def test_a_task(rig: Rig) -> None:
    """From before its code is loaded to behind the delivery of its result."""
    everywhere(rig, "worker: a task", lambda epoch: run_of(total, 1, 2, epoch=epoch), is_ok, 1)


def total(*values: int) -> int:
    out = 0
    for value in values:
        out += value
    return out


def test_a_task_with_a_large_result_of_many_parts(rig: Rig) -> None:
    everywhere(rig, "worker: three results", lambda epoch: run_of(three, epoch=epoch, num_returns=3), is_ok, 1)


def three() -> tuple[int, bytes, list[int]]:
    return 1, bytes(200_000), [2]


def test_a_task_that_fails(rig: Rig) -> None:
    """Its error, or that it was canceled: never the interrupt as its error."""

    def failed(done: pb.TaskDone) -> bool:
        return done.outcome == pb.OUTCOME_ERROR and "ValueError: no" in done.error_text

    everywhere(rig, "worker: a task that fails", lambda epoch: run_of(fail, epoch=epoch), failed, 2)


def fail() -> None:
    raise ValueError("no")


def test_a_generator(rig: Rig) -> None:
    everywhere(rig, "worker: a generator", lambda epoch: run_of(items, epoch=epoch, num_returns=2), is_ok, 1)


def items() -> Iterator[int]:
    yield 1
    yield 2


def test_a_method_is_interrupted_nowhere(rig: Rig) -> None:
    """It has its result whenever it is canceled after it began; the core makes a canceled call of it."""
    rig.executor.run(creation_of(Adder))
    rig.reports()
    first, stride = stride_of(1)
    for turn, at in enumerate(range(first, 50_000, stride)):
        epoch = 2 * turn + 1
        canceler = Canceler(rig, at, epoch)
        before = sys.gettrace()
        sys.settrace(canceler)
        try:
            rig.executor.run(method_of("add", 2, epoch=epoch))
        finally:
            sys.settrace(before)
        (done,) = rig.reports()
        assert done.outcome in (pb.OUTCOME_OK, pb.OUTCOME_CANCELED), at
        if canceler.left > 0:
            break
    counts["worker: a method"] = Count(at - 1, turn)
    assert WHOLE or turn > 10


class Everywhere(Tracer):
    """Calls the handler of SIGINT at every bytecode of the package, which is to raise nowhere there."""

    def __init__(self, interrupts: Interrupts) -> None:
        self._interrupts = interrupts
        self.calls = 0

    def step(self, frame: FrameType, event: str, argument: Any) -> Any:
        if event == "opcode":
            self.calls += 1
            self._interrupts._on_signal(2, frame)
        return self.step


def test_the_attaching_of_a_worker_and_the_delivery_of_a_result(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The real ones, against a core that keeps the promises of the wire: signals at every bytecode change nothing."""
    monkeypatch.setattr(os, "_exit", lambda code: pytest.fail(f"the worker left with {code}"))
    page_fd, ticket_fd = os.memfd_create("page"), os.eventfd(0, os.EFD_NONBLOCK | os.EFD_SEMAPHORE)
    os.ftruncate(page_fd, page.BYTES)
    interrupts = Interrupts()
    run = run_of(three, epoch=5, num_returns=3)
    with rigged(), FakeCore(str(tmp_path)) as core:
        interrupts.install()
        config = WorkerConfig(
            worker_id=b"w" * 28,
            socket_path=core.socket_path,
            token=core.token,
            arena_fd=core.arena_fd,
            arena_bytes=core.arena_bytes,
            page_fd=page_fd,
            ticket_fd=ticket_fd,
            core_pid=0,
            job_id=JOB,
        )
        tracer = Everywhere(interrupts)
        before = sys.gettrace()
        sys.settrace(tracer)
        try:
            process = Process.attach_worker(config)
            _, executor = prepare(process, ticket_fd, interrupts)
        finally:
            sys.settrace(before)
        counts["worker: attaching"] = Count(tracer.calls, tracer.calls)
        whole = outcome.done_ok

        def canceled_now(*args: Any) -> Any:
            os.pwrite(page_fd, (5 << 1 | 1).to_bytes(8, "little"), 8 * executor._slot)
            return whole(*args)

        # The cancel comes when the task's own code has ended: its result is delivered all the same, once.
        monkeypatch.setattr(outcome, "done_ok", canceled_now)
        tracer = Everywhere(interrupts)
        sys.settrace(tracer)
        try:
            executor.run(run)
        finally:
            sys.settrace(before)
        counts["worker: delivery"] = Count(tracer.calls, tracer.calls)
        executor.run(run_of(len, "next", epoch=6))
        core.until(lambda: len(core.dones) == 2)
        first, second = (done for _, done in core.dones)
        assert (first.outcome, len(first.returns), first.returns[1].HasField("block")) == (pb.OUTCOME_OK, 3, True)
        assert second.outcome == pb.OUTCOME_OK
        assert second.task_id != first.task_id
        process.close()
    os.close(page_fd)
    os.close(ticket_fd)


class Adder:
    """For a method."""

    def __init__(self) -> None:
        self.sum = 0

    def add(self, value: int) -> int:
        self.sum += value
        return self.sum
