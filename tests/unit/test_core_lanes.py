"""Lanes of threads: one order for the process, lost lanes, ended threads, forked children, a core that dies."""

from __future__ import annotations

import gc
import os
import queue
import signal
import socket
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from core_kit import inline, put, submit
from fake_core import FakeCore

from mobula import exceptions
from mobula._core import process as module
from mobula._core import wire
from mobula._core.mutations import MutationLog
from mobula._core.pb import boundary_pb2 as pb
from mobula._core.process import Process
from mobula._lane import LaneClosed

HERE = Path(__file__).parent


@pytest.fixture
def core(tmp_path: Path) -> Iterator[FakeCore]:
    with FakeCore(str(tmp_path)) as core:
        yield core


@pytest.fixture
def process(core: FakeCore) -> Iterator[Process]:
    process = Process.attach_driver(core)
    yield process
    process.close()


def submitted(core: FakeCore) -> list[bytes]:
    return [one.submit.task_id for one in core.history if one.HasField("submit")]


def test_two_threads_hand_refs_to_each_other(core: FakeCore, process: Process) -> None:
    there: queue.SimpleQueue[Any] = queue.SimpleQueue()
    back: queue.SimpleQueue[Any] = queue.SimpleQueue()
    wrong: list[object] = []

    def other() -> None:
        for number in range(300):
            ref = there.get()
            if process.get([ref], 20) != [number]:
                wrong.append(number)
            del ref
            back.put(submit(process, -number))

    thread = threading.Thread(target=other)
    thread.start()
    order = []
    for number in range(300):
        ref = submit(process, number)
        order.append(ref.task_id().binary())
        there.put(ref)
        del ref
        answer = back.get(timeout=60)
        order.append(answer.task_id().binary())
        assert process.get([answer], 20) == [-number]
    thread.join(20)
    assert not wrong
    assert submitted(core) == order
    assert core.seen_again == 0


def test_a_mutation_is_on_the_wire_when_it_returns(core: FakeCore, process: Process) -> None:
    for number in range(20):
        submit(process, number)
    # Nothing else happens in this process from here on.
    core.until(lambda: core.applied >= 20, 5)


@pytest.mark.parametrize("cut", [1, 2, 17])
def test_a_lane_that_is_cut_loses_and_doubles_nothing(core: FakeCore, process: Process, cut: int) -> None:
    core.cut_next_lanes_after = cut
    order = []
    for number in range(200):
        order.append(submit(process, number).task_id().binary())
        if number == 60:
            core.cut_next_lanes_after = None
    assert process.get([put(process, "end")]) == ["end"]
    core.until(lambda: len(submitted(core)) == 200)
    assert submitted(core) == order


def test_a_lane_that_died_unnoticed_is_found_by_the_helper(core: FakeCore, process: Process) -> None:
    core.cut_next_lanes_after = 0
    order = [submit(process, 1).task_id().binary()]
    core.cut_next_lanes_after = None
    core.until(lambda: submitted(core) == order, 10)


def test_a_request_whose_lane_is_lost_is_asked_again(core: FakeCore, process: Process) -> None:
    ref = submit(process, 1, "never")
    got: list[Any] = []
    thread = threading.Thread(target=lambda: got.extend(process.get([ref], 20)))
    thread.start()
    core.until(lambda: len(core.parked) == 1)
    with core.lock:
        core.parked.pop().lane.cut()
    core.until(lambda: len(core.parked) == 1)
    core.finish(ref.binary(), inline("late"))
    thread.join(60)
    assert got == ["late"]


def test_answers_may_come_in_any_order(core: FakeCore, process: Process) -> None:
    refs = [submit(process, 1, "never") for _ in range(8)]
    got: dict[int, Any] = {}

    def ask(index: int) -> None:
        got[index] = process.get([refs[index]], 20)[0]

    threads = [threading.Thread(target=ask, args=(index,)) for index in range(8)]
    for thread in threads:
        thread.start()
    core.until(lambda: len(core.parked) == 8)
    for index in (5, 0, 7, 3, 1, 2, 6, 4):
        core.finish(refs[index].binary(), inline(index))
    for thread in threads:
        thread.join(60)
    assert got == {index: index for index in range(8)}


