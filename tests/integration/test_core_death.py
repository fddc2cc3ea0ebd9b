"""The core is killed: every blocked call of the driver says so within a second, and a new session can be started."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from integration_kit import Gate, until

import mobula


@mobula.remote
def wait_for(gate: Gate) -> None:
    gate.wait()


@mobula.remote
def one() -> int:
    return 1


@mobula.remote
class Actor:
    def ping(self) -> int:
        return 1


def _for_ever(call: Callable[[], Any]) -> None:
    while True:
        call()


def _look_up() -> None:
    with pytest.raises(ValueError, match="nobody"):
        mobula.get_actor("nobody")


def _await(ref: Any) -> None:
    async def wait() -> None:
        await ref

    asyncio.run(wait())


@pytest.mark.timeout(60)
def test_every_blocked_call_ends_with_a_sentence(fresh: Callable[..., Any], tmp_path: Path) -> None:
    process = fresh(num_cpus=2)
    gate = Gate(tmp_path)
    held, actor = wait_for.remote(gate), Actor.remote()
    mobula.get(actor.ping.remote())
    held_view = mobula.get(mobula.put(np.arange(1_000_000)))
    calls: dict[str, Callable[[], Any]] = {
        "get": lambda: mobula.get(held),
        "get with a timeout": lambda: mobula.get(held, timeout=30),
        "get of many": lambda: mobula.get([one.remote(), held]),
        "wait": lambda: mobula.wait([held]),
        "future": lambda: held.future().result(),
        "await": lambda: _await(held),
        "tasks": lambda: _for_ever(lambda: mobula.get(one.remote())),
        "submissions": lambda: _for_ever(one.remote),
        "actor calls": lambda: _for_ever(lambda: mobula.get(actor.ping.remote())),
        "puts": lambda: _for_ever(lambda: mobula.put(b"x")),
        "large puts": lambda: _for_ever(lambda: mobula.put(bytes(1_000_000))),
        "names": lambda: _for_ever(_look_up),
        "resources": lambda: _for_ever(mobula.cluster_resources),
    }
    ends: dict[str, BaseException] = {}

    def run(name: str) -> None:
        try:
            calls[name]()
        except BaseException as error:
            ends[name] = error

    threads = {name: threading.Thread(target=run, args=(name,), name=name) for name in calls}
    for thread in threads.values():
        thread.start()
    until("they wait", lambda: process.inspect().parked >= 6)
    os.kill(process.session.core_pid, signal.SIGKILL)
    for name, thread in threads.items():
        thread.join(60)
        assert not thread.is_alive(), f"{name} hangs"
    for name, error in ends.items():
        assert isinstance(error, mobula.exceptions.RaySystemError), (name, error)
        assert "mobula-core" in str(error), (name, error)
        assert "SIGKILL" in str(error), (name, error)
        assert "mobula.init()" in str(error), (name, error)
    for again in (lambda: mobula.get(held), one.remote, lambda: mobula.put(1), lambda: mobula.cancel(held)):
        with pytest.raises(mobula.exceptions.RaySystemError, match="SIGKILL"):
            again()
    assert held_view[-1] == 999_999, "a view outlives the core"
    mobula.shutdown()
    mobula.init(num_cpus=1)
    assert mobula.get(one.remote()) == 1
    assert held_view[-1] == 999_999


def test_again_and_again(fresh: Callable[..., Any]) -> None:
    for _ in range(5):
        process = fresh(num_cpus=1)
        refs = [one.remote() for _ in range(50)]
        os.kill(process.session.core_pid, signal.SIGKILL)
        with pytest.raises(mobula.exceptions.RaySystemError, match="SIGKILL"):
            mobula.get(refs)
        mobula.shutdown()


def test_shutdown_from_another_thread_ends_blocked_calls(fresh: Callable[..., Any], tmp_path: Path) -> None:
    process = fresh()
    held = wait_for.remote(Gate(tmp_path))
    ends: list[BaseException] = []

    def blocked() -> None:
        try:
            mobula.get(held)
        except BaseException as error:
            ends.append(error)

    threads = [threading.Thread(target=blocked) for _ in range(5)]
    for thread in threads:
        thread.start()
    until("they wait", lambda: process.inspect().parked == 5)
    mobula.shutdown()
    for thread in threads:
        thread.join(60)
    assert [type(end) for end in ends] == [mobula.exceptions.RaySystemError] * 5, ends
    assert all("init()" in str(end) for end in ends), ends


def test_a_stopped_core_is_no_dead_core(fresh: Callable[..., Any]) -> None:
    """A machine that swaps, a debugger: the driver waits, and goes on where it was."""
    process = fresh()
    mobula.get(one.remote())
    ends: list[Any] = []
    os.kill(process.session.core_pid, signal.SIGSTOP)
    try:
        refs = [one.remote() for _ in range(100)]
        thread = threading.Thread(target=lambda: ends.append(mobula.get(refs)))
        thread.start()
        thread.join(0.3)
        assert thread.is_alive()
    finally:
        os.kill(process.session.core_pid, signal.SIGCONT)
    thread.join(60)
    assert ends == [[1] * 100]
