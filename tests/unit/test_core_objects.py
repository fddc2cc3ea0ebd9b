"""get, wait, put, store and load against a scripted core, through both transports."""

from __future__ import annotations

import gc
import math
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from core_kit import failure, inline, put, submit, submit_value
from fake_core import FakeCore

from mobula import exceptions
from mobula._core.pb import boundary_pb2 as pb
from mobula._core.process import Process
from mobula._core.recent import MOST_KEPT, Recent
from mobula.object_ref import ObjectRef
from mobula.serialization import serialize


@pytest.fixture(params=["lane", "grpcio"], autouse=True)
def transport(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MOBULA_TRANSPORT", request.param)


@pytest.fixture
def core(tmp_path: Path) -> Iterator[FakeCore]:
    with FakeCore(str(tmp_path)) as core:
        yield core


@pytest.fixture
def process(core: FakeCore) -> Iterator[Process]:
    process = Process.attach_driver(core, "mine")
    yield process
    process.close()


def test_who_we_are(process: Process) -> None:
    assert (process.mode, process.namespace, process.job_id) == ("driver", "mine", b"\1\0\0\0")
    assert process.worker_id == b"\1\0\0\0" + b"\xff" * 24
    assert process.node_id == b"n" * 28


def test_put_and_get_a_small_value_asks_nobody(core: FakeCore, process: Process) -> None:
    ref = put(process, {"k": [1]})
    assert process.get([ref]) == [{"k": [1]}]
    assert all(not lane.asked for lane in core.lanes)


def test_two_gets_never_give_the_same_object(process: Process) -> None:
    ref = submit(process, [1, 2])
    first = process.get([ref])[0]
    first.append(3)
    assert process.get([ref]) == [[1, 2]]


def test_a_result_is_asked_for_once(core: FakeCore, process: Process) -> None:
    ref = submit(process, "again")
    assert [process.get([ref]) for _ in range(3)] == [["again"]] * 3
    assert sum(len(lane.asked) for lane in core.lanes) == 1


def test_a_list_keeps_its_order_and_may_repeat(process: Process) -> None:
    refs = [submit(process, number) for number in range(5)]
    assert process.get([refs[3], refs[0], refs[3], refs[1]]) == [3, 0, 3, 1]


def test_an_empty_list(process: Process) -> None:
    assert process.get([]) == []


def test_a_thousand_refs(process: Process) -> None:
    refs = [submit(process, number) for number in range(1000)]
    assert process.get(refs) == list(range(1000))


def test_an_error_is_raised_as_its_cause_each_time(process: Process) -> None:
    ref = submit_value(process, failure(ValueError("bad")))
    for _ in range(2):
        with pytest.raises(ValueError, match="bad") as caught:
            process.get([ref])
        assert isinstance(caught.value, exceptions.RayTaskError)


def test_a_known_error_is_raised_before_others_are_waited_for(process: Process) -> None:
    never, bad = submit(process, 1, "never"), submit_value(process, failure(KeyError("known")))
    with pytest.raises(KeyError):
        process.get([bad])
    with pytest.raises(KeyError):
        process.get([never, bad], 20)


def test_an_error_of_another_is_raised_early(process: Process) -> None:
    never, bad = submit(process, 1, "never"), submit_value(process, failure(KeyError("early")))
    with pytest.raises(KeyError):
        process.get([never, bad], 20)


def test_timeouts_of_get(core: FakeCore, process: Process) -> None:
    never = submit(process, 1, "never")
    start = time.monotonic()
    with pytest.raises(exceptions.GetTimeoutError):
        process.get([never], 0.2)
    assert time.monotonic() - start > 0.15
    with pytest.raises(exceptions.GetTimeoutError):
        process.get([never], 0)
    for wrong in (-1, -0.001, math.nan):
        with pytest.raises(ValueError):
            process.get([never], wrong)
    core.finish(never.binary(), inline("late"))
    assert process.get([never], 1e12) == ["late"]


def test_wait_keeps_the_order_and_the_number(process: Process) -> None:
    never = submit(process, 1, "never")
    there = [submit(process, number) for number in range(3)]
    refs = [there[2], never, there[0], there[1]]
    assert process.wait(refs, 2) == ([there[2], there[0]], [never, there[1]])
    assert process.wait(refs, 3) == ([there[2], there[0], there[1]], [never])
    assert process.wait(refs, 4, 0.05) == ([there[2], there[0], there[1]], [never])
    assert process.wait([never], 1, 0) == ([], [never])
    with pytest.raises(ValueError):
        process.wait([never], 1, -1)


def test_wait_for_what_is_known_asks_nobody(core: FakeCore, process: Process) -> None:
    refs = [put(process, number) for number in range(3)]
    assert process.wait(refs, 2) == (refs[:2], refs[2:])
    assert all(not lane.asked for lane in core.lanes)


def test_a_loop_over_wait_asks_when_nothing_more_is_known_to_be_ready(core: FakeCore, process: Process) -> None:
    def asked() -> int:
        return sum(request.HasField("wait") for lane in core.lanes for request in lane.asked)

    never = submit(process, 1, "never")
    late = submit(process, 2, "never")
    there = [submit(process, number) for number in range(4)]
    pending = [there[0], never, there[1], there[2], late, there[3]]
    taken = []
    for _ in range(4):
        ready, pending = process.wait(pending)
        taken += ready
    assert (taken, pending) == (there, [never, late])
    assert asked() == 1
    core.finish(late._id, inline(2))
    assert process.wait(pending) == ([late], [never])
    assert process.wait([never], 1, 0) == ([], [never])
    assert asked() == 3


def test_what_is_known_of_other_refs_says_nothing(core: FakeCore, process: Process) -> None:
    never = [submit(process, number, "never") for number in range(2)]
    there = [submit(process, number) for number in range(3)]
    assert process.wait([*there, *never]) == ([there[0]], [*there[1:], *never])
    assert process.wait([never[0], there[1], there[2], never[1]]) == ([there[1]], [never[0], there[2], never[1]])
    assert process.wait([never[0], there[2], never[1]], 2, 0) == ([there[2]], [never[0], never[1]])
    many = [submit(process, number) for number in range(40)]
    assert process.wait([*never, *many], 30) == (many[:30], [*never, *many[30:]])


def test_a_large_value_goes_through_the_arena(core: FakeCore, process: Process) -> None:
    array = np.arange(200_000, dtype=np.int64)
    ref = put(process, array)
    assert ref._value is None
    got = process.get([ref, ref])
    assert all(np.array_equal(one, array) for one in got)
    assert not got[0].flags.writeable
    with core.lock:
        assert core.pins[1] == 1
    again = process.get([ref])[0]
    core.until(lambda: core.pins[1] == 1)  # the second pin is surplus while the map lives
    part = got[0][5:]
    del got, again
    gc.collect()
    time.sleep(0.1)
    assert core.pins[1] == 1
    del part
    core.until(lambda: core.pins[1] == 0)


def test_a_large_value_that_was_got_a_moment_ago_is_not_asked_for(
    core: FakeCore, process: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    refs = [put(process, np.arange(20_000) + number) for number in range(MOST_KEPT + 1)]
    looked = threading.Event()
    with monkeypatch.context() as patch:
        patch.setattr(Recent, "forget", lambda recent: looked.set())  # for as long as this takes, the helper thread is a blind one
        for _ in range(3):
            assert process.get([refs[0]])[0][-1] == 19_999
        assert process.get([refs[0]], 60)[0][-1] == 19_999
        assert core.gets == 1
        first = process.get([refs[0]])[0]
        for number, ref in enumerate(refs):  # more than are kept
            assert process.get([ref])[0][0] == number
        assert process.get([refs[0]])[0][0] == 0
        assert core.gets == len(refs) + 1
        assert looked.wait(60)
        assert core.pins[1] > 0
    core.until(lambda: not any(core.pins[number + 1] for number in range(1, len(refs))))
    assert core.pins[1] == 1
    assert first[-1] == 19_999
    del first
    core.until(lambda: core.pins[1] == 0)


def test_views_outlive_the_session(core: FakeCore, process: Process) -> None:
    array = process.get([put(process, np.arange(200_000))])[0]
    process.close()
    assert array[199_999] == 199_999


def test_the_limit_between_inline_and_arena(process: Process) -> None:
    assert not process.store(serialize(b"x" * 102_000)).HasField("block")
    assert process.store(serialize(b"x" * 103_000)).HasField("block")


def test_a_write_that_fails_gives_the_block_back(core: FakeCore, process: Process) -> None:
    class Broken:
        size = 200_000
        metadata = b"RAW"
        contained: list[bytes] = []  # noqa: RUF012

        def write_into(self, target: memoryview) -> None:
            raise MemoryError("in the middle")

    with pytest.raises(MemoryError):
        process.store(Broken())  # type: ignore[arg-type]
    core.until(lambda: core.discarded == [1])


def test_a_full_store_is_a_clear_error(process: Process) -> None:
    with pytest.raises(exceptions.ObjectStoreFullError, match="full"):
        process.store(serialize(b"x" * (65 << 20)))


def test_refusals_become_exceptions(process: Process) -> None:
    with pytest.raises(ValueError, match="no such actor"):
        process.request(pb.Request(lookup_actor=pb.LookupActor(name="x")))


def test_exports_are_sent_once_and_found(core: FakeCore, process: Process) -> None:
    for _ in range(3):
        process.export("fun", b"key", b"value", ("m", "", "f", "h"))
    assert process.kv_get("fun", b"key") == b"value"
    assert process.kv_get("fun", b"other") is None
    assert len(core.history) == 1


def test_load_args(process: Process) -> None:
    spec = pb.TaskSpec(
        args=[
            pb.Arg(value=inline(1)),
            pb.Arg(value=inline("two"), ref=b"r" * 28),
            pb.Arg(value=inline(None), has_keyword=True, keyword="k"),
        ]
    )
    assert process.load_args(spec) == ([1, "two"], {"k": None})
    assert not spec.args, "taken, so that nobody gives them back a second time"
    spec.args.append(pb.Arg(value=failure(ValueError("arg"))))
    with pytest.raises(ValueError, match="arg"):
        process.load_args(spec)


def test_large_arguments_of_a_task_that_is_not_run_are_unpinned(core: FakeCore, process: Process) -> None:
    block = core.block(bytes(200_000))
    core.pins[block.id] += 1
    process.drop_args(pb.TaskSpec(args=[pb.Arg(value=inline(1)), pb.Arg(value=pb.Value(block=block))]))
    core.until(lambda: core.pins[block.id] == 0)


def test_ids_are_unique_and_well_formed(process: Process) -> None:
    puts = {process.next_put_id() for _ in range(100)}
    tasks = {process.new_task_id() for _ in range(100)}
    actors = {process.new_actor_id() for _ in range(100)}
    assert (len(puts), len(tasks), len(actors)) == (100, 100, 100)
    assert {len(one) for one in puts} == {28}
    assert all(one.endswith(b"\1\0\0\0") and len(one) == 24 for one in tasks)
    actor = actors.pop()
    assert process.new_task_id(actor).endswith(actor)


def test_ids_of_a_new_session_do_not_meet_those_of_the_last(tmp_path: Path) -> None:
    ids = set()
    for name in "ab":
        (tmp_path / name).mkdir()
        with FakeCore(str(tmp_path / name)) as core:
            process = Process.attach_driver(core)
            ids |= {process.next_put_id(), process.new_task_id()}
            process.close()
    assert len(ids) == 4


def test_the_first_reference_is_dropped_within_a_moment(core: FakeCore, process: Process) -> None:
    ref = put(process, 1)
    object_id = ref.binary()
    core.until(lambda: core.refs[object_id] == 1)
    del ref
    core.until(lambda: core.refs[object_id] == 0)


def test_handles_by_deserialization_are_counted(core: FakeCore, process: Process) -> None:
    inner = put(process, "inner")
    object_id = inner.binary()
    outer = submit(process, [inner])
    (copy,) = process.get([outer])[0]
    core.until(lambda: core.refs[object_id] == 2)
    del copy, inner
    core.until(lambda: core.refs[object_id] == 0)


def test_canceled_while_blocked(core: FakeCore, process: Process) -> None:
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
    with core.lock:
        parked = core.parked.pop()
    parked.lane.push(pb.ToShim(reply=pb.Reply(id=parked.request.id, error="canceled", error_kind=pb.ERROR_CANCELED)))
    thread.join(60)
    assert isinstance(got[0], exceptions.TaskCancelledError)
    assert isinstance(got[0], KeyboardInterrupt)
    assert type(got[0]).__name__ == "TaskCancelledError"


def test_the_rpc_of_the_canceled_set(core: FakeCore, process: Process) -> None:
    core.canceled.add(b"t" * 24)
    assert process.ask_canceled(b"t" * 24) is True
    assert process.ask_canceled(b"u" * 24) is False
    assert process.inspect().lanes >= 1


def test_a_ref_of_nobody(process: Process) -> None:
    with pytest.raises(exceptions.GetTimeoutError):
        process.get([ObjectRef(b"z" * 28)], 0)