def test_acks_that_come_late_only_keep_the_log_longer(core: FakeCore, process: Process) -> None:
    core.ack_every, core.ack_in_replies = 0, False
    refs = [submit(process, number) for number in range(2500)]
    assert process.get(refs) == list(range(2500))
    assert process._log.unacknowledged() >= 2500  # a ref of the test before this one may have gone meanwhile
    core.ack_in_replies = True
    process.request(pb.Request(sync=pb.Sync()))
    deadline = time.monotonic() + 5
    while process._log.unacknowledged() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert process._log.unacknowledged() == 0


def test_the_log_of_a_quiet_process_is_emptied(core: FakeCore, process: Process) -> None:
    submit(process, 1)
    deadline = time.monotonic() + 10
    while process._log.unacknowledged() and time.monotonic() < deadline:
        time.sleep(0.02)
    assert process._log.unacknowledged() == 0


def test_short_lived_threads_leave_no_descriptor(core: FakeCore, process: Process) -> None:
    def work() -> None:
        assert process.get([submit(process, 5)]) == [5]

    def descriptors() -> int:
        return len(os.listdir("/proc/self/fd"))

    def run(count: int) -> None:
        for _ in range(count // 20):
            threads = [threading.Thread(target=work) for _ in range(20)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join(30)
        core.until(lambda: len(core.lanes) <= 2)

    run(40)
    gc.collect()
    before = descriptors()
    run(1000)
    gc.collect()
    deadline = time.monotonic() + 5
    while descriptors() > before and time.monotonic() < deadline:
        time.sleep(0.05)
    assert descriptors() <= before


def test_what_a_thread_wrote_last_arrives_although_it_ended(core: FakeCore, process: Process) -> None:
    for _ in range(50):
        thread = threading.Thread(target=submit, args=(process, 1))
        thread.start()
        thread.join()
    core.until(lambda: len(submitted(core)) == 50)


def test_closing_ends_the_waiting_of_other_threads(core: FakeCore, process: Process) -> None:
    ref = submit(process, 1, "never")
    got: list[BaseException] = []

    def block() -> None:
        try:
            process.get([ref])
        except BaseException as error:
            got.append(error)

    thread = threading.Thread(target=block)
    thread.start()
    core.until(lambda: len(core.parked) == 1)
    process.close()
    process.close()
    thread.join(60)
    assert isinstance(got[0], exceptions.RaySystemError)
    assert module.current() is None
    with pytest.raises(exceptions.RaySystemError, match="init"):
        submit(process, 1)


def test_a_wrong_token_is_refused_in_words(core: FakeCore) -> None:
    core.token, right = b"0" * 32, core.token
    handle = type(
        "Handle",
        (),
        {"token": right, "socket_path": core.socket_path, "arena_fd": -1, "arena_bytes": 0, "spill_fd": -1, "page_fd": -1},
    )
    handle.pid, handle.describe_end, handle.stop = 0, lambda self: "", lambda self: None  # type: ignore[attr-defined]
    with pytest.raises(exceptions.RaySystemError, match="wrong token"):
        Process.attach_driver(handle())
    assert module.current() is None


def test_nobody_at_the_socket(core: FakeCore) -> None:
    core.socket_path += ".gone"
    with pytest.raises(exceptions.RaySystemError, match="gone"):
        Process.attach_driver(core)


def test_require_without_a_session_asks_the_hook(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_auto_init", None)  # whoever used the API before has set it
    with pytest.raises(RuntimeError, match="init"):
        module.require()
    called: list[int] = []
    module.set_auto_init(lambda: called.append(1))
    try:
        with pytest.raises(RuntimeError):
            module.require()
    finally:
        module.set_auto_init(None)
    assert called == [1]


# ---------------------------------------------------------------------------------------------- processes


SCRIPT = """
import os, sys, threading, time
sys.path.insert(0, {here!r})
from core_kit import put, submit
from fake_core import FakeCore
from mobula import exceptions
from mobula._core import process as module
from mobula._core import wire
from mobula._core.process import Process
"""


def run_script(tmp_path: Path, body: str, timeout: float = 60) -> str:
    path = tmp_path / "script.py"
    path.write_text(SCRIPT.format(here=str(HERE)) + textwrap.dedent(body))
    command = [sys.executable, "-W", "ignore", str(path), str(tmp_path)]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=timeout)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_a_stream_given_away_while_the_core_dies_is_closed(process: Process, monkeypatch: pytest.MonkeyPatch) -> None:
    # The helper was writing the mutation that gives the stream's requests up when the core went.
    reader, writer = socket.socketpair()
    tried = threading.Event()

    class Stream:
        def close(self) -> None:
            writer.close()

    def write(*_: Any, **__: Any) -> int:
        tried.set()
        raise LaneClosed("the core has died")

    monkeypatch.setattr(MutationLog, "write", write)
    process._helper.forsake(Stream())  # type: ignore[arg-type]
    assert tried.wait(60)
    monkeypatch.undo()
    process.close()
    with reader:
        reader.settimeout(10)
        assert reader.recv(1) == b""
    assert writer.fileno() == -1


OUTSIDE = """
import secrets, subprocess
class Outside:
    arena_fd, arena_bytes, spill_fd, page_fd = -1, 0, -1, -1
    def __init__(self, folder):
        self.token = secrets.token_bytes(32)
        self.socket_path = os.path.join(folder, "core.sock")
        command = [sys.executable, os.path.join({here!r}, "fake_core.py"), folder, self.token.hex()]
        self.child = subprocess.Popen(command, stdout=subprocess.PIPE)
        self.child.stdout.readline()
        self.pid = self.child.pid
    def stop(self):
        self.child.kill()
        self.child.wait()
    def describe_end(self):
        return "killed by signal 9"
"""


def test_a_forked_child_is_told_what_to_do_and_disturbs_nobody(tmp_path: Path) -> None:
    out = run_script(
        tmp_path,
        OUTSIDE.format(here=str(HERE))
        + """
core = Outside(sys.argv[1])
process = Process.attach_driver(core)
refs = [submit(process, n) for n in range(10)]
assert process.get(refs) == list(range(10))
fds = len(os.listdir("/proc/self/fd"))
child = os.fork()
if child == 0:
    code = 1
    try:
        del refs[:]
        assert module.current() is None
        for call in (module.require, lambda: submit(process, 1)):
            try:
                call()
            except RuntimeError as error:
                assert "fork" in str(error), error
            else:
                raise AssertionError("no error")
        process.close()
        assert len(os.listdir("/proc/self/fd")) <= fds - 4, os.listdir("/proc/self/fd")
        code = 0
    except BaseException:
        import traceback
        traceback.print_exc()
    finally:
        os._exit(code)
assert os.waitpid(child, 0)[1] == 0
time.sleep(0.1)
assert process.get([submit(process, "fine")], 10) == ["fine"]
assert process.get(refs) == list(range(10))
process.close()
print("done")
""",
    )
    assert out == "done\n"


def test_a_child_may_have_a_session_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "child").mkdir()
    out = run_script(
        tmp_path,
        OUTSIDE.format(here=str(HERE))
        + """
core = Outside(sys.argv[1])
process = Process.attach_driver(core)
child = os.fork()
if child == 0:
    code = 1
    try:
        own_core = Outside(os.path.join(sys.argv[1], "child"))
        own = Process.attach_driver(own_core)
        assert own.get([submit(own, 7)], 10) == [7] and module.require() is own
        own.close()
        code = 0
    finally:
        os._exit(code)
assert os.waitpid(child, 0)[1] == 0
assert process.get([submit(process, "fine")], 10) == ["fine"]
process.close()
print("done")
""",
    )
    assert out == "done\n"


def test_the_death_of_the_core_ends_every_wait_within_a_second(tmp_path: Path) -> None:
    out = run_script(
        tmp_path,
        OUTSIDE.format(here=str(HERE))
        + """
core = Outside(sys.argv[1])
process = Process.attach_driver(core)
never = submit(process, 1, "never")
future = process.future(never)
ends = []
def block(call):
    try:
        call()
    except exceptions.RaySystemError as error:
        ends.append(str(error))
calls = [lambda: process.get([never]), lambda: process.wait([never]), lambda: future.result()]
threads = [threading.Thread(target=block, args=(call,)) for call in calls]
for thread in threads:
    thread.start()
time.sleep(0.3)
core.child.kill()
for thread in threads:
    thread.join(60)
assert len(ends) == 3, ends
for text in ends:
    assert "mobula-core ended: killed by signal 9" in text and "init()" in text, text
block(lambda: submit(process, 2))
block(lambda: process.get([never], 0))
assert len(ends) == 5
process.close()
print("done")
""",
    )
    assert out == "done\n"


def test_a_worker_ends_with_its_core(tmp_path: Path) -> None:
    run_script(
        tmp_path,
        OUTSIDE.format(here=str(HERE))
        + """
core = Outside(sys.argv[1])
from mobula._worker.config import WorkerConfig
child = os.fork()
if child == 0:
    config = WorkerConfig(worker_id=b"w" * 28, socket_path=core.socket_path, token=core.token, arena_fd=-1,
                          arena_bytes=0, page_fd=-1, ticket_fd=-1, core_pid=core.pid)
    process = Process.attach_worker(config)
    time.sleep(600)
    os._exit(0)
time.sleep(1)
core.child.kill()
status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
assert status == 71, status
""",
    )


def test_an_idle_process_costs_next_to_nothing(tmp_path: Path) -> None:
    out = run_script(
        tmp_path,
        OUTSIDE.format(here=str(HERE))
        + """
core = Outside(sys.argv[1])
process = Process.attach_driver(core)
process.get([submit(process, 1)])
time.sleep(2.5)
before = time.process_time()
time.sleep(2)
print((time.process_time() - before) / 2)
process.close()
""",
    )
    assert float(out) < 0.01


def test_ctrl_c_in_a_wait_keeps_the_session(tmp_path: Path) -> None:
    out = run_script(
        tmp_path,
        OUTSIDE.format(here=str(HERE))
        + """
import signal
core = Outside(sys.argv[1])
process = Process.attach_driver(core)
never = submit(process, 1, "never")
for _ in range(3):
    signal.setitimer(signal.ITIMER_REAL, 0.2)
    def ring(*_):
        raise KeyboardInterrupt
    signal.signal(signal.SIGALRM, ring)
    lane = process._lane()
    fd = lane.fileno()
    try:
        process.get([never])
    except KeyboardInterrupt:
        pass
    else:
        raise AssertionError
    assert lane.fileno() == fd, "an interrupt in the wait must not cost the lane"
    assert process.get([submit(process, "fine")], 10) == ["fine"]
process.close()
print("done")
""",
    )
    assert out == "done\n"


def test_an_abandoned_request_is_taken_back_at_once(core: FakeCore, process: Process) -> None:
    never = submit(process, 1, "never")

    def ring(*arguments: object) -> None:
        raise TimeoutError("rung")

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, 0.1)
    try:
        with pytest.raises(TimeoutError, match="rung"):
            process.get([never])
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    core.until(lambda: not core.parked)


