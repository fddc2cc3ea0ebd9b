"""The table of wrong use: Ray's exception type, and one sentence that says what was wrong and what to do.

The types were compared with Ray 2.60's, call by call. `what` is what the sentence has to name.
"""

from __future__ import annotations

import asyncio
import re
import threading
import time
from collections.abc import Callable, Generator
from typing import Any

import pytest

import mobula as ray


@pytest.fixture(autouse=True, scope="module")
def _session() -> Generator[None]:
    ray.init(num_cpus=2)
    yield
    ray.shutdown()


@ray.remote
def task(*args: object, **kwargs: object) -> int:
    return 1


@ray.remote
def slow() -> None:
    time.sleep(0.3)


@ray.remote
def one(a: object) -> object:
    return a


@ray.remote
def missing_module() -> None:
    import not_there_at_all  # noqa: F401


@ray.remote
class Actor:
    attribute = 1

    def method(self, x: int = 1) -> int:
        return x


@ray.remote
class Async:
    async def method(self) -> int:
        return 1


class Plain:
    pass


def plain() -> None: ...


class Given:
    """What the calls of the table are made with."""

    def __init__(self) -> None:
        self.ref = task.remote()
        self.actor: Any = Actor.remote()
        self.loop: Any = Async.remote()
        ray.get([self.ref, self.actor.method.remote(), self.loop.method.remote()])


@pytest.fixture(scope="module")
def given(_session: None) -> Given:
    return Given()


LOCK = threading.Lock()

