"""A cancel comes to the core on another connection than what the canceled task does there, and may overtake it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from integration_kit import Gate, until

import mobula
from mobula._core import gets
from mobula._core.process import require

Cancelled = mobula.exceptions.TaskCancelledError


@mobula.remote(num_cpus=0, max_retries=0)
def forever(gate: Gate) -> str:
    gate.wait()
    return "went on"


def _outcome(ref: Any) -> Any:
    try:
        return mobula.get(ref, timeout=30)
    except mobula.exceptions.RayError as error:
        return type(error)


class Overtaken:
    """Its calls reach the core only after the cancel of the method that makes them."""

    def __init__(self) -> None:
        self.refs: list[Any] = []
        self.said = ""

    def submit(self, begun: Gate, canceled: Gate, gate: Gate) -> None:
        process = require()
        send = process.submit_encoded

        def send_late(spec: bytes) -> int:
            begun.open()
            canceled.wait()
            return send(spec)

        process.submit_encoded = send_late  # type: ignore[method-assign]
        try:
            self.refs = [forever.remote(gate)]
        finally:
            process.submit_encoded = send  # type: ignore[method-assign]
        self.know()
        self.refs.append(forever.remote(gate))

    def know(self) -> None:
        until("the flag is up", mobula.get_runtime_context().is_canceled)

    def block(self, how: str, begun: Gate, canceled: Gate, ref: list[Any]) -> None:
        remaining_ms = gets.remaining_ms

        def remaining_late(deadline: float | None) -> int:
            begun.open()
            canceled.wait()
            return remaining_ms(deadline)

        gets.remaining_ms = remaining_late
        try:
            mobula.get(ref[0]) if how == "get" else mobula.wait(ref)
        except Cancelled:
            self.said = "woken"
        finally:
            gets.remaining_ms = remaining_ms
        self.said += f", then {mobula.get(ref[0])}"

    def children(self) -> list[Any]:
        return self.refs

    def what_it_said(self) -> str:
        return self.said


class OvertakenOnALoop(Overtaken):
    def know(self) -> None:
        pass  # not while it keeps its loop

    async def submit_on_the_loop(self, begun: Gate, canceled: Gate, gate: Gate) -> None:
        self.submit(begun, canceled, gate)


@pytest.mark.parametrize("concurrency", [1, 3])
def test_a_child_on_its_way_is_canceled_not_one_made_knowing(fresh: Callable[..., Any], tmp_path: Path, concurrency: int) -> None:
    fresh(num_cpus=2)
    begun, canceled, gate = Gate(tmp_path, "begun"), Gate(tmp_path, "canceled"), Gate(tmp_path)
    actor = mobula.remote(Overtaken).options(max_concurrency=concurrency).remote()
    ref = actor.submit.remote(begun, canceled, gate)
    begun.wait()
    mobula.cancel(ref, recursive=True)
    canceled.open()
    assert _outcome(ref) is Cancelled
    first, second = mobula.get(actor.children.remote())
    assert _outcome(first) is Cancelled
    gate.open()
    assert _outcome(second) == "went on"


def test_on_a_loop_that_was_not_told_yet_all_are_on_their_way(fresh: Callable[..., Any], tmp_path: Path) -> None:
    fresh(num_cpus=2)
    begun, canceled, gate = Gate(tmp_path, "begun"), Gate(tmp_path, "canceled"), Gate(tmp_path)
    actor = mobula.remote(OvertakenOnALoop).remote()
    ref = actor.submit_on_the_loop.remote(begun, canceled, gate)
    begun.wait()
    mobula.cancel(ref, recursive=True)
    canceled.open()
    assert _outcome(ref) is Cancelled
    assert [_outcome(child) for child in mobula.get(actor.children.remote())] == [Cancelled, Cancelled]


@mobula.remote(max_retries=0)
def submits_on_and_on(gate: Gate, some: Gate) -> None:
    refs = []
    while True:
        refs.append(forever.options(num_cpus=2).remote(gate))
        some.open()


# What an interrupt leaves behind when it lands between making a ref and noting it.
@pytest.mark.mobula_leaves("objects")
def test_an_interrupted_task_leaves_no_child_behind(fresh: Callable[..., Any], tmp_path: Path) -> None:
    fresh(num_cpus=2)
    gate = Gate(tmp_path)
    for number in range(20):
        some = Gate(tmp_path, f"some{number}")
        ref = submits_on_and_on.remote(gate, some)
        some.wait()
        mobula.cancel(ref, recursive=True)
        assert _outcome(ref) is Cancelled
        until("no task is left", lambda: require().inspect().tasks_pending == 0)


@pytest.mark.parametrize("how", ["get", "wait"])
@pytest.mark.parametrize("concurrency", [1, 3])
def test_a_call_that_blocks_just_after_the_cancel_is_woken_once(
    fresh: Callable[..., Any], tmp_path: Path, concurrency: int, how: str
) -> None:
    fresh(num_cpus=2)
    begun, canceled, gate = Gate(tmp_path, "begun"), Gate(tmp_path, "canceled"), Gate(tmp_path)
    actor = mobula.remote(Overtaken).options(max_concurrency=concurrency).remote()
    never = forever.remote(gate)
    ref = actor.block.remote(how, begun, canceled, [never])
    begun.wait()
    mobula.cancel(ref, recursive=False)
    canceled.open()
    until("the second get is parked", lambda: require().inspect().parked == 1)
    gate.open()
    assert _outcome(ref) is Cancelled
    assert mobula.get(actor.what_it_said.remote()) == "woken, then went on"