@pytest.mark.parametrize("large", [True, False])
def test_a_late_answer_to_a_request_that_was_given_up_leaves_nothing(core: FakeCore, process: Process, large: bool) -> None:
    ref = submit(process, 1, "never")
    core.hold_replies = True
    core.finish(ref.binary(), pb.Value(block=core.block(b"x" * 5000), metadata=b"RAW") if large else inline(b"y"))
    begun = time.monotonic()
    with pytest.raises(exceptions.GetTimeoutError, match="does not answer"):
        process.get([ref], timeout=0.01)
    assert time.monotonic() - begun >= 1
    with core.lock:  # the answer is given first, and then the mutation is applied that gives it up
        core.hold_replies = False
        core.settle()
    core.until(lambda: not core.parked and not +core.pins)
    assert process.get([ref]) == [b"x" * 5000 if large else b"y"]


def test_a_stream_on_which_something_was_given_up_is_closed_after_the_core_knows(core: FakeCore, process: Process) -> None:
    ref = put(process, b"x" * 200_000)
    lane = process._lane()
    with core.lock:  # the core reads nothing
        with pytest.raises(exceptions.GetTimeoutError, match="does not answer"):
            process.get([ref], timeout=0.01)
        stream = lane._stream
        assert stream is not None
        lane.drop(stream)  # as an interrupt in the middle of the next message does
        assert stream.fileno() >= 0, "closed before the core can have learned what was given up on it"
        here = list(core.lanes)
    core.until(lambda: not core.parked and not +core.pins)
    core.until(lambda: set(core.lanes) != set(here))  # and closed then
    assert process.get([ref]) == [b"x" * 200_000]


def test_a_lane_that_is_lost_while_a_request_is_written_asks_on_the_next(
    core: FakeCore, process: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    ref = put(process, b"x" * 200_000)
    lane = process._lane()
    send = lane.send
    lost = []

    def lose_once(*arguments: Any) -> None:
        if not lost:
            lost.append(arguments)
            raise LaneClosed("lost")
        send(*arguments)

    monkeypatch.setattr(lane, "send", lose_once)
    mutation = pb.Mutation(export=pb.Export(namespace="n", key=b"k", value=b"v")).SerializeToString()
    reply = lane.call(lambda: wire.get_body(ref.binary(), -1, b"", False), [mutation])
    assert lost
    assert len(reply.get.values) == 1
    assert core.table["n", b"k"] == b"v"
    assert not lane.in_use()
