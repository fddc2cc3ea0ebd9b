"""Options that no conformance case asks about do what they say."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from integration_kit import Gate, Notes, until

import mobula

GIB = 1 << 30


@mobula.remote(num_cpus=0)
def after(gate: Gate, value: int) -> int:
    gate.wait()
    return value


@mobula.remote(num_cpus=0)
class Ordered:
    def __init__(self) -> None:
        self.seen: list[int] = []

    def add(self, value: int) -> None:
        self.seen.append(value)

    def all(self) -> list[int]:
        return self.seen


@pytest.mark.parametrize(
    ("options", "order"),
    [
        ({}, [1, 2]),
        ({"allow_out_of_order_execution": False}, [1, 2]),
        ({"allow_out_of_order_execution": True}, [2, 1]),
        ({"max_concurrency": 2}, [2, 1]),
    ],
    ids=str,
)
def test_allow_out_of_order_execution(fresh: Callable[..., Any], tmp_path: Path, options: dict[str, Any], order: list[int]) -> None:
    """The first call's argument comes late: whether the second one waits for it."""
    fresh()
    gate = Gate(tmp_path)
    actor = Ordered.options(**options).remote()
    mobula.get(actor.all.remote())
    first, second = actor.add.remote(after.remote(gate, 1)), actor.add.remote(2)
    if order == [2, 1]:
        mobula.get(second, timeout=60)
    else:
        assert mobula.wait([second], timeout=0.2) == ([], [second])
    gate.open()
    mobula.get([first, second])
    assert mobula.get(actor.all.remote()) == order


@pytest.mark.parametrize(
    ("options", "resource"),
    [
        ({"memory": 600 << 20}, "memory"),
        ({"num_gpus": 0.6}, "GPU"),
        ({"resources": {"gizmo": 0.6}}, "gizmo"),
        ({"num_cpus": 0.6}, "CPU"),
    ],
    ids=str,
)
def test_what_a_task_holds_is_not_given_twice(
    fresh: Callable[..., Any], tmp_path: Path, options: dict[str, Any], resource: str
) -> None:
    fresh(num_cpus=1 if resource == "CPU" else 4, num_gpus=1, resources={"gizmo": 1}, _memory=GIB)
    gate, notes = Gate(tmp_path), Notes(tmp_path)

    @mobula.remote(num_cpus=0)
    def hold() -> None:
        notes.add("began")
        gate.wait()

    total = mobula.cluster_resources()[resource]
    refs = [hold.options(**options).remote() for _ in range(2)]
    until("one runs", lambda: notes.lines() == ["began"])
    amount = options.get(resource, options.get("resources", options).get(resource, 0.6))
    left = mobula.available_resources()[resource]
    assert left == pytest.approx(total - amount)
    gate.open()
    mobula.get(refs)
    assert len(notes.lines()) == 2
    until("all is back", lambda: mobula.available_resources()[resource] == total)


def test_an_actor_holds_what_it_asked_for_as_long_as_it_lives(fresh: Callable[..., Any]) -> None:
    fresh(_memory=GIB, resources={"gizmo": 2})
    before = mobula.available_resources()
    actor = Ordered.options(num_cpus=1, memory=256 << 20, resources={"gizmo": 1.5}).remote()
    mobula.get(actor.all.remote())
    during = mobula.available_resources()
    assert {name: before[name] - during.get(name, 0) for name in ("CPU", "memory", "gizmo")} == {
        "CPU": 1,
        "memory": 256 << 20,
        "gizmo": 1.5,
    }
    mobula.kill(actor)
    until("all is back", lambda: mobula.available_resources() == before)


def test_max_pending_calls_counts_what_has_no_result(fresh: Callable[..., Any], tmp_path: Path) -> None:
    fresh()
    gate = Gate(tmp_path)
    actor = Ordered.options(max_pending_calls=2).remote()
    refs = [actor.add.remote(after.remote(gate, value)) for value in (1, 2)]
    with pytest.raises(mobula.exceptions.PendingCallsLimitExceeded, match="max_pending_calls=2"):
        actor.add.remote(3)
    gate.open()
    mobula.get(refs)
    assert mobula.get(actor.all.remote()) == [1, 2]


