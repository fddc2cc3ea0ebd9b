"""Outcomes sent ahead: what a thread calls and then waits for comes without being asked for; all else is asked for."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from core_kit import failure, inline
from fake_core import FakeCore

from mobula._core import page
from mobula._core.lanes import MOST_AHEAD, Lane
from mobula._core.pb import boundary_pb2 as pb
from mobula._core.process import Process
from mobula._core.transport import LaneClosed
from mobula.exceptions import TaskCancelledError
from mobula.object_ref import ObjectRef


@pytest.fixture
def core(tmp_path: Path) -> Iterator[FakeCore]:
    with FakeCore(str(tmp_path)) as core:
        yield core


@pytest.fixture
def process(core: FakeCore) -> Iterator[Process]:
    process = Process.attach_driver(core)
    yield process
    process.close()


def call(process: Process, value: pb.Value, name: str = "f") -> ObjectRef[Any]:
    """A call whose result the fake core makes of its argument, as `.remote()` makes one."""
    task_id = process.new_task_id()
    ref = ObjectRef._called(task_id + b"\1\0\0\0")
    spec = pb.TaskSpec(task_id=task_id, name=name, num_returns=1, args=[pb.Arg(value=value)])
    process.submit_one(spec.SerializeToString(), ref._id)
    ref._counted()
    return ref


def lane_of(process: Process) -> Lane:
    return process._lane()


def test_a_call_and_its_get_are_one_message_each_way(core: FakeCore, process: Process) -> None:
    for number in range(3 * MOST_AHEAD):
        assert process.get([call(process, inline(number))]) == [number]
    assert core.sent_ahead == 3 * MOST_AHEAD
    assert core.gets == 0
    assert not lane_of(process)._ahead


def test_an_error_is_raised(core: FakeCore, process: Process) -> None:
    with pytest.raises(ZeroDivisionError, match="by nothing"):
        process.get([call(process, failure(ZeroDivisionError("by nothing")))])
    assert core.gets == 0


def test_a_large_value_is_asked_for(core: FakeCore, process: Process) -> None:
    value = inline("large")
    block = core.block(value.data)
    ref = call(process, pb.Value(block=block, metadata=value.metadata))
    assert process.get([ref]) == ["large"]
    assert core.sent_ahead == 1
    assert core.gets == 1


def test_another_thread_asks(core: FakeCore, process: Process) -> None:
    ref = call(process, inline(5))
    found: list[Any] = []
    thread = threading.Thread(target=lambda: found.extend(process.get([ref])))
    thread.start()
    thread.join(60)
    assert found == [5]
    assert core.gets == 1


def test_a_get_with_a_limit_or_of_several_asks(core: FakeCore, process: Process) -> None:
    assert process.get([call(process, inline(1))], 60) == [1]
    assert process.get([call(process, inline(1)), call(process, inline(2))]) == [1, 2]
    assert core.gets == 2


def test_of_many_calls_under_way_few_are_expected(core: FakeCore, process: Process) -> None:
    refs = [call(process, inline(number), "never") for number in range(4 * MOST_AHEAD)]
    core.until(lambda: core.applied == 4 * MOST_AHEAD)
    assert len(core.ahead) == MOST_AHEAD
    for number, ref in enumerate(refs):
        core.finish(ref._id, inline(number))
    assert [process.get([ref]) for ref in refs] == [[number] for number in range(4 * MOST_AHEAD)]


def test_what_nobody_asks_for_makes_room(core: FakeCore, process: Process) -> None:
    for number in range(50):
        call(process, inline(number))
        lane = lane_of(process)
        while None in lane._ahead.values():
            assert lane.ready().wait_readable(60)
            lane.poll()
        assert len(lane._ahead) <= MOST_AHEAD
        assert core.sent_ahead == number + 1


def test_a_lane_lost_while_it_waits(core: FakeCore, process: Process) -> None:
    ref = call(process, inline(0), "never")

    def lose() -> None:
        core.until(lambda: lane_of_main._watching)
        for lane in list(core.lanes):
            if lane.attach.kind == pb.LANE_CALLS:
                lane.cut()
        core.until(lambda: core.gets > 0)
        core.finish(ref._id, inline("late"))

    lane_of_main = lane_of(process)
    thread = threading.Thread(target=lose)
    thread.start()
    assert process.get([ref]) == ["late"]
    thread.join(60)


def test_an_interrupted_wait_can_be_taken_up_again(core: FakeCore, process: Process) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGUSR1, interrupt)
    lane = lane_of(process)
    try:
        ref = call(process, inline(0), "never")
        thread = threading.Thread(target=lambda: (core.until(lambda: lane._watching), os.kill(os.getpid(), signal.SIGUSR1)))
        thread.start()
        with pytest.raises(KeyboardInterrupt):
            process.get([ref])
        thread.join(60)
    finally:
        signal.signal(signal.SIGUSR1, before)
    core.finish(ref._id, inline("there"))
    assert process.get([ref]) == ["there"]
    assert core.gets == 0


def test_a_signal_handler_calls_and_gets_meanwhile(core: FakeCore, process: Process) -> None:
    found: list[Any] = []

    def handler(*_: object) -> None:
        found.extend(process.get([call(process, inline("inner"))]))
        core.finish(ref._id, inline("outer"))

    before = signal.signal(signal.SIGUSR1, handler)
    lane = lane_of(process)
    try:
        ref = call(process, inline(0), "never")
        thread = threading.Thread(target=lambda: (core.until(lambda: lane._watching), os.kill(os.getpid(), signal.SIGUSR1)))
        thread.start()
        assert process.get([ref]) == ["outer"]
        thread.join(60)
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert found == ["inner"]


def test_a_worker_asks_for_it_lends_its_cpu_while_it_waits(core: FakeCore, process: Process) -> None:
    process._expects = False  # as attach_worker has it
    assert process.get([call(process, inline(1))]) == [1]
    assert (core.sent_ahead, core.gets) == (0, 1)


def test_what_a_waited_for_cancel_ends_is_known_when_it_returns(core: FakeCore, process: Process) -> None:
    refs = [call(process, inline(number), "never") for number in range(3 * MOST_AHEAD)]
    before = core.gets
    for ref in refs:
        process.cancel(ref, False, True)
        with pytest.raises(TaskCancelledError):
            process.get([ref])
    assert core.gets == before


def test_a_cancel_that_comes_too_late_changes_nothing(core: FakeCore, process: Process) -> None:
    ref = call(process, inline(3))
    process.cancel(ref, False, True)
    assert process.get([ref]) == [3]


@pytest.fixture
def words(process: Process) -> memoryview:
    """Of a cancel page: `process` has one from here on, and waits for no cancel."""
    process._words = memoryview(bytearray(8 * 8)).cast("Q")
    return process._words


def test_the_number_of_a_cancel_is_noted_before_it_is_written(
    core: FakeCore, process: Process, words: memoryview, monkeypatch: pytest.MonkeyPatch
) -> None:
    ref = call(process, inline(1), "never")
    lane, noted = lane_of(process), []
    send = lane.send_one

    def note_and_send(stream: Any, message: bytes) -> None:
        noted.append((words[page.ASKED], process._log.safe))
        send(stream, message)

    monkeypatch.setattr(lane, "send_one", note_and_send)
    process.cancel(ref, False, True)
    assert noted == [(process._log.last(), process._log.last() - 1)]
    assert core.syncs == 0
    with pytest.raises(TaskCancelledError):
        process.get([ref])


def test_one_question_tells_what_became_of_all_that_was_canceled(core: FakeCore, process: Process, words: memoryview) -> None:
    refs = [call(process, inline(number), "never") for number in range(5 * MOST_AHEAD)]
    late = call(process, inline(7))
    for ref in [*refs, late]:
        process.cancel(ref, False, True)
    for ref in refs:
        with pytest.raises(TaskCancelledError):
            process.get([ref])
    assert (core.syncs, core.gets) == (1, 0)
    assert process.get([late]) == [7]
    assert not process.canceled


def test_a_ref_that_went_before_it_was_got(core: FakeCore, process: Process, words: memoryview) -> None:
    refs = [call(process, inline(number), "never") for number in range(3 * MOST_AHEAD)]
    for ref in refs:
        process.cancel(ref, False, True)
    del refs[::2], ref
    with pytest.raises(TaskCancelledError):
        process.get([refs[-1]])
    assert process.get([call(process, inline(1))]) == [1]


def test_a_cancel_whose_lane_is_lost_is_waited_for(
    core: FakeCore, process: Process, words: memoryview, monkeypatch: pytest.MonkeyPatch
) -> None:
    ref = call(process, inline(1), "never")
    lane = lane_of(process)

    def lose(stream: Any, message: bytes) -> None:
        monkeypatch.undo()
        raise LaneClosed("the test cut this lane")

    monkeypatch.setattr(lane, "send_one", lose)
    process.cancel(ref, False, True)
    assert core.applied >= words[page.ASKED] > 0
    assert core.cancels
