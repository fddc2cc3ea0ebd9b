"""Async actors: the loop's thread, order, cancels in every state, blocking calls on the loop, exit."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from fake_process import FakeLane, creation_of, error_of, method_of, value_of
from worker_rig import Rig, rigged

from mobula._core.context import set_async_actor
from mobula._core.pb import boundary_pb2 as pb
from mobula._worker import exiting
from mobula.exceptions import TaskCancelledError

NAMES: dict[str, Any] = {}


@pytest.fixture
def rig() -> Iterator[Rig]:
    NAMES.clear()
    with rigged() as made:
        yield made
    set_async_actor(False)


def names() -> dict[str, Any]:
    import test_worker_async

    return test_worker_async.NAMES


class Actor:
    def __init__(self) -> None:
        self.thread = threading.get_ident()
        self.loop = asyncio.get_running_loop()
        self.event = asyncio.Event()
        self.log: list[Any] = []
        self.background = self.loop.create_task(self.tick())

    async def tick(self) -> str:
        await asyncio.sleep(0.01)
        return "ticked"

    async def where(self) -> Any:
        return threading.get_ident() == self.thread, asyncio.get_running_loop() is self.loop

    def sync_where(self) -> Any:
        return threading.get_ident() == self.thread

    async def in_background(self) -> str:
        return await self.background

    async def note(self, x: Any) -> Any:
        self.log.append(x)
        return x

    async def read(self) -> Any:
        return self.log

    async def wait(self, name: str = "wait") -> str:
        self.log.append(f"{name} begins")
        try:
            await self.event.wait()
        except asyncio.CancelledError:
            self.log.append(f"{name} canceled")
            raise
        finally:
            await asyncio.sleep(0.01)
            self.log.append(f"{name} cleaned up")
        return name

    async def open(self) -> None:
        self.event.set()

    async def swallow(self) -> str:
        try:
            await asyncio.sleep(20)
        except asyncio.CancelledError:
            return "swallowed"
        return "slept"

    async def fail(self) -> None:
        await asyncio.sleep(0)
        raise LookupError("async boom")  # the failing line

    async def task_ids(self) -> Any:
        from mobula._core.context import current

        before = current.get()
        await asyncio.sleep(0.01)
        after = current.get()
        assert before is after
        assert after is not None
        return after.task_id, after.is_async, after.function_name

    async def blocking_get(self) -> str:
        """As mobula.get on the loop's thread: reads the lane itself, and files what comes."""
        lane = names()["lane"]
        names()["blocked"].set()
        deadline = time.monotonic() + 10
        while len(lane.runs) + len(lane.cancels) < 2:
            lane.wait(0.1)
            lane.poll()
            assert time.monotonic() < deadline
        return "got"

    async def leave(self) -> None:
        from mobula._worker.actor import exit_actor

        exit_actor()

    async def leave_quietly(self) -> None:
        try:
            await self.leave()
        except Exception:
            await asyncio.sleep(0)

    async def two(self) -> tuple[int, int]:
        return 1, 2

    async def raise_from_a_callback(self, code: int) -> None:
        def stop() -> None:
            raise SystemExit(code)

        self.loop.call_soon(stop)
        await asyncio.sleep(20)


def create(rig: Rig, cls: type = Actor) -> FakeLane:
    rig.executor.run(creation_of(cls, is_asyncio=True))
    done = rig.process.next_done()
    assert done.outcome == pb.OUTCOME_OK, error_of(done)
    return open_lane(rig)


def open_lane(rig: Rig, group: str = "", opening: int = 1) -> FakeLane:
    rig.worker.open_lane(pb.OpenLane(concurrency_group=group, opening=opening))
    lane = rig.process.lanes.get(timeout=60)
    assert (lane.group, lane.opening, lane.event_loop) == (group, opening, True)
    return lane


def ask(rig: Rig, lane: FakeLane, name: str, *args: Any, **options: Any) -> Any:
    lane.feed(method_of(name, *args, **options))
    return rig.process.next_value()


def test_everything_runs_on_one_thread_with_a_running_loop(rig: Rig) -> None:
    lane = create(rig)
    assert ask(rig, lane, "where") == (True, True)
    assert ask(rig, lane, "sync_where") is True
    assert ask(rig, lane, "in_background") == "ticked"


