"""Normal tasks on the main thread: values, errors, retries, loading, tickets, environment."""

from __future__ import annotations

import asyncio
import contextvars
import decimal
import os
import sys
import threading
import traceback
from collections.abc import Iterator
from typing import Any

import pytest
from fake_process import error_of, function_export, run_of, value_of, without_function
from worker_rig import Rig, rigged

from mobula import exceptions
from mobula._core import page
from mobula._core.context import current
from mobula._core.pb import boundary_pb2 as pb
from mobula._core.runs import Run
from mobula.serialization import dumps


@pytest.fixture
def rig() -> Iterator[Rig]:
    with rigged() as made:
        yield made


def test_a_task_returns_its_value(rig: Rig) -> None:
    done = rig.do(lambda a, b: a + b, 2, 3)
    assert value_of(done) == 5
    assert done.outcome == pb.OUTCOME_OK
    assert current.get() is None


def test_keyword_arguments(rig: Rig) -> None:
    run = run_of(lambda a, *, b: (a, b), 1)
    run.spec.args.add(value=run.spec.args[0].value, keyword="b", has_keyword=True)
    rig.executor.run(run)
    assert rig.process.next_value() == (1, 1)


@pytest.mark.parametrize("count", [0, 1, 3])
def test_num_returns(rig: Rig, count: int) -> None:
    done = rig.do(lambda: tuple(range(count)), num_returns=count)
    assert len(done.returns) == count
    assert done.outcome == pb.OUTCOME_OK


@pytest.mark.parametrize(
    ("function", "count", "message"),
    [
        (lambda: [1, 2], 3, "Task returned 2 objects, but num_returns=3."),
        (lambda: [1, 2, 3, 4], 3, "Task returned 4 objects, but num_returns=3."),
        (lambda: (x for x in range(1)), 2, "Task returned 1 objects, but num_returns=2."),
        (lambda: (x for x in range(0)), 1, "Task returned 0 objects, but num_returns=1."),
    ],
)
def test_a_wrong_number_of_values_is_rays_value_error(rig: Rig, function: Any, count: int, message: str) -> None:
    error = error_of(rig.do(function, num_returns=count))
    assert isinstance(error, ValueError)
    assert message in str(error)


def test_a_value_without_length_is_a_type_error(rig: Rig) -> None:
    assert isinstance(error_of(rig.do(lambda: 7, num_returns=2)), TypeError)


@pytest.mark.parametrize(("count", "expected"), [(1, [0]), (2, [0, 1])])
def test_a_generator_is_cut_to_the_number_of_returns(rig: Rig, count: int, expected: list[int]) -> None:
    def count_up() -> Any:
        yield from range(5)

    done = rig.do(count_up, num_returns=count)
    assert [value_of(pb.TaskDone(returns=[value])) for value in done.returns] == expected


def test_an_exception_keeps_its_type_text_and_the_users_frames_only(rig: Rig) -> None:
    def calculate() -> float:
        return 1 / 0  # the line that fails

    done = rig.do(calculate)
    error = error_of(done)
    assert isinstance(error, ZeroDivisionError)
    assert "the line that fails" in str(error)
    assert "calculate" in str(error)
    assert "trampoline.py" not in str(error)
    assert "executor.py" not in str(error)
    assert done.error_text == "ZeroDivisionError: division by zero"
    assert not done.retryable
    assert not done.creation_failed


def test_a_wrong_call_has_no_frames_of_the_shim(rig: Rig) -> None:
    error = error_of(rig.do(lambda a: a))
    assert isinstance(error, TypeError)
    assert "trampoline.py" not in str(error)


def test_a_value_that_cannot_be_serialized_is_a_type_error(rig: Rig) -> None:
    assert isinstance(error_of(rig.do(threading.Lock)), TypeError)


