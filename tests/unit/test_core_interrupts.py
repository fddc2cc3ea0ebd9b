"""An exception after every single bytecode of the session client: nothing lost, nothing doubled, nothing stuck.

The n-th bytecode that runs inside the package during an operation raises KeyboardInterrupt, for every n. What
must hold afterwards: the next operation works, every number was applied once, what was submitted is in order, and no handle,
pin or block is left of what was interrupted.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from bytecodes import ROOMS, WHOLE, interrupted, run_everywhere
from core_kit import put, submit
from fake_core import FakeCore
from interrupt_checks import known, nothing_left, works

from mobula._core.pb import boundary_pb2 as pb
from mobula._core.process import Process
from mobula.object_ref import ObjectRef

pytestmark = pytest.mark.timeout(1800 if WHOLE else 120)


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


def test_in_a_mutation(core: FakeCore, process: Process) -> None:
    mark(process, b"warm")
    steps = run_everywhere("mutation", lambda step: mark(process, b"%d" % step), works(core, process))
    assert steps > 50
    core.until(lambda: marks(core)[-1] == b"%d" % steps)
    numbers = [int(one) for one in marks(core)[1:]]
    assert numbers == sorted(set(numbers))


def test_in_a_get(core: FakeCore, process: Process) -> None:
    mark(process, b"warm")
    assert run_everywhere("get", lambda step: process.get([ObjectRef._owned(known(core))], 10), works(core, process), 3) > 100
    nothing_left(core)


def test_in_a_get_of_large_values(core: FakeCore, process: Process) -> None:
    ids = [b"1" * 28, b"2" * 28]
    for object_id in ids:
        core.finish(object_id, pb.Value(block=core.block(b"x" * 5000), metadata=b"RAW"))

    def get(step: int) -> None:
        # The second one is in use already: its pin goes back at once.
        assert process.get([ObjectRef._owned(one) for one in ids], 10) == [b"x" * 5000] * 2

    get(0)
    assert run_everywhere("get of large values", get, works(core, process), 5) > 200
    nothing_left(core)


def test_in_a_put_of_a_large_value(core: FakeCore, process: Process) -> None:
    def large(step: int) -> None:
        core._next_offset = 0  # the bytes do not matter here
        put(process, bytes(200_000))

    large(0)
    assert run_everywhere("put of a large value", large, works(core, process), 5) > 100
    nothing_left(core)


def test_in_a_call(core: FakeCore, process: Process) -> None:
    submit(process, 1)
    assert run_everywhere("submission", lambda step: submit(process, step), works(core, process)) > 100
    nothing_left(core)


def test_in_the_making_of_a_handle(core: FakeCore, process: Process) -> None:
    kept = [put(process, 1)]
    object_id = kept[0].binary()
    mark(process, b"warm")
    assert run_everywhere("making of a handle", lambda step: ObjectRef(object_id), works(core, process)) > 10
    core.until(lambda: core.refs[object_id] == 1)
    kept.clear()
    nothing_left(core)


# An interrupted connect() leaves its socket to the garbage collector, which warns before it closes it.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning", "ignore::ResourceWarning")
def test_in_the_opening_of_a_lane(core: FakeCore, process: Process) -> None:
    def first_use(step: int) -> None:
        process._lane().close()
        mark(process, b"%d" % step)

    assert run_everywhere("opening of a lane", first_use, works(core, process), 9) > 1000
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
