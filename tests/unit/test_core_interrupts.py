"""An exception after every single bytecode of the session client: nothing lost, nothing doubled, nothing stuck.

The n-th bytecode that runs inside mobula._core or mobula._lane during an operation raises KeyboardInterrupt, for every n. What
must hold afterwards: the next operation works, every number was applied once, and what was submitted is in order.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
from core_kit import inline, put
from fake_core import FakeCore

import mobula
from mobula._core.pb import boundary_pb2 as pb
from mobula._core.process import Process
from mobula.object_ref import ObjectRef

ROOMS = tuple(os.path.join(path, room) + os.sep for path in mobula.__path__ for room in ("_core", "_lane"))


class Interrupter:
    """Raises KeyboardInterrupt at the n-th bytecode inside the rooms."""

    def __init__(self, at: int) -> None:
        self.left = at

    def __call__(self, frame: FrameType, event: str, argument: Any) -> Any:
        if not frame.f_code.co_filename.startswith(ROOMS):
            return None
        frame.f_trace_opcodes = True
        frame.f_trace_lines = False
        return self.step

    def step(self, frame: FrameType, event: str, argument: Any) -> Any:
        if event == "opcode":
            self.left -= 1
            if self.left == 0:
                sys.settrace(None)
                raise KeyboardInterrupt
        return self.step


def interrupted(at: int, operation: Callable[[], object]) -> bool:
    """Whether the operation was long enough to be interrupted there."""
    tracer = Interrupter(at)
    before = sys.gettrace()
    sys.settrace(tracer)
    try:
        operation()
    except KeyboardInterrupt:
        pass
    finally:
        sys.settrace(before)
    return tracer.left <= 0


@pytest.fixture
def core(tmp_path: Path) -> Iterator[FakeCore]:
    with FakeCore(str(tmp_path)) as core:
        yield core


@pytest.fixture
def process(core: FakeCore) -> Iterator[Process]:
    process = Process.attach_driver(core)
    yield process
    process.close()


def mark(process: Process, text: bytes) -> None:
    process.mutate(pb.Mutation(export=pb.Export(key=text)))


def marks(core: FakeCore) -> list[bytes]:
    return [one.export.key for one in core.history if one.HasField("export")]


def check(core: FakeCore, process: Process, step: int) -> None:
    """The session works, for this thread and for another one."""
    assert process.get([ObjectRef._owned(known(core))], 10) == ["known"], step
    got: list[object] = []
    other = threading.Thread(target=lambda: got.extend(process.get([ObjectRef._owned(known(core))], 10)))
    other.start()
    other.join(10)
    assert got == ["known"], step
    with core.lock:
        assert core.applied == len(core.history)
        assert not core.waiting


def known(core: FakeCore) -> bytes:
    object_id = b"k" * 28
    with core.lock:
        core.objects[object_id] = inline("known")
    return object_id


def run_everywhere(core: FakeCore, process: Process, operation: Callable[[int], object], stride: int = 1) -> int:
    for step in range(1, 20_000, stride):
        if not interrupted(step, lambda step=step: operation(step)):  # type: ignore[misc]
            return step
        check(core, process, step)
    raise AssertionError("the operation never came to its end")


def test_in_a_mutation(core: FakeCore, process: Process) -> None:
    mark(process, b"warm")
    steps = run_everywhere(core, process, lambda step: mark(process, b"%d" % step))
    assert steps > 50
    core.until(lambda: marks(core)[-1] == b"%d" % steps)
    numbers = [int(one) for one in marks(core)[1:]]
    assert numbers == sorted(set(numbers))


def test_in_a_get(core: FakeCore, process: Process) -> None:
    mark(process, b"warm")
    assert run_everywhere(core, process, lambda step: process.get([ObjectRef._owned(known(core))], 10)) > 100
    core.until(lambda: not core.parked)


def test_in_a_put_of_a_large_value(core: FakeCore, process: Process) -> None:
    def large(step: int) -> None:
        core._next_offset = 0  # what was interrupted may leave a block behind; their bytes do not matter here
        put(process, bytes(200_000))

    large(0)
    assert run_everywhere(core, process, large) > 100


# An interrupted connect() leaves its socket to the garbage collector, which warns before it closes it.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning", "ignore::ResourceWarning")
def test_in_the_opening_of_a_lane(core: FakeCore, process: Process) -> None:
    def first_use(step: int) -> None:
        process._lane().close()
        mark(process, b"%d" % step)

    assert run_everywhere(core, process, first_use, 5) > 1000
    numbers = [int(one) for one in marks(core)]
    assert numbers == sorted(set(numbers))
