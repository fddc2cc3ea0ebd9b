"""timeline(): which attempts it has, and what it says of them."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import Any

import pytest

import mobula


def named(part: str) -> list[dict[str, Any]]:
    return [event for event in mobula.timeline() or [] if part in event["cat"]]


def test_tasks_methods_and_constructors_are_there(fresh: Callable[..., Any]) -> None:
    fresh()

    @mobula.remote
    def nap() -> int:
        time.sleep(0.2)
        return os.getpid()

    @mobula.remote
    class Keeper:
        def keep(self) -> int:
            return 1

        async def wait(self) -> int:
            return 2

    before = time.time()
    keeper = Keeper.options(name="kept").remote()
    mobula.get([nap.options(name="a rest").remote(), nap.remote(), keeper.keep.remote(), keeper.wait.remote()])
    after = time.time()
    [rest] = named("a rest")
    assert rest["cat"] == "task::a rest"
    assert rest["name"].endswith(".nap")
    assert rest["ph"] == "X"
    assert 0.2e6 <= rest["dur"] <= (after - before) * 1e6
    assert before * 1e6 <= rest["ts"] <= after * 1e6
    assert {event["name"] for event in named("Keeper")} == {"__init__", "keep", "wait"}
    assert [event["cat"] for event in named("__init__")] == ["task::kept:Keeper.__init__"]
    worker = {event["tid"] for event in named("Keeper")}
    assert len(worker) == 1
    assert worker.pop().startswith("worker:")


def test_every_attempt_and_how_it_ended(fresh: Callable[..., Any], tmp_path: Any) -> None:
    fresh()

    @mobula.remote(max_retries=2, retry_exceptions=True)
    def third_time(path: str) -> int:
        with open(path, "a") as file:
            file.write("x")
        if os.path.getsize(path) < 3:
            raise ValueError("not yet")
        return 3

    @mobula.remote(max_retries=0)
    def dies() -> None:
        os._exit(3)

    assert mobula.get(third_time.remote(str(tmp_path / "count"))) == 3
    with pytest.raises(mobula.exceptions.WorkerCrashedError):
        mobula.get(dies.remote())
    tries = [event["args"] for event in named("third_time")]
    assert [(one.get("attempt_number", 0), one.get("state"), one.get("error")) for one in tries] == [
        (0, "FAILED", "ValueError: not yet"),
        (1, "FAILED", "ValueError: not yet"),
        (2, None, None),
    ]
    [death] = named("dies")
    assert death["args"]["state"] == "WORKER_DIED"
    assert "3" in death["args"]["error"]


def test_enable_task_events_false_is_honoured(fresh: Callable[..., Any]) -> None:
    fresh()

    @mobula.remote(enable_task_events=False)
    def quiet() -> int:
        return 1

    @mobula.remote(enable_task_events=False)
    class Silent:
        def nothing(self) -> int:
            return 1

        @mobula.method(enable_task_events=True)
        def heard(self) -> int:
            return 1

    @mobula.remote
    class Loud:
        def said(self) -> int:
            return 1

        @mobula.method(enable_task_events=False)
        def whispered(self) -> int:
            return 1

    silent, loud = Silent.remote(), Loud.remote()
    refs = [quiet.remote(), silent.nothing.remote(), silent.heard.remote(), loud.said.remote(), loud.whispered.remote()]
    refs += [quiet.options(enable_task_events=True, name="for once").remote()]
    refs += [loud.said.options(enable_task_events=False, name="not now").remote()]
    mobula.get(refs)
    names = sorted(event["cat"] for event in mobula.timeline() or [])
    assert names == ["task::Loud.__init__", "task::Loud.said", "task::Silent.heard", "task::for once"]


def test_workers_may_ask_too_and_pages_lose_nothing(fresh: Callable[..., Any]) -> None:
    fresh()

    @mobula.remote
    def one() -> None:
        pass

    @mobula.remote
    def ask() -> list[str]:
        return [event["args"]["task_id"] for event in mobula.timeline() or []]

    mobula.get([one.remote() for _ in range(2500)])
    seen = mobula.get(ask.remote())
    assert len(seen) == len(set(seen)) == 2500


def test_without_a_session_it_says_what_to_do() -> None:
    with pytest.raises(RuntimeError, match="init"):
        mobula.timeline()