def test_an_error_value_too_large_for_the_store_is_replaced_by_the_stores_error(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = rig.process.store

    def store(serialized: Any) -> pb.Value:
        if serialized.size > 100_000:
            raise exceptions.ObjectStoreFullError("no room")
        return plain(serialized)

    monkeypatch.setattr(rig.process, "store", store)

    def fail() -> None:
        raise ValueError("x" * 200_000)

    assert "no room" in str(error_of(rig.do(fail)))
    assert "no room" in str(error_of(rig.do(lambda: "x" * 200_000)))


def test_a_keyboard_interrupt_of_the_users_own_is_told_as_what_it_was(rig: Rig) -> None:
    def fail() -> None:
        raise KeyboardInterrupt("mine")

    done = rig.do(fail)
    assert done.outcome == pb.OUTCOME_ERROR
    error = error_of(done)
    assert type(error) is exceptions.RayTaskError
    assert isinstance(error.cause, KeyboardInterrupt)
    assert error.cause.args == ("mine",)


def test_retryable_follows_the_spec(rig: Rig) -> None:
    def fail() -> None:
        raise FileNotFoundError("x")

    assert not rig.do(fail).retryable
    assert rig.do(fail, retry_exceptions=True).retryable
    assert rig.do(fail, retry_exceptions=True, retry_allowlist=dumps((KeyError, OSError))).retryable
    assert not rig.do(fail, retry_exceptions=True, retry_allowlist=dumps((KeyError,))).retryable
    assert not rig.do(fail, retry_exceptions=True, retry_allowlist=b"not a pickle").retryable


def test_a_missing_module_is_named(rig: Rig, tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "vanishing_module_y.py").write_text("def f():\n    return 1\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    import vanishing_module_y

    run = run_of(vanishing_module_y.f)
    sys.modules.pop("vanishing_module_y")
    sys.path.remove(str(tmp_path))
    rig.executor.run(run)
    error = error_of(rig.process.next_done())
    assert isinstance(error, RuntimeError)
    assert "'vanishing_module_y' is not there" in str(error)
    # The bytes were kept: once the module is there, the same function runs.
    sys.path.insert(0, str(tmp_path))
    run = without_function(run)
    rig.executor.run(run)
    assert rig.process.next_value() == 1
    sys.modules.pop("vanishing_module_y")


def test_a_function_is_loaded_once_and_found_in_the_table(rig: Rig) -> None:
    def mark() -> int:
        return id(mark)

    run = run_of(mark)
    rig.process.table[run.spec.function_id] = function_export(mark)
    run = without_function(run)
    rig.executor.run(run)
    rig.process.table.clear()
    rig.executor.run(run)
    assert rig.process.next_value() == rig.process.next_value()


def test_a_function_nobody_exported_is_an_error(rig: Rig) -> None:
    run = run_of(lambda: 1)
    run = without_function(run)
    rig.executor.run(run)
    assert "never exported" in str(error_of(rig.process.next_done()))


def test_a_failing_argument_fails_the_task_before_its_code(rig: Rig) -> None:
    ran: list[int] = []

    class Grenade:
        def __reduce__(self) -> Any:
            return _explode, ()

    error = error_of(rig.do(lambda x: ran.append(1), Grenade()))
    assert "boom on load" in str(error)
    assert ran == []


def _explode() -> None:
    raise RuntimeError("boom on load")


def test_the_context_is_that_of_the_task(rig: Rig) -> None:
    def look() -> Any:
        from mobula._core.context import current

        context = current.get()
        assert context is not None
        return context.task_id, context.task_name, context.resources, context.function_name, context.actor_id, context.epoch

    run = run_of(look, epoch=77, resources=[pb.Resource(name="CPU", amount=2)])
    run.spec.name = "given"
    run = Run.of(run.message)
    rig.executor.run(run)
    task_id, name, resources, function_name, actor_id, epoch = rig.process.next_value()
    assert (task_id, name, resources, actor_id, epoch) == (run.spec.task_id, "given", {"CPU": 2.0}, None, 77)
    assert function_name.endswith("look")


VARIABLE: contextvars.ContextVar[str] = contextvars.ContextVar("test_variable", default="unset")


def test_context_variables_do_not_leak_into_the_next_task(rig: Rig) -> None:
    def set_it() -> str:
        import test_worker_tasks

        before = test_worker_tasks.VARIABLE.get()
        test_worker_tasks.VARIABLE.set("set")
        decimal.getcontext().prec = 5
        return before

    assert [value_of(rig.do(set_it)) for _ in range(2)] == ["unset", "unset"]


def test_asyncio_run_works_inside_a_task(rig: Rig) -> None:
    async def answer() -> int:
        await asyncio.sleep(0)
        return 42

    assert value_of(rig.do(lambda: asyncio.run(answer()))) == 42


# ------------------------------------------------------------------------------------------------ tickets


def test_without_a_ticket_the_whole_push_is_dropped_and_said_once(rig: Rig) -> None:
    rig.process.give_tickets(1)
    runs = [run_of(lambda i: i, i, ticket=True, generation=4) for i in range(4)]
    (only,) = rig.serve(*runs)
    assert value_of(only) == 0
    assert rig.lane.dropped == [4]
    assert rig.process.dropped_args == 3, "large ones would stay pinned"
    # What still comes of that push, or of an older one, is dropped even with a ticket there; the ticket stays.
    rig.process.give_tickets(1)
    late = [run_of(lambda: "late", ticket=True, generation=generation) for generation in (4, 3)]
    assert rig.serve(*late) == []
    assert rig.lane.dropped == [4]
    (again,) = rig.serve(run_of(lambda: "again", ticket=True, generation=5))
    assert value_of(again) == "again"


def test_a_cancel_that_the_core_has_not_heard_of_is_asked_for_before_a_task_begins(rig: Rig) -> None:
    words = rig.process.words
    words[page.ASKED] = words[page.HEARD] = 7
    rig.process.give_tickets(2)
    rig.serve(run_of(lambda: 1, ticket=True))
    assert rig.lane.caught_up == 0
    words[page.ASKED] = 8
    catch_up = rig.lane.catch_up

    def hear_and_take_back() -> None:
        catch_up()
        os.eventfd_read(rig.process.ticket_fd)

    rig.lane.catch_up = hear_and_take_back  # type: ignore[method-assign]
    assert rig.serve(run_of(lambda: "a", ticket=True), run_of(lambda: "b", ticket=True)) == []
    assert rig.lane.caught_up == 1, "the second one is dropped with the first"


def test_every_generation_is_said_on_its_own(rig: Rig) -> None:
    assert rig.serve(*[run_of(lambda: 1, ticket=True, generation=g) for g in (1, 1, 2, 2, 3)]) == []
    assert rig.lane.dropped == [1, 2, 3]


def test_a_task_that_needs_no_ticket_takes_none(rig: Rig) -> None:
    rig.process.give_tickets(1)
    assert len(rig.serve(run_of(lambda: 1), run_of(lambda: 2, ticket=True, generation=1))) == 2
    assert rig.lane.dropped == []


def test_function_bytes_of_a_dropped_task_are_kept(rig: Rig) -> None:
    run = run_of(lambda: "kept", ticket=True, generation=1)
    assert rig.serve(run) == []
    run.message.generation = 2
    run = without_function(run)
    rig.process.give_tickets(1)
    (done,) = rig.serve(run)
    assert value_of(done) == "kept"


@pytest.mark.parametrize("seed", range(20))
def test_each_task_is_run_by_one_side_whatever_the_order(rig: Rig, seed: int) -> None:
    """The core takes tickets back at random moments; every task is run, or dropped and pushed again, never both."""
    import random

    dice = random.Random(seed)
    ran: list[int] = []
    waiting = list(range(30))
    generation = 0
    while waiting:
        generation += 1
        pushed = [waiting.pop(0) for _ in range(min(len(waiting), dice.randint(1, 6)))]
        rig.process.give_tickets(len(pushed))
        for number in pushed:
            rig.lane.runs.append(run_of(lambda i: i, number, ticket=True, generation=generation))
        taken: list[int] = []
        while rig.lane.runs:
            if pushed and dice.random() < 0.3 and len(taken) < len(rig.lane.runs):
                try:
                    os.eventfd_read(rig.process.ticket_fd)
                    taken.append(pushed.pop())
                except BlockingIOError:
                    pass
            rig.executor.run(rig.lane.runs.popleft())
        while not rig.process.done.empty():
            ran.append(rig.process.next_value())
        waiting = sorted(taken) + waiting
    assert sorted(ran) == list(range(30))


# ------------------------------------------------------------------------------------------------ environment


def test_omp_num_threads_follows_the_cpus_of_the_task(rig: Rig) -> None:
    def look() -> str | None:
        return os.environ.get("OMP_NUM_THREADS")

    for amount, expected in ((2.0, "2"), (0.5, "1"), (3.7, "3")):
        assert value_of(rig.do(look, resources=[pb.Resource(name="CPU", amount=amount)])) == expected
    assert value_of(rig.do(look)) == "1"


def test_omp_num_threads_of_the_user_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    from mobula._worker.environment import Environment

    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    Environment().apply({"CPU": 2})
    assert os.environ["OMP_NUM_THREADS"] == "7"


def test_cuda_devices_are_hidden_only_when_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    from mobula._worker.environment import Environment

    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1")
    Environment().apply({})
    assert os.environ["CUDA_VISIBLE_DEVICES"] == "0,1"
    monkeypatch.setenv("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "1")
    environment = Environment()
    environment.apply({})
    assert os.environ["CUDA_VISIBLE_DEVICES"] == ""
    environment.apply({"GPU": 1}, [1])
    assert os.environ["CUDA_VISIBLE_DEVICES"] == "1"


@pytest.mark.parametrize(("started_with", "expected"), [(None, "0,2"), ("5,GPU-af03,7", "5,7")])
def test_a_task_sees_the_gpus_it_was_given_and_the_next_one_none_of_them(
    monkeypatch: pytest.MonkeyPatch, started_with: str | None, expected: str
) -> None:
    from mobula._worker.environment import Environment, assigned_gpus

    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "before")
    if started_with is None:
        monkeypatch.delenv("CUDA_VISIBLE_DEVICES")
    else:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", started_with)
    environment = Environment()
    environment.apply({"GPU": 2}, [0, 2])
    assert os.environ["CUDA_VISIBLE_DEVICES"] == expected
    assert assigned_gpus() == expected.split(",")
    environment.apply({})
    assert os.environ.get("CUDA_VISIBLE_DEVICES") == started_with
    assert assigned_gpus() == []


def test_cuda_devices_are_left_alone_when_that_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    from mobula._worker.environment import Environment, assigned_gpus

    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4,5")
    monkeypatch.setenv("RAY_EXPERIMENTAL_NOSET_CUDA_VISIBLE_DEVICES", "1")
    environment = Environment()
    environment.apply({"GPU": 1}, [1])
    assert os.environ["CUDA_VISIBLE_DEVICES"] == "4,5"
    assert assigned_gpus() == ["5"]
    environment.apply({})
    assert assigned_gpus() == []


def test_a_traceback_of_user_code_is_left_to_the_user(rig: Rig) -> None:
    kept: list[BaseException] = []

    def fail() -> None:
        try:
            raise KeyError("k")
        except KeyError as error:
            kept.append(error)
            raise

    run = run_of(fail)
    rig.worker.functions._functions[run.spec.function_id] = type("F", (), {"call": staticmethod(fail), "name": "fail"})()
    rig.executor.run(run)
    assert "in fail" in "".join(traceback.format_tb(kept[0].__traceback__))