class Flaky:
    """Raises until it was called often enough."""

    def __init__(self, path: str) -> None:
        self.path = path

    def _calls(self) -> int:
        with open(self.path, "a") as file:
            file.write("x")
        return os.path.getsize(self.path)

    @mobula.method(max_task_retries=2, retry_exceptions=[ValueError])
    def third(self) -> int:
        calls = self._calls()
        if calls < 3:
            raise ValueError(calls)
        return calls

    @mobula.method(max_task_retries=-1, retry_exceptions=True)
    def sixth(self) -> int:
        calls = self._calls()
        if calls < 6:
            raise KeyError(calls)
        return calls


def test_retries_of_methods_and_of_calls(fresh: Callable[..., Any], tmp_path: Path) -> None:
    fresh()
    made = iter(range(100))

    def actor() -> Any:
        return mobula.remote(Flaky).options(num_cpus=0).remote(str(tmp_path / f"calls{next(made)}"))

    assert mobula.get(actor().third.remote()) == 3
    assert mobula.get(actor().sixth.remote()) == 6
    with pytest.raises(ValueError, match="1"):
        mobula.get(actor().third.options(max_task_retries=0).remote())
    with pytest.raises(ValueError, match="2"):
        mobula.get(actor().third.options(max_task_retries=1).remote())
    with pytest.raises(ValueError, match="1"):
        mobula.get(actor().third.options(retry_exceptions=[KeyError]).remote())
    with pytest.raises(ValueError, match="1"):
        mobula.get(actor().third.options(retry_exceptions=False).remote())


def test_get_if_exists_is_one_actor_for_many_at_once(fresh: Callable[..., Any]) -> None:
    fresh()

    @mobula.remote(num_cpus=0)
    def same() -> str:
        actor = Ordered.options(name="the one", get_if_exists=True, lifetime="detached").remote()
        return str(actor._actor_id.hex())

    assert len(set(mobula.get([same.remote() for _ in range(12)]))) == 1
    mobula.kill(mobula.get_actor("the one"))


@mobula.remote
class Told:
    def resources(self) -> dict[str, float]:
        held: dict[str, float] = mobula.get_runtime_context().get_assigned_resources()
        return held


def test_room_in_the_store_is_reserved_for_an_actor(fresh: Callable[..., Any]) -> None:
    fresh(object_store_memory=200 << 20)
    before = mobula.available_resources()["object_store_memory"]
    actor = Told.options(object_store_memory=50 << 20).remote()
    assert mobula.get(actor.resources.remote())["object_store_memory"] == 50 << 20
    assert before - mobula.available_resources()["object_store_memory"] == 50 << 20
    mobula.kill(actor)
    until("it is back", lambda: mobula.available_resources()["object_store_memory"] == before)


def test_an_accelerator_is_a_resource_with_its_name(fresh: Callable[..., Any]) -> None:
    fresh(resources={"accelerator_type:X9": 1})

    @mobula.remote(accelerator_type="X9")
    def resources() -> dict[str, float]:
        held: dict[str, float] = mobula.get_runtime_context().get_assigned_resources()
        return held

    wanted = {"CPU": 1.0, "accelerator_type:X9": 0.001}
    assert mobula.get(resources.remote()) == wanted
    assert mobula.get(Told.options(accelerator_type="X9").remote().resources.remote()) == wanted
    missing = resources.options(accelerator_type="Y1").remote()
    assert mobula.wait([missing], timeout=0.2) == ([], [missing])
    mobula.cancel(missing)


def test_max_calls_is_how_many_calls_a_process_takes(fresh: Callable[..., Any]) -> None:
    fresh(num_cpus=1)

    @mobula.remote(max_calls=3)
    def pid() -> int:
        return os.getpid()

    pids = [mobula.get(pid.remote()) for _ in range(7)]
    assert [pids.index(one) for one in pids] == [0, 0, 0, 3, 3, 3, 6]
    at_once = mobula.get([pid.remote() for _ in range(12)])
    assert max(at_once.count(one) for one in at_once) == 3
