"""Detached actors live until they are killed or the session ends, whoever created them."""

from __future__ import annotations

import os
from typing import Any

import pytest
from integration_kit import until

import mobula


@mobula.remote(num_cpus=0)
class Keeper:
    def __init__(self) -> None:
        self.value = 0

    def add(self) -> int:
        self.value += 1
        return self.value

    def pid(self) -> int:
        return os.getpid()

    def die(self) -> None:
        os._exit(3)

    def create(self, name: str, **options: Any) -> None:
        Keeper.options(name=name, lifetime="detached", **options).remote()  # the handle goes with this line


def add(name: str, namespace: str | None = None) -> int:
    """Through a handle of this call alone: between two calls there is none."""
    value: int = mobula.get(mobula.get_actor(name, namespace).add.remote(), timeout=60)
    return value


@mobula.remote(max_retries=0)
def create_and_die(name: str) -> None:
    mobula.get(Keeper.options(name=name, lifetime="detached").remote().add.remote())
    os._exit(1)


def test_it_outlives_the_task_that_created_it(shared: Any) -> None:
    @mobula.remote
    def create() -> None:
        Keeper.options(name="of a task", lifetime="detached").remote()

    mobula.get(create.remote())
    assert [add("of a task"), add("of a task")] == [1, 2]


def test_it_outlives_the_process_that_created_it(shared: Any) -> None:
    with pytest.raises(mobula.exceptions.WorkerCrashedError):
        mobula.get(create_and_die.remote("orphan"))
    assert add("orphan") == 2


def test_it_outlives_the_actor_that_created_it_and_is_restarted_without_it(shared: Any) -> None:
    parent = Keeper.remote()
    mobula.get(parent.create.remote("child", max_restarts=1))
    pid = mobula.get(parent.pid.remote())
    mobula.kill(parent)
    until("the parent's process is gone", lambda: not os.path.exists(f"/proc/{pid}"))
    assert add("child") == 1
    with pytest.raises(mobula.exceptions.ActorUnavailableError, match="restarted"):
        mobula.get(mobula.get_actor("child").die.remote())
    assert add("child") == 1  # anew
    with pytest.raises(mobula.exceptions.ActorDiedError):
        mobula.get(mobula.get_actor("child").die.remote())
    with pytest.raises(ValueError, match="child"):
        mobula.get_actor("child")


def test_its_namespace_is_that_it_was_given(shared: Any) -> None:
    parent = Keeper.remote()
    mobula.get(parent.create.remote("abroad", namespace="elsewhere"))
    with pytest.raises(ValueError, match="abroad"):
        mobula.get_actor("abroad")
    assert add("abroad", "elsewhere") == 1


def test_kill_ends_it_and_frees_its_name(shared: Any) -> None:
    Keeper.options(name="short", lifetime="detached").remote()
    assert add("short") == 1
    mobula.kill(mobula.get_actor("short"))
    with pytest.raises(ValueError, match="short"):
        mobula.get_actor("short")
    again = Keeper.options(name="short", lifetime="detached", get_if_exists=True).remote()
    assert mobula.get(again.add.remote()) == 1
    mobula.kill(again)


def test_it_ends_with_the_session(shared: Any) -> None:
    """The last test here: it ends the session that the others share."""
    pid = mobula.get(Keeper.options(name="last", lifetime="detached").remote().pid.remote())
    mobula.shutdown()
    assert not os.path.exists(f"/proc/{pid}")
    with mobula.init(num_cpus=1), pytest.raises(ValueError, match="last"):
        mobula.get_actor("last")
