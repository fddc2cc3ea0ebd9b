"""Actors on the main thread and on lanes of their own: creation, methods, threads, groups, exit."""

from __future__ import annotations

import contextvars
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from fake_process import ACTOR_ID, FakeLane, creation_of, error_of, method_of, value_of
from worker_rig import Rig, rigged

from mobula._core.pb import boundary_pb2 as pb
from mobula._worker import exiting
from mobula._worker.exiting import Departure

NAMES: dict[str, Any] = {}


@pytest.fixture
def rig() -> Iterator[Rig]:
    NAMES.clear()
    with rigged() as made:
        yield made


class Left(BaseException):
    """Stands for the end of the process."""


@pytest.fixture
def leaves(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    codes: list[int] = []

    def leave(code: int, **rest: Any) -> None:
        codes.append(code)
        raise Left

    monkeypatch.setattr(exiting, "leave", leave)
    return codes


def names() -> dict[str, Any]:
    import test_worker_actors

    return test_worker_actors.NAMES


class Counter:
    def __init__(self, start: int = 0) -> None:
        self.n = start

    def add(self, k: int = 1) -> int:
        self.n += k
        return self.n

    def fail(self) -> None:
        raise LookupError("deep")  # the failing line

    def two(self) -> tuple[int, int]:
        return 1, 2

    def context(self) -> Any:
        from mobula._core.context import current

        found = current.get()
        assert found is not None
        return found.task_id, found.actor_id, found.function_name, found.is_async, found.resources, found.slot

    def leave(self) -> None:
        from mobula._worker.actor import exit_actor

        exit_actor()

    def leave_from_a_thread(self) -> str:
        import threading

        thread = threading.Thread(target=self.leave_quietly)
        thread.start()
        thread.join()
        return "reported"

    def leave_quietly(self) -> str:
        try:
            self.leave()
        except BaseException:
            return "swallowed"
        return "not reached"

    def stop(self, code: int) -> None:
        raise SystemExit(code)

    def __repr__(self) -> str:
        return f"Counter({self.n})"


def create(rig: Rig, cls: type = Counter, *args: Any, **options: Any) -> pb.TaskDone:
    rig.executor.run(creation_of(cls, *args, **options))
    return rig.process.next_done(0)


def call(rig: Rig, name: str, *args: Any, **kwargs: Any) -> pb.TaskDone:
    rig.executor.run(method_of(name, *args, **kwargs))
    return rig.process.next_done(0)


def test_creation_and_methods(rig: Rig) -> None:
    assert create(rig, Counter, 5).outcome == pb.OUTCOME_OK
    assert value_of(call(rig, "add")) == 6
    assert value_of(call(rig, "add", k=4)) == 10
    assert len(call(rig, "two", num_returns=2).returns) == 2


def test_an_error_names_the_method_and_the_actor_lives(rig: Rig) -> None:
    create(rig)
    done = call(rig, "fail")
    error = error_of(done)
    assert isinstance(error, LookupError)
    assert "the failing line" in str(error)
    assert not done.creation_failed
    assert value_of(call(rig, "add")) == 1


def test_an_unknown_method_is_an_attribute_error(rig: Rig) -> None:
    create(rig)
    assert isinstance(error_of(call(rig, "nothing")), AttributeError)


def test_a_failing_constructor(rig: Rig) -> None:
    class Bad:
        def __init__(self) -> None:
            raise ValueError("init went wrong")

    done = create(rig, Bad)
    assert done.creation_failed
    assert "init went wrong" in str(error_of(done))
    assert done.error_text == "ValueError: init went wrong"


def test_the_context_of_methods(rig: Rig) -> None:
    create(rig, Counter, resources=[pb.Resource(name="CPU", amount=2)])
    run = method_of("context")
    rig.executor.run(run)
    task_id, actor_id, name, is_async, resources, slot = rig.process.next_value()
    assert (task_id, actor_id, is_async, resources, slot) == (run.spec.task_id, ACTOR_ID, False, {"CPU": 2.0}, rig.lane.slot)
    assert name == "Counter.context"


def test_rays_added_methods(rig: Rig) -> None:
    create(rig, Counter, 3)
    assert value_of(call(rig, "__ray_ready__")) is True
    assert value_of(call(rig, "__ray_call__", lambda self, k: self.add(k), 2)) == 5


def test_a_method_canceled_before_it_began_does_not_run(rig: Rig) -> None:
    create(rig)
    rig.process.cancel(rig.lane, 77)
    assert call(rig, "add", epoch=77).outcome == pb.OUTCOME_CANCELED
    assert value_of(call(rig, "add")) == 1


def test_context_variables_set_by_the_constructor_are_there_in_methods(rig: Rig) -> None:
    class Keeper:
        def __init__(self) -> None:
            names()["variable"].set("kept")

        def look(self) -> str:
            return str(names()["variable"].get())

    NAMES["variable"] = contextvars.ContextVar("kept", default="lost")
    create(rig, Keeper)
    assert value_of(call(rig, "look")) == "kept"


@pytest.mark.parametrize("method", ["leave", "leave_quietly", "__ray_terminate__"])
def test_exit_actor_is_reported_and_the_process_leaves(rig: Rig, leaves: list[int], method: str) -> None:
    create(rig)
    with pytest.raises(Left):
        call(rig, method)
    assert rig.process.next_done(0).outcome == pb.OUTCOME_EXIT_ACTOR
    assert leaves == [0]
    assert [request.WhichOneof("kind") for request in rig.process.requests] == ["sync"]


def test_exit_actor_in_a_thread_of_the_users_own(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    left = threading.Event()
    monkeypatch.setattr(exiting, "leave", lambda code, **rest: left.set())
    create(rig)
    assert value_of(call(rig, "leave_from_a_thread")) == "reported"
    assert left.wait(60)


def test_sys_exit_with_0_is_exit_actor(rig: Rig, leaves: list[int]) -> None:
    create(rig)
    with pytest.raises(Left):
        call(rig, "stop", 0)
    assert rig.process.next_done(0).outcome == pb.OUTCOME_EXIT_ACTOR
    assert leaves == [0]


def test_sys_exit_with_another_code_is_a_crash(rig: Rig, leaves: list[int]) -> None:
    create(rig)
    with pytest.raises(Left):
        call(rig, "stop", 3)
    assert rig.process.done.empty()
    assert leaves == [3]


def test_exit_actor_outside_of_an_actor_is_a_type_error(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    from mobula._worker import actor

    monkeypatch.setattr(actor, "_current", None)
    with pytest.raises(TypeError, match="outside of an actor"):
        actor.exit_actor()


# ------------------------------------------------------------------------------------------------ threads


def open_lanes(rig: Rig, count: int, group: str = "") -> list[FakeLane]:
    for number in range(count):
        rig.lane.feed(open_lane=pb.OpenLane(opening=number + 1, concurrency_group=group))
        rig.lane.poll()
        rig.worker.open_lane(rig.lane.openings.popleft())
    return [rig.process.lanes.get(timeout=60) for _ in range(count)]


def test_an_actor_at_the_limit_of_threads_goes_on_with_those_it_has(
    rig: Rig, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Invariant: a thread that cannot be started costs time alone, and is told once; it is tried again until it can."""
    create(rig, Meeting, 1)
    open_lanes(rig, 1)
    start, refused = threading.Thread.start, []

    def refuse_twice(thread: threading.Thread) -> None:
        if len(refused) < 2:
            refused.append(thread.name)
            raise RuntimeError("can't start new thread")
        start(thread)
        rig.lane.feed(exit=pb.Exit())

    monkeypatch.setattr(threading.Thread, "start", refuse_twice)
    rig.lane.feed(open_lane=pb.OpenLane(opening=2))
    rig.lane.poll()
    rig.executor.serve()
    assert refused == ["mobula-default-2"] * 2
    rig.process.lanes.get(timeout=60)
    assert not rig.lane.openings
    assert capsys.readouterr().err.count("fewer methods run at a time") == 1


def test_an_actor_without_any_thread_says_why(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """Invariant: a call of an actor that can run none is not left waiting: its process ends with what to do."""

    def refuse(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    create(rig, Meeting, 1)
    monkeypatch.setattr(threading.Thread, "start", refuse)
    rig.lane.feed(open_lane=pb.OpenLane(opening=1))
    rig.lane.poll()
    with pytest.raises(RuntimeError, match=r"no thread can be started .*; raise the limit of threads"):
        rig.executor.serve()


class Meeting:
    def __init__(self, n: int) -> None:
        self.barrier = threading.Barrier(n)
        self.event = threading.Event()

    def meet(self) -> str:
        self.barrier.wait(60)
        return threading.current_thread().name

    def hold(self) -> str:
        names()["held"].release()
        self.event.wait(60)
        return "held"

    def release(self) -> None:
        self.event.set()

    def leave(self) -> None:
        from mobula._worker.actor import exit_actor

        names()["held"].release()
        exit_actor()


def test_each_opening_is_a_thread_with_its_own_lane(rig: Rig) -> None:
    create(rig, Meeting, 3)
    lanes = open_lanes(rig, 3, "io")
    assert sorted((lane.group, lane.opening, lane.event_loop) for lane in lanes) == [("io", n, False) for n in (1, 2, 3)]
    for lane in lanes:
        lane.feed(method_of("meet"))
    threads = {rig.process.next_value() for _ in lanes}
    assert len(threads) == 3
    assert all(name.startswith("mobula-io-") for name in threads)


def test_a_thread_ends_with_its_lane(rig: Rig) -> None:
    create(rig, Meeting, 1)
    (lane,) = open_lanes(rig, 1, "ending")
    lane.feed(method_of("meet"))
    rig.process.next_done()
    lane.lose()
    deadline = time.monotonic() + 10
    while any(thread.name.startswith("mobula-ending") for thread in threading.enumerate()):
        assert time.monotonic() < deadline
        time.sleep(0.005)


def test_threads_know_their_own_cancel(rig: Rig) -> None:
    class Looker:
        def look(self) -> bool:
            from mobula._core.context import current

            context = current.get()
            assert context is not None
            words, barrier = names()["words"], names()["barrier"]
            barrier.wait(60)
            barrier.wait(60)
            return bool(words[context.slot] == context.epoch << 1 | 1)

    NAMES.update(words=rig.process.words, barrier=threading.Barrier(3))
    create(rig, Looker)
    lanes = open_lanes(rig, 2)
    for lane in lanes:
        lane.feed(method_of("look", epoch=30 + lane.opening))
    NAMES["barrier"].wait(60)
    rig.process.cancel(lanes[0], 30 + lanes[0].opening)
    NAMES["barrier"].wait(60)
    answers = {}
    for _ in lanes:
        lane, done = rig.process.done.get(timeout=60)
        answers[lane.opening] = value_of(done)
    assert answers == {lanes[0].opening: True, lanes[1].opening: False}


def test_exit_actor_lets_running_methods_end_and_starts_no_more(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    left = threading.Event()

    def leave(code: int, **rest: Any) -> None:
        left.set()
        threading.Event().wait()  # the daemon thread stands still, as it would in the process's last moment

    monkeypatch.setattr(exiting, "leave", leave)
    NAMES["held"] = threading.Semaphore(0)
    create(rig, Meeting, 1)
    holding, leaving, late = open_lanes(rig, 3)
    holding.feed(method_of("hold"))
    assert NAMES["held"].acquire(timeout=60)
    leaving.feed(method_of("leave"))
    assert NAMES["held"].acquire(timeout=60)
    time.sleep(0.05)
    late.feed(method_of("meet"))
    time.sleep(0.05)
    assert not left.is_set()
    assert rig.process.done.empty()
    rig.worker.instance().release()
    assert rig.process.next_value() == "held"
    assert rig.process.next_done().outcome == pb.OUTCOME_EXIT_ACTOR
    assert left.wait(60)
    assert rig.process.done.empty()


# ------------------------------------------------------------------------------------------------ departure


def test_departure_counts() -> None:
    departure = Departure()
    assert departure.start()
    assert departure.start()
    departure.ask(b"a")
    assert departure.asked_by(b"a")
    assert not departure.asked_by(b"b")
    assert not departure.start()
    quiet: list[int] = []
    departure.when_quiet(lambda: quiet.append(1))
    assert quiet == []
    departure.end()
    assert quiet == [1]


def test_two_that_leave_do_not_wait_for_each_other() -> None:
    departure = Departure()
    departure.start()
    departure.start()
    quiet: list[int] = []
    departure.when_quiet(lambda: quiet.append(1))
    departure.when_quiet(lambda: quiet.append(2))
    assert quiet == [1, 2]


def test_wait_until_alone_waits_for_every_method() -> None:
    departure = Departure()
    departure.start()
    alone = threading.Event()

    def wait() -> None:
        departure.wait_until_alone()
        alone.set()

    thread = threading.Thread(target=wait)
    thread.start()
    assert not alone.wait(0.05)
    departure.end()
    assert alone.wait(60)
    thread.join()