TABLE: dict[str, tuple[Callable[[Given], object], type[BaseException], str]] = {
    # get
    "get a number": (lambda g: ray.get(5), ValueError, "5"),
    "get nothing": (lambda g: ray.get(None), ValueError, "None"),
    "get a list with a number": (lambda g: ray.get([g.ref, 5]), TypeError, "5"),
    "get a tuple": (lambda g: ray.get((g.ref,)), ValueError, "list"),
    "get a set": (lambda g: ray.get({g.ref}), ValueError, "list"),
    "get a nested list": (lambda g: ray.get([[g.ref]]), TypeError, "list"),
    "get a dict": (lambda g: ray.get({"a": g.ref}), ValueError, "list"),
    "get an actor": (lambda g: ray.get(g.actor), ValueError, "Actor"),
    "get a function": (lambda g: ray.get(task), ValueError, "remote function"),
    "get a method": (lambda g: ray.get(g.actor.method), ValueError, "method"),
    "get with a wrong timeout": (lambda g: ray.get(g.ref, timeout="soon"), TypeError, "timeout"),
    "get with a negative timeout": (lambda g: ray.get(g.ref, timeout=-1), ValueError, "timeout"),
    "a result that is late": (lambda g: ray.get(slow.remote(), timeout=0.01), TimeoutError, "time"),
    # wait
    "wait for one": (lambda g: ray.wait(g.ref), TypeError, "list"),
    "wait for numbers": (lambda g: ray.wait([1]), TypeError, "1"),
    "wait for one twice": (lambda g: ray.wait([g.ref, g.ref]), ValueError, "twice"),
    "wait for too many": (lambda g: ray.wait([g.ref], num_returns=2), ValueError, "num_returns"),
    "wait for none": (lambda g: ray.wait([g.ref], num_returns=0), ValueError, "num_returns"),
    # put, arguments, closures
    "put a ref": (lambda g: ray.put(g.ref), TypeError, "list"),
    "put a lock": (lambda g: ray.put(LOCK), TypeError, "lock"),
    "a lock as argument": (lambda g: task.remote(LOCK), TypeError, "argument 0"),
    "a lock as keyword": (lambda g: task.remote(1, key=LOCK), TypeError, "key"),
    "a generator as argument": (lambda g: task.remote(x for x in ()), TypeError, "generator"),
    "a lock for a method": (lambda g: g.actor.method.remote(LOCK), TypeError, "method"),
    "a lock for a constructor": (lambda g: Actor.remote(LOCK), TypeError, "too many"),
    "a lock in a closure": (lambda g: _closure(threading.Lock()), TypeError, "lock"),
    # calls
    "a call without remote": (lambda g: task(), TypeError, "remote()"),
    "a class without remote": (lambda g: Actor(), TypeError, "Actor.remote()"),
    "a method without remote": (lambda g: g.actor.method(), TypeError, "method.remote()"),
    "a method that is not there": (lambda g: g.actor.nothing.remote(), AttributeError, "nothing"),
    "an attribute": (lambda g: g.actor.attribute, AttributeError, "attribute"),
    "remote of an instance": (lambda g: g.actor.remote(), AttributeError, "remote"),
    "too many arguments": (lambda g: one.remote(1, 2), TypeError, "too many"),
    "too few arguments": (lambda g: one.remote(), TypeError, "'a'"),
    "an unknown keyword": (lambda g: one.remote(a=1, b=1), TypeError, "'b'"),
    "too many for a method": (lambda g: g.actor.method.remote(1, 2, 3), TypeError, "too many"),
    "too many for a constructor": (lambda g: Actor.remote(1), TypeError, "too many"),
    # cancel, kill
    "cancel a number": (lambda g: ray.cancel(5), TypeError, "ObjectRef"),
    "cancel a list": (lambda g: ray.cancel([g.ref]), TypeError, "ObjectRef"),
    "cancel an actor": (lambda g: ray.cancel(g.actor), TypeError, "kill()"),
    "force an actor's task": (lambda g: ray.cancel(g.loop.method.remote(), force=True), ValueError, "kill()"),
    "kill a ref": (lambda g: ray.kill(g.ref), ValueError, "cancel()"),
    "kill a number": (lambda g: ray.kill(5), ValueError, "actor"),
    "kill a class": (lambda g: ray.kill(Actor), ValueError, "actor"),
    # remote
    "remote of a number": (lambda g: ray.remote(5), AssertionError, "@remote"),
    "remote of an object": (lambda g: ray.remote(Plain()), AssertionError, "@remote"),
    "remote of a builtin": (lambda g: ray.remote(len), TypeError, "len"),
    "remote with an option by place": (lambda g: ray.remote(1, plain), AssertionError, "keyword"),
    "remote of a remote function": (lambda g: ray.remote(task), TypeError, "already"),
    "remote of an actor class": (lambda g: ray.remote(Actor), TypeError, "already"),
    "remote with empty parentheses": (lambda g: ray.remote()(plain), AssertionError, "parentheses"),
    "remote of async def": (lambda g: ray.remote(asyncio.sleep), ValueError, "asyncio.run()"),
    "a class made from an actor class": (lambda g: _inherit(), TypeError, "Actor"),
    # options
    "an actor's option for a function": (lambda g: task.options(max_concurrency=2), ValueError, "max_concurrency"),
    "a lifetime for a function": (lambda g: task.options(lifetime="detached"), ValueError, "lifetime"),
    "restarts for a function": (lambda g: task.options(max_restarts=1), ValueError, "max_restarts"),
    "an unknown option": (lambda g: ray.remote(namee="x")(plain), ValueError, "namee"),
    "returns for a class": (lambda g: ray.remote(num_returns=2)(Plain), ValueError, "num_returns"),
    "retries for a class": (lambda g: Actor.options(max_retries=1), ValueError, "max_retries"),
    "a misspelt option": (lambda g: Actor.options(maxconcurrency=1), ValueError, "maxconcurrency"),
    "negative CPUs": (lambda g: task.options(num_cpus=-1), ValueError, "num_cpus"),
    "CPUs as text": (lambda g: task.options(num_cpus="1"), TypeError, "num_cpus"),
    "CPU as a resource": (lambda g: task.options(resources={"CPU": 1}), ValueError, "num_cpus"),
    "negative returns": (lambda g: task.options(num_returns=-2), ValueError, "num_returns"),
    "returns as text": (lambda g: task.options(num_returns="two"), TypeError, "num_returns"),
    "concurrency as text": (lambda g: Actor.options(max_concurrency="2"), TypeError, "max_concurrency"),
    "negative restarts": (lambda g: Actor.options(max_restarts=-2), ValueError, "max_restarts"),
    "an empty name": (lambda g: Actor.options(name="").remote(), ValueError, "name"),
    "a number as name": (lambda g: Actor.options(name=3).remote(), TypeError, "name"),
    "a number as namespace": (lambda g: Actor.options(name="x", namespace=4).remote(), TypeError, "namespace"),
    "an unknown lifetime": (lambda g: Actor.options(lifetime="forever").remote(), ValueError, "lifetime"),
    # names
    "an actor nobody made": (lambda g: ray.get_actor("nobody"), ValueError, "nobody"),
    "an actor by number": (lambda g: ray.get_actor(3), TypeError, "name"),
    "a name twice": (lambda g: [Actor.options(name="twice").remote() for _ in "12"], ValueError, "twice"),
    # refs are no values
    "a ref as a list": (lambda g: list(g.ref), TypeError, "ObjectRef"),
    "a ref as a number": (lambda g: g.ref + 1, TypeError, "ObjectRef"),
    # init
    "init twice": (lambda g: ray.init(), RuntimeError, "shutdown()"),
}


def _closure(lock: object) -> None:
    ray.remote(lambda: lock).remote()


def _inherit() -> None:
    class Sub(Actor):  # type: ignore[misc,valid-type]
        pass


@pytest.mark.parametrize("case", TABLE)
def test_wrong_use(given: Given, case: str) -> None:
    call, kind, what = TABLE[case]
    with pytest.raises(kind) as raised:
        call(given)
    text = str(raised.value)
    assert what in text
    assert len(text.splitlines()) == 1
    assert not re.search(r"Traceback|_core|_worker|pb2|\.py\b|line \d+", text)


def test_everything_works_after_all_that(given: Given) -> None:
    assert ray.get([task.remote(), given.actor.method.remote(), given.loop.method.remote()]) == [1, 1, 1]


def test_errors_that_only_the_worker_sees(given: Given) -> None:
    """They come with the worker's traceback; the last line is the sentence."""
    with pytest.raises(ImportError) as raised:
        ray.get(missing_module.remote())
    assert str(raised.value).endswith("No module named 'not_there_at_all'")
    with pytest.raises(TypeError) as wrong:
        ray.get(task.options(num_returns=2).remote())
    assert "num_returns=2" in str(wrong.value).splitlines()[-1]
