"""An exception after every single bytecode of the session client: nothing lost, nothing doubled, nothing stuck.

The n-th bytecode that runs inside mobula._core or mobula._lane during an operation raises KeyboardInterrupt, for every n. What
must hold afterwards: the next operation works, every number was applied once, what was submitted is in order, and no handle,
pin or block is left of what was interrupted.
"""

from __future__ import annotations

import dis
import gc
import os
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
from core_kit import inline, put, submit
from fake_core import FakeCore

import mobula
from mobula._core.pb import boundary_pb2 as pb
from mobula._core.process import Process
from mobula.object_ref import ObjectRef

ROOMS = tuple(
    os.path.join(path, room) for path in mobula.__path__ for room in ("_core" + os.sep, "_lane" + os.sep, "object_ref.py")
)


# What the compiler adds where a handler of exceptions begins and ends. No signal handler runs before these, and nothing may be
# raised there: the interpreter holds on to the exception that was being handled, for as long as the thread lives, and with it
# to the frames of its traceback.
GLUE = frozenset({"PUSH_EXC_INFO", "POP_EXCEPT", "RERAISE", "COPY", "WITH_EXCEPT_START", "CHECK_EXC_MATCH", "CLEANUP_THROW"})


class Interrupter:
    """Raises KeyboardInterrupt at the n-th bytecode inside the rooms, or the next one where an interrupt may be."""

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
            if self.left <= 0 and dis.opname[frame.f_code.co_code[frame.f_lasti]] not in GLUE:
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
    other.join(60)
    assert got == ["known"], step
    with core.lock:
        assert core.applied == len(core.history)
        assert not core.waiting


def nothing_left(core: FakeCore) -> None:
    """Whatever is still queued comes to the core, and leaves no handle, pin or block there that nobody has."""
    gc.collect()  # an exception and the frame that holds it are a cycle
    try:
        core.until(lambda: not +core.refs and not +core.pins and not core.writing and not core.parked)
    except AssertionError:
        raise AssertionError((+core.refs, +core.pins, core.writing, core.parked)) from None
    assert not -core.pins


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
    nothing_left(core)


def test_in_a_get_of_large_values(core: FakeCore, process: Process) -> None:
    ids = [b"1" * 28, b"2" * 28]
    for object_id in ids:
        core.finish(object_id, pb.Value(block=core.block(b"x" * 5000), metadata=b"RAW"))

    def get(step: int) -> None:
        # The second one is in use already: its pin goes back at once.
        assert process.get([ObjectRef._owned(one) for one in ids], 10) == [b"x" * 5000] * 2

    get(0)
    assert run_everywhere(core, process, get) > 200
    nothing_left(core)


def test_in_a_put_of_a_large_value(core: FakeCore, process: Process) -> None:
    def large(step: int) -> None:
        core._next_offset = 0  # the bytes do not matter here
        put(process, bytes(200_000))

    large(0)
    assert run_everywhere(core, process, large) > 100
    nothing_left(core)


def test_in_a_call(core: FakeCore, process: Process) -> None:
    submit(process, 1)
    assert run_everywhere(core, process, lambda step: submit(process, step)) > 100
    nothing_left(core)


def test_in_the_making_of_a_handle(core: FakeCore, process: Process) -> None:
    kept = [put(process, 1)]
    object_id = kept[0].binary()
    mark(process, b"warm")
    assert run_everywhere(core, process, lambda step: ObjectRef(object_id)) > 20
    core.until(lambda: core.refs[object_id] == 1)
    kept.clear()
    nothing_left(core)


# An interrupted connect() leaves its socket to the garbage collector, which warns before it closes it.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning", "ignore::ResourceWarning")
def test_in_the_opening_of_a_lane(core: FakeCore, process: Process) -> None:
    def first_use(step: int) -> None:
        process._lane().close()
        mark(process, b"%d" % step)

    assert run_everywhere(core, process, first_use, 5) > 1000
    numbers = [int(one) for one in marks(core)]
    assert numbers == sorted(set(numbers))


def test_an_interrupter_leaves_the_interpreter_as_it_was() -> None:
    def handles() -> None:
        try:
            raise IndexError("handled")
        except IndexError:
            pass

    handles.__code__ = handles.__code__.replace(co_filename=ROOMS[0] + "handles.py")
    at = 0
    while interrupted(at := at + 1, handles):
        assert sys.exc_info() == (None, None, None), at
    assert at > 5
