"""Real SIGINTs against the main thread: where one may raise, where it has to wait, and that none reaches the next task."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from fake_process import creation_of, error_of, method_of, run_of, value_of, without_function
from worker_rig import Rig, rigged, ticking

import mobula
from mobula._core.pb import boundary_pb2 as pb
from mobula._core.runs import Run
from mobula._worker.functions import Function
from mobula._worker.interrupts import frame_may_raise

PACKAGE = os.path.dirname(os.path.abspath(mobula.__file__ or mobula.__path__[0] + "/x"))


@pytest.fixture
def rig() -> Iterator[Rig]:
    with rigged() as made:
        yield made


def shim(source: str, name: str, path: str = "_core/pretended.py", **names: Any) -> Callable[..., Any]:
    """A function that counts as the shim's own, by the file it claims to be from."""
    exec(compile(source, os.path.join(PACKAGE, path), "exec"), names)
    return names[name]  # type: ignore[no-any-return]


def local(rig: Rig, function: Callable[..., Any], *args: Any, **options: Any) -> Run:
    """A run of this very function object, not of a pickled copy: it may share state with the test."""
    run = run_of(len, *args, **options)
    run = without_function(run)
    rig.worker.functions._functions[run.spec.function_id] = Function(function, "local")
    return run


def do(rig: Rig, function: Callable[..., Any], *args: Any, **options: Any) -> pb.TaskDone:
    rig.executor.run(local(rig, function, *args, **options))
    return rig.process.next_done(0)


def cancel_soon(rig: Rig, epoch: int, seconds: float = 0.05) -> threading.Timer:
    timer = threading.Timer(seconds, rig.cancel, (epoch,))
    timer.start()
    return timer


def test_user_code_is_interrupted(rig: Rig) -> None:
    def spin() -> None:
        while True:
            pass

    cancel_soon(rig, 5)
    assert do(rig, spin, epoch=5).outcome == pb.OUTCOME_CANCELED


def test_a_long_sleep_is_interrupted_at_once(rig: Rig) -> None:
    cancel_soon(rig, 5)
    began = time.monotonic()
    assert do(rig, lambda: time.sleep(60), epoch=5).outcome == pb.OUTCOME_CANCELED
    assert time.monotonic() - began < 50


def test_a_builtin_as_task_is_interrupted(rig: Rig) -> None:
    cancel_soon(rig, 5)
    rig.executor.run(run_of(time.sleep, 60, epoch=5))
    assert rig.process.next_done(0).outcome == pb.OUTCOME_CANCELED


def test_a_generator_body_is_interrupted(rig: Rig) -> None:
    def items() -> Any:
        yield 1
        time.sleep(60)
        yield 2

    cancel_soon(rig, 5)
    assert do(rig, items, epoch=5, num_returns=2).outcome == pb.OUTCOME_CANCELED


def test_asyncio_run_inside_a_task_is_interrupted(rig: Rig) -> None:
    cancel_soon(rig, 5)
    assert do(rig, lambda: asyncio.run(asyncio.sleep(60)), epoch=5).outcome == pb.OUTCOME_CANCELED


def test_a_task_that_handles_the_interrupt_keeps_its_value(rig: Rig) -> None:
    def handle() -> str:
        try:
            time.sleep(60)
        except KeyboardInterrupt:
            return "cleaned up"
        return "slept"

    cancel_soon(rig, 5)
    assert value_of(do(rig, handle, epoch=5)) == "cleaned up"


def test_an_error_while_cleaning_up_is_that_error(rig: Rig) -> None:
    def handle() -> None:
        try:
            time.sleep(60)
        except KeyboardInterrupt:
            raise OSError("cleanup went wrong") from None

    cancel_soon(rig, 5)
    assert isinstance(error_of(do(rig, handle, epoch=5)), OSError)


def test_a_second_cancel_does_not_break_the_cleanup(rig: Rig) -> None:
    def handle() -> str:
        try:
            time.sleep(60)
        except KeyboardInterrupt:
            for _ in range(20):
                rig.cancel(5)
                time.sleep(0.002)
            return "cleaned up"
        return "slept"

    cancel_soon(rig, 5)
    with ticking(rig):
        assert value_of(do(rig, handle, epoch=5)) == "cleaned up"


def test_a_signal_for_another_run_is_swallowed(rig: Rig) -> None:
    def work() -> str:
        rig.cancel(4)
        time.sleep(0.02)
        return "done"

    with ticking(rig):
        assert value_of(do(rig, work, epoch=5)) == "done"


def test_a_signal_between_tasks_is_swallowed(rig: Rig) -> None:
    assert value_of(do(rig, lambda: 1, epoch=5)) == 1
    rig.cancel(5)
    rig.interrupts.tick()
    assert value_of(do(rig, lambda: 2, epoch=6)) == 2


