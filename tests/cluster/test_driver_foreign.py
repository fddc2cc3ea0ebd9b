"""Actors that a stock driver made, called by mobula's driver."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from typing import Any

import cloudpickle
import pytest

import mobula
from conftest import Cluster

PATIENCE_S = 20.0

#: What a stock driver runs and then leaves: its actors are detached. Its class refers to another actor class, to a remote function
#: and to a module that Ray's environment has.
STOCK = """
import asyncio, os, threading
import jsonschema, ray
ray.init(namespace="foreign", log_to_driver=False)

@ray.remote
def one():
    return 1

@ray.remote
class Child:
    def __init__(self, n):
        self.n = n
    def add(self, by=1):
        self.n += by
        return self.n
    def pid(self):
        return os.getpid()

@ray.remote
class Counter:
    def __init__(self, n):
        self.n = n
    def add(self, by=1):
        self.n += by
        return self.n
    @ray.method(num_returns=2)
    def both(self):
        return self.n, -self.n
    def count(self, n):
        for i in range(n):
            yield i
    def boom(self):
        raise KeyError("on purpose")
    def child(self):
        return {"made": Child.remote(100)}
    def elsewhere(self):
        return ray.get(one.remote()), jsonschema

@ray.remote
class Loop:
    def __init__(self):
        self.event = asyncio.Event()
    async def wait(self):
        await self.event.wait()
        return "woken"
    async def wake(self):
        self.event.set()

@ray.remote(concurrency_groups={"io": 1})
class Threads:
    def __init__(self):
        self.event = threading.Event()
    @ray.method(concurrency_group="io")
    def wait(self):
        return self.event.wait(20)
    def wake(self):
        self.event.set()

made = [cls.options(name=cls.__ray_metadata__.class_name, lifetime="detached", num_cpus=0) for cls in (Loop, Threads)]
made = [Counter.options(name="Counter", lifetime="detached", num_cpus=0).remote(5)] + [one.remote() for one in made]
ray.get([actor.__ray_ready__.remote() for actor in made])
"""


@pytest.fixture(scope="module", autouse=True)
def joined(one_node: Cluster) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        for name, value in one_node.environment.items():
            patch.setenv(name, value)
        one_node.stock_driver(STOCK)
        cloudpickle.register_pickle_by_value(sys.modules[__name__])  # the workers cannot import this module
        mobula.init(address=one_node.address, namespace="foreign")
        try:
            yield
        finally:
            for name in ("Counter", "Loop", "Threads"):
                mobula.kill(mobula.get_actor(name))
            mobula.shutdown()
            cloudpickle.unregister_pickle_by_value(sys.modules[__name__])


pytestmark = pytest.mark.mobula_leaves("process", "descriptor pipe")  # the cluster's, as in test_driver


def get(refs: Any) -> Any:
    return mobula.get(refs, timeout=PATIENCE_S)


def test_calls() -> None:
    counter = mobula.get_actor("Counter")
    before = get(counter.add.remote(0))
    assert get([counter.add.remote() for _ in range(20)]) == [before + i for i in range(1, 21)]
    assert get(counter.add.remote(by=mobula.put(-20))) == before
    assert get(counter.both.remote()) == [before, -before]
    assert [get(ref) for ref in counter.count.remote(3)] == [0, 1, 2]
    assert get(counter.__ray_call__.remote(lambda self: self.n)) == before
    with pytest.raises(KeyError, match="on purpose") as caught:
        get(counter.boom.remote())
    assert isinstance(caught.value, mobula.exceptions.RayTaskError)
    with pytest.raises(TypeError):
        counter.add.remote(no_such=1)
    with pytest.raises(AttributeError, match="no method 'subtract'"):
        counter.subtract.remote()


@mobula.remote(num_cpus=0)
def through(handle: Any) -> Any:
    return mobula.get(handle.add.remote(0)), handle


def test_the_handle_is_passed_on() -> None:
    counter = mobula.get_actor("Counter")
    n, again = get(through.remote(counter))
    assert again == counter
    assert get(again.add.remote(0)) == n


def test_a_handle_inside_a_value_of_stock_code() -> None:
    child = get(mobula.get_actor("Counter").child.remote())["made"]
    assert get([child.add.remote() for _ in range(5)]) == [101, 102, 103, 104, 105]
    assert get(through.remote(child))[0] == 105
    pid = get(child.pid.remote())
    mobula.kill(child)
    with pytest.raises(mobula.exceptions.ActorDiedError):
        call_for_ever(child)  # what was sent before the cluster has told may still be run
    gone(pid)


def test_an_actor_of_which_the_last_handle_was_ours_goes() -> None:
    child = get(mobula.get_actor("Counter").child.remote())["made"]
    pid = get(child.pid.remote())
    del child
    gone(pid)


def call_for_ever(counter: Any) -> None:
    while True:
        get(counter.add.remote())


def gone(pid: int) -> None:
    until = time.monotonic() + PATIENCE_S
    while os.path.exists(f"/proc/{pid}"):
        assert time.monotonic() < until, f"the actor's process {pid} is still there"
        time.sleep(0.02)


@pytest.mark.parametrize("name", ["Loop", "Threads"])
def test_calls_that_run_beside_each_other(name: str) -> None:
    actor = mobula.get_actor(name)
    waiting = actor.wait.remote()
    ready, _ = mobula.wait([waiting], timeout=0.05)
    assert not ready
    get(actor.wake.remote())
    assert get(waiting)