def test_a_group_has_a_loop_of_its_own(rig: Rig) -> None:
    create(rig)
    other = open_lane(rig, "other", 2)
    assert ask(rig, other, "where") == (False, False)


@pytest.mark.parametrize("error", [ValueError("init went wrong"), asyncio.CancelledError("init went wrong")])
def test_a_failing_constructor(rig: Rig, error: BaseException) -> None:
    class Bad:
        def __init__(self) -> None:
            raise error

        async def method(self) -> None: ...

    rig.executor.run(creation_of(Bad, is_asyncio=True))
    done = rig.process.next_done()
    assert done.creation_failed
    assert isinstance(error_of(done), (ValueError, TaskCancelledError))


def test_is_canceled_is_refused_everywhere_in_an_async_actor(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    from mobula._core import context

    monkeypatch.setattr(context, "_is_worker", True)

    class Asker:
        def __init__(self) -> None:
            self.in_init = self.ask()

        def ask(self) -> str:
            from mobula._core.context import is_canceled

            try:
                return str(is_canceled())
            except RuntimeError as error:
                return str(error)

        async def asks(self) -> Any:
            return self.in_init, self.ask()

    lane = create(rig, Asker)
    assert ask(rig, lane, "asks") == ("This method is not supported in an async actor.",) * 2


def test_methods_start_in_order_and_interleave(rig: Rig) -> None:
    lane = create(rig)
    waiting = [method_of("wait", name) for name in ("a", "b", "c")]
    lane.feed(*waiting)
    lane.feed(*[method_of("note", i) for i in range(50)])
    assert [rig.process.next_value() for _ in range(50)] == list(range(50))
    assert ask(rig, lane, "read") == ["a begins", "b begins", "c begins", *range(50)]
    lane.feed(method_of("open"))
    assert sorted(str(rig.process.next_value()) for _ in range(4)) == ["None", "a", "b", "c"]


def test_each_coroutine_has_its_own_context(rig: Rig) -> None:
    lane = create(rig)
    runs = [method_of("task_ids") for _ in range(5)]
    lane.feed(*runs)
    for _ in runs:
        done = rig.process.next_done()
        assert value_of(done) == (done.task_id, True, "Actor.task_ids")


def test_errors_returns_and_unserializable_results(rig: Rig) -> None:
    class More(Actor):
        async def lock(self) -> Any:
            return threading.Lock()

    lane = create(rig, More)
    lane.feed(method_of("fail"))
    error = error_of(rig.process.next_done())
    assert isinstance(error, LookupError)
    assert "the failing line" in str(error)
    assert "loop.py" not in str(error)
    lane.feed(method_of("two", num_returns=2))
    assert len(rig.process.next_done().returns) == 2
    lane.feed(method_of("lock"))
    assert isinstance(error_of(rig.process.next_done()), TypeError)
    assert ask(rig, lane, "note", 1) == 1


def test_a_running_method_is_canceled_and_cleans_up(rig: Rig) -> None:
    lane = create(rig)
    run = method_of("wait")
    lane.feed(run)
    while ask(rig, lane, "read") != ["wait begins"]:
        pass
    # Twice: the second must not break the cleanup.
    lane.feed(cancel=[pb.CancelRun(task_id=run.spec.task_id)])
    lane.feed(cancel=[pb.CancelRun(task_id=run.spec.task_id)])
    done = rig.process.next_done()
    assert (done.task_id, done.outcome) == (run.spec.task_id, pb.OUTCOME_CANCELED)
    assert ask(rig, lane, "read") == ["wait begins", "wait canceled", "wait cleaned up"]


def test_what_swallows_the_cancel_is_reported_as_it_was(rig: Rig) -> None:
    lane = create(rig)
    run = method_of("swallow")
    lane.feed(run)
    ask(rig, lane, "note", 1)
    lane.feed(cancel=[pb.CancelRun(task_id=run.spec.task_id)])
    assert rig.process.next_value() == "swallowed"


def test_a_cancel_that_comes_with_its_run_means_it_never_runs(rig: Rig) -> None:
    lane = create(rig)
    run = method_of("note", "ran")
    lane.feed(run, cancel=[pb.CancelRun(task_id=run.spec.task_id)])
    assert rig.process.next_done().outcome == pb.OUTCOME_CANCELED
    assert ask(rig, lane, "read") == []


def test_a_cancel_of_what_has_ended_or_never_was_is_ignored(rig: Rig) -> None:
    lane = create(rig)
    run = method_of("note", 1)
    lane.feed(run)
    assert rig.process.next_value() == 1
    lane.feed(cancel=[pb.CancelRun(task_id=run.spec.task_id), pb.CancelRun(task_id=b"x" * 24)])
    assert ask(rig, lane, "note", 2) == 2


@pytest.mark.parametrize("round_number", range(3))
def test_cancels_at_any_moment_give_one_report_each(rig: Rig, round_number: int) -> None:
    lane = create(rig)
    runs = [method_of("swallow" if i % 3 else "wait") for i in range(60)]
    for i, run in enumerate(runs):
        lane.feed(run)
        if i % 5 == round_number:
            time.sleep(0.001)
        lane.feed(cancel=[pb.CancelRun(task_id=run.spec.task_id)])
    done = {}
    for _ in runs:
        one = rig.process.next_done()
        assert one.task_id not in done
        done[one.task_id] = one
    assert set(done) == {run.spec.task_id for run in runs}
    assert ask(rig, lane, "note", 1) == 1
    assert rig.process.done.empty()


def test_what_a_blocking_call_on_the_loop_has_read_is_run_afterwards(rig: Rig) -> None:
    lane = create(rig)
    canceled = method_of("wait")
    lane.feed(canceled)
    ask(rig, lane, "note", 1)
    NAMES.update(lane=lane, blocked=threading.Event())
    lane.feed(method_of("blocking_get"))
    assert NAMES["blocked"].wait(60)
    time.sleep(0.02)
    # Both are read inside the blocking call; the descriptor shows nothing afterwards.
    lane.feed(method_of("note", "stashed"), cancel=[pb.CancelRun(task_id=canceled.spec.task_id)])
    outcomes = [rig.process.next_done(60) for _ in range(3)]
    assert [value_of(done) for done in outcomes[:2]] == ["got", "stashed"]
    assert outcomes[2].outcome == pb.OUTCOME_CANCELED


@pytest.mark.parametrize("method", ["leave", "leave_quietly"])
def test_exit_actor_waits_for_running_methods(rig: Rig, monkeypatch: pytest.MonkeyPatch, method: str) -> None:
    left = threading.Event()

    def leave(code: int, **rest: Any) -> None:
        left.set()
        raise asyncio.CancelledError  # ends the one coroutine that stands for the process

    monkeypatch.setattr(exiting, "leave", leave)
    lane = create(rig)
    lane.feed(method_of("wait"), method_of(method))
    time.sleep(0.05)
    lane.feed(method_of("note", "too late"))
    time.sleep(0.05)
    assert rig.process.done.empty()
    actor = rig.worker.instance()
    actor.loop.call_soon_threadsafe(actor.event.set)
    assert rig.process.next_value() == "wait"
    assert rig.process.next_done().outcome == pb.OUTCOME_EXIT_ACTOR
    assert left.wait(60)
    assert actor.log == ["wait begins", "wait cleaned up"]


def test_system_exit_in_a_callback_of_the_users_ends_the_process(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    codes: list[int] = []
    left = threading.Event()

    def leave(code: int, **rest: Any) -> None:
        codes.append(code)
        left.set()

    monkeypatch.setattr(exiting, "leave", leave)
    lane = create(rig)
    lane.feed(method_of("raise_from_a_callback", 3))
    assert left.wait(60)
    assert codes == [3]


def test_the_loop_outlives_its_lane(rig: Rig) -> None:
    lane = create(rig)
    ask(rig, lane, "note", 1)
    lane.lose()
    actor = rig.worker.instance()
    done = threading.Event()
    time.sleep(0.05)
    actor.loop.call_soon_threadsafe(done.set)
    assert done.wait(60)