def test_a_run_canceled_before_its_code_never_enters_it(rig: Rig) -> None:
    ran: list[int] = []
    rig.process.cancel(rig.lane, 5)
    assert do(rig, lambda: ran.append(1), epoch=5).outcome == pb.OUTCOME_CANCELED
    assert ran == []


def test_loading_is_never_interrupted_and_the_code_not_entered(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    steps: list[str] = []
    plain = rig.process.load_args

    def load_args(spec: pb.TaskSpec) -> Any:
        steps.append("load")
        rig.cancel(5)
        time.sleep(0.05)
        steps.append("loaded")
        return plain(spec)

    monkeypatch.setattr(rig.process, "load_args", load_args)
    with ticking(rig, 0.002):
        assert do(rig, steps.append, "ran", epoch=5).outcome == pb.OUTCOME_CANCELED
    assert steps == ["load", "loaded"]


def test_storing_the_result_is_never_interrupted(rig: Rig) -> None:
    class Slow:
        def __reduce__(self) -> Any:
            rig.cancel(5)
            time.sleep(0.05)
            return str, ("kept",)

    with ticking(rig, 0.002):
        assert value_of(do(rig, Slow, epoch=5)) == "kept"


def test_shim_code_is_not_torn_and_the_interrupt_comes_when_it_returns(rig: Rig) -> None:
    log: list[str] = []
    slow = shim(
        "def slow():\n    log.append('begin')\n    cancel(5)\n    sleep(0.05)\n    log.append('end')\n",
        "slow", log=log, cancel=rig.cancel, sleep=time.sleep,
    )  # fmt: skip

    def work() -> None:
        slow()
        for _ in range(2000):
            time.sleep(0.005)

    with ticking(rig):
        assert do(rig, work, epoch=5).outcome == pb.OUTCOME_CANCELED
    assert log == ["begin", "end"]


def test_check_raises_a_pending_interrupt_where_the_api_returns(rig: Rig) -> None:
    reached: list[str] = []
    api = shim("def api():\n    cancel(5)\n    check()\n", "api", cancel=rig.cancel, check=rig.interrupts.check)

    def work() -> None:
        api()
        reached.append("after")

    assert do(rig, work, epoch=5).outcome == pb.OUTCOME_CANCELED
    assert reached == []


def test_check_does_nothing_in_a_nested_call_of_the_shim(rig: Rig) -> None:
    """User code that the shim calls back (a __reduce__) may call the API; raising there would tear the outer call."""
    log: list[str] = []
    inner = shim(
        "def inner():\n    cancel(5)\n    check()\n    log.append('inner')\n",
        "inner",
        cancel=rig.cancel,
        check=rig.interrupts.check,
        log=log,
    )
    outer = shim(
        "def outer(call):\n    call()\n    log.append('outer')\n    check()\n", "outer", check=rig.interrupts.check, log=log
    )

    def work() -> None:
        outer(lambda: inner())

    assert do(rig, work, epoch=5).outcome == pb.OUTCOME_CANCELED
    assert log == ["inner", "outer"]


def test_the_polling_wait_is_interrupted(rig: Rig) -> None:
    """As in a blocking get: user code, the shim's calls, and innermost the function that only polls."""
    wait = shim(
        "def wait_readable(fd):\n    select([fd], [], [], 60)\n",
        "wait_readable",
        "_lane/pretended.py",
        select=__import__("select").select,
    )
    get = shim("def get(fd):\n    wait_readable(fd)\n", "get", wait_readable=wait)
    cancel_soon(rig, 5)
    began = time.monotonic()
    assert do(rig, lambda: get(rig.lane.fileno()), epoch=5).outcome == pb.OUTCOME_CANCELED
    assert time.monotonic() - began < 50


def test_a_wait_of_the_shims_own_is_not_interrupted() -> None:
    seen: list[bool] = []
    import sys

    wait = shim(
        "def wait_readable():\n    seen.append(may(frame()))\n",
        "wait_readable",
        "_lane/x.py",
        seen=seen,
        may=frame_may_raise,
        frame=sys._getframe,
    )
    wait()
    assert seen == [False]


def test_a_finalizer_is_not_interrupted_because_the_interrupt_would_be_lost(rig: Rig) -> None:
    log: list[str] = []

    class Slow:
        def __del__(self) -> None:
            rig.cancel(5)
            time.sleep(0.05)
            log.append("finalized")

    def work() -> None:
        Slow()
        for _ in range(2000):
            time.sleep(0.005)

    with ticking(rig):
        assert do(rig, work, epoch=5).outcome == pb.OUTCOME_CANCELED
    assert log == ["finalized"]


def test_convenience_modules_count_as_user_code(rig: Rig) -> None:
    pool = shim("def work():\n    sleep(60)\n", "work", "util/pretended.py", sleep=time.sleep)
    cancel_soon(rig, 5)
    assert do(rig, lambda: pool(), epoch=5).outcome == pb.OUTCOME_CANCELED


def test_a_lost_signal_is_sent_again(rig: Rig) -> None:
    """The word is set and no signal comes, as when it landed right before the system call."""
    threading.Timer(0.05, rig.process.cancel, (rig.lane, 5)).start()
    began = time.monotonic()
    with ticking(rig):
        assert do(rig, lambda: time.sleep(60), epoch=5).outcome == pb.OUTCOME_CANCELED
    assert time.monotonic() - began < 50


def test_without_a_page_the_core_is_asked(rig: Rig) -> None:
    asked: list[bytes] = []
    canceled = local(rig, lambda: time.sleep(60), epoch=5)

    def confirm(task_id: bytes) -> bool:
        asked.append(task_id)
        return task_id == canceled.spec.task_id

    rig.interrupts.watch(None, 0, confirm)
    rig.worker.page = None
    with ticking(rig):
        timer = threading.Timer(0.05, os.kill, (os.getpid(), signal.SIGINT))
        timer.start()
        rig.executor.run(canceled)
        assert rig.process.next_done(0).outcome == pb.OUTCOME_CANCELED

        def late() -> str:
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(0.05)
            return "went on"

        assert value_of(do(rig, late, epoch=6)) == "went on"
    assert len(set(asked)) == 2


def test_actors_are_not_interrupted(rig: Rig) -> None:
    began, begin = os.pipe()
    canceled, cancel = os.pipe()

    class Actor:
        def work(self) -> str:
            os.write(begin, b"x")
            os.read(canceled, 1)
            deadline = time.monotonic() + 0.05
            while time.monotonic() < deadline:
                os.kill(os.getpid(), signal.SIGINT)
            return "whole"

    def cancel_it() -> None:
        os.read(began, 1)
        rig.process.cancel(rig.lane, 9)
        os.write(cancel, b"x")

    rig.executor.run(creation_of(Actor))
    assert rig.process.next_done(0).outcome == pb.OUTCOME_OK
    run = method_of("work", epoch=9)
    canceler = threading.Thread(target=cancel_it)
    canceler.start()
    with ticking(rig, 0.002):
        rig.executor.run(run)
    canceler.join()
    assert rig.process.next_value() == "whole"
    for fd in (began, begin, canceled, cancel):
        os.close(fd)


def test_a_handler_that_the_task_installed_is_gone_for_the_next(rig: Rig) -> None:
    def replace() -> None:
        signal.signal(signal.SIGINT, signal.default_int_handler)

    do(rig, replace)
    cancel_soon(rig, 5)
    assert do(rig, lambda: time.sleep(60), epoch=5).outcome == pb.OUTCOME_CANCELED
    os.kill(os.getpid(), signal.SIGINT)
    assert value_of(do(rig, lambda: "unharmed", epoch=6)) == "unharmed"


@pytest.mark.parametrize("seed", range(4))
def test_hundreds_of_cancels_at_random_moments(rig: Rig, seed: int) -> None:
    """One outcome each; a run that was not canceled is never hit; a canceled one gets at most one interrupt."""
    dice = random.Random(seed)
    rounds = 250
    current_epoch = [0]
    canceled: set[int] = set()
    hits: list[int] = []
    stop = threading.Event()

    def core() -> None:
        while not stop.wait(dice.random() * 0.002):
            epoch = current_epoch[0]
            if epoch and dice.random() < 0.6:
                canceled.add(epoch)
                rig.process.cancel(rig.lane, epoch)
                if dice.random() < 0.8:  # now and then the signal is lost
                    for _ in range(dice.choice((1, 1, 3))):
                        os.kill(os.getpid(), signal.SIGINT)

    shim_work = shim("def shim_work(x):\n    for _ in range(200):\n        x = x + 1\n    return x\n", "shim_work")

    def work(epoch: int) -> str:
        try:
            for _ in range(3):
                shim_work(1)
                time.sleep(0.0005)
                sum(range(300))
        except KeyboardInterrupt:
            hits.append(epoch)
            raise
        return "whole"

    thread = threading.Thread(target=core)
    outcomes: dict[int, int] = {}
    leaked: list[str] = []
    with ticking(rig, 0.003):
        thread.start()
        try:
            for epoch in range(1, rounds + 1):
                current_epoch[0] = epoch
                try:
                    rig.executor.run(local(rig, lambda epoch=epoch: work(epoch), epoch=epoch))
                except KeyboardInterrupt:
                    leaked.append(f"out of run {epoch}")
                (done,) = rig.reports()
                outcomes[epoch] = done.outcome
        finally:
            stop.set()
            thread.join()
    assert leaked == []
    assert len(hits) == len(set(hits))
    assert set(hits) <= canceled
    assert {epoch for epoch, outcome in outcomes.items() if outcome == pb.OUTCOME_CANCELED} <= canceled
    assert set(outcomes.values()) <= {pb.OUTCOME_OK, pb.OUTCOME_CANCELED}
    assert len(hits) > 10, "the test did not interrupt anything"
