"""What a type checker must accept, with the types that must come out. Checked by test_types.py; never run."""

from collections.abc import AsyncIterator, Callable, Generator, Iterator
from typing import Any, assert_type

import mobula
from mobula import ObjectRef, ObjectRefGenerator
from mobula.actor import ActorClass, ActorHandle, ActorProxy
from mobula.util import ActorPool


@mobula.remote
def add(a: int, b: int = 0) -> int:
    return a + b


@mobula.remote(num_cpus=0.5, max_retries=0)
def shout(text: str, *, times: int = 1) -> str:
    return text.upper() * times


@mobula.remote(num_returns=2)
def divided(a: int, b: int) -> tuple[int, int]:
    return divmod(a, b)


@mobula.remote
def words(text: str) -> Iterator[str]:
    yield from text.split()


@mobula.remote(num_returns="streaming", max_retries=0)
def numbers(end: int) -> Generator[int, None, None]:
    yield from range(end)


@mobula.remote
def many(a: int, b: str, c: float, d: bytes, e: bool, f: list[int], g: int = 0) -> None: ...


@mobula.remote
def anything(a: int) -> Any:
    return a


class Counter:
    def __init__(self, start: int = 0) -> None:
        self.value = start

    @mobula.method
    def add(self, n: int, *, times: int = 1) -> int:
        self.value += n * times
        return self.value

    @mobula.method(num_returns=2)
    def both(self) -> tuple[int, int]:
        return self.add(1), self.add(2, times=2)

    @mobula.method(concurrency_group="io", max_task_retries=1)
    async def later(self, text: str) -> str:
        return text

    @mobula.method
    def stream(self, end: int) -> Iterator[int]:
        yield from range(end)

    @mobula.method
    async def astream(self, end: int) -> AsyncIterator[str]:
        yield str(end)

    @mobula.method(num_returns=0)
    def forget(self, other: int) -> None: ...


class Doubling(Counter):
    @mobula.method
    def add(self, n: int, *, times: int = 1) -> int:
        return super().add(2 * n, times=times)


@mobula.remote
def counted(counter: ActorProxy[Counter], n: int) -> int:
    return mobula.get(counter.add.remote(n))


RemoteCounter = mobula.remote(Counter)
OptionedCounter = mobula.remote(max_concurrency=2)(Counter)

# Functions, by position and by keyword.
ref = add.remote(1, b=2)
assert_type(ref, ObjectRef[int])
assert_type(shout.remote("a", times=2), ObjectRef[str])
assert_type(add.options(num_cpus=2).remote(1), ObjectRef[int])
anything_at_all: str = mobula.get(anything.remote(1))

# A ref stands for its value at any of the first places, and the arguments after it are the function's own.
texts = shout.remote("a")
assert_type(add.remote(ref), ObjectRef[int])
assert_type(add.remote(1, ref), ObjectRef[int])
assert_type(add.remote(ref, ref), ObjectRef[int])
assert_type(add.remote(ref, b=1), ObjectRef[int])
assert_type(shout.remote(texts, times=2), ObjectRef[str])
many.remote(ref, texts, 1.5, mobula.put(b""), True, mobula.put([1]), g=2)
many.remote(1, "", mobula.put(1.5), b"", True, [1])

# What comes back is not always one ref.
quotient, remainder = divided.remote(7, 2)
assert_type(quotient, ObjectRef[Any])
assert_type(words.remote("a b"), ObjectRefGenerator[str])
assert_type(numbers.remote(3), ObjectRefGenerator[int])
for item in words.remote("a b"):
    assert_type(item, ObjectRef[str])
first, second = add.options(num_returns=2).remote(1)
assert_type(add.options(num_returns=0).remote(1), None)

# get, put, wait.
assert_type(mobula.get(ref), int)
assert_type(mobula.get([ref, ref], timeout=1.5), list[int])
put = mobula.put({"a": 1.5})
assert_type(put, ObjectRef[dict[str, float]])
ready, rest = mobula.wait([ref], num_returns=1, timeout=0)
assert_type(ready, list[ObjectRef[int]])
streams, _ = mobula.wait([numbers.remote(2)])
assert_type(streams, list[ObjectRefGenerator[int]])
mixed: list[ObjectRef[int] | ObjectRefGenerator[int]] = [ref, numbers.remote(2)]
assert_type(mobula.wait(mixed)[1], list[ObjectRef[int] | ObjectRefGenerator[int]])
mobula.cancel(ref, force=True)
mobula.cancel(numbers.remote(2))
wider: ObjectRef[object] = ref

# Actors, and their methods that @method marks.
assert_type(RemoteCounter, ActorClass[Counter])
assert_type(OptionedCounter.remote(3), ActorProxy[Counter])
counter: ActorProxy[Counter] = RemoteCounter.options(name="c").remote(start=1)
assert_type(counter.add.remote(1), ObjectRef[int])
assert_type(counter.add.remote(n=1, times=2), ObjectRef[int])
assert_type(counter.add.remote(ref, times=2), ObjectRef[int])
assert_type(mobula.get(counter.add.remote(1)), int)
assert_type(mobula.get([counter.add.remote(1), counter.add.remote(2)]), list[int])
assert_type(counter.later.remote("a"), ObjectRef[str])
assert_type(counter.stream.remote(2), ObjectRefGenerator[int])
assert_type(counter.astream.remote(2), ObjectRefGenerator[str])
one, two = counter.both.remote()
counter.forget.remote(1)
counter.add.options(name="one").remote(1)
counter.add.options(num_returns=1).remote(ref)
assert_type(counted.remote(counter, 1), ObjectRef[int])
assert_type(mobula.remote(Doubling).remote().add.remote(1), ObjectRef[int])
mobula.kill(counter)
ActorPool([RemoteCounter.remote()]).submit(lambda actor, n: actor.add.remote(n), 1)

# Handles whose class a checker does not know, or is not to look at.
named: ActorHandle[Any] = mobula.get_actor("c")
named.anything.remote(1, a=2)
mobula.kill(named, no_restart=False)
Loose: ActorClass[Any] = mobula.remote(Counter)
Loose.remote(1).anything.remote(1)


async def awaited() -> int:
    async for item in counter.stream.remote(2):
        assert_type(item, ObjectRef[int])
        assert_type(await item, int)
    return await ref + await counter.add.remote(1)


def higher(function: Callable[[int], ObjectRef[int]]) -> None: ...


higher(add.remote)
higher(counter.add.remote)
