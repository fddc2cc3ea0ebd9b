"""What a type checker must accept, with the types that must come out. Checked by test_types.py; never run."""

from collections.abc import Callable
from typing import assert_type

import mobula
from mobula import ObjectRef
from mobula.actor import ActorClass, ActorHandle


@mobula.remote
def add(a: int, b: int = 0) -> int:
    return a + b


@mobula.remote(num_cpus=0.5, max_retries=0)
def shout(text: str, *, times: int = 1) -> str:
    return text.upper() * times


class Counter:
    def __init__(self, start: int = 0) -> None:
        self.value = start

    @mobula.method(num_returns=2)
    def both(self) -> tuple[int, int]:
        return self.value, self.value


RemoteCounter = mobula.remote(Counter)
OptionedCounter = mobula.remote(max_concurrency=2)(Counter)

ref = add.remote(1, b=2)
assert_type(ref, ObjectRef[int])
assert_type(mobula.get(ref), int)
assert_type(mobula.get([ref, ref], timeout=1.5), list[int])
assert_type(shout.remote("a", times=2), ObjectRef[str])
assert_type(add.options(num_cpus=2).remote(1), ObjectRef[int])

# A ref stands for its value, at any place.
assert_type(add.remote(ref), ObjectRef[int])
assert_type(add.remote(1, ref), ObjectRef[int])
assert_type(add.remote(ref, ref), ObjectRef[int])

put = mobula.put({"a": 1.5})
assert_type(put, ObjectRef[dict[str, float]])
ready, rest = mobula.wait([ref], num_returns=1, timeout=0)
assert_type(ready, list[ObjectRef[int]])

assert_type(RemoteCounter, ActorClass[Counter])
assert_type(OptionedCounter.remote(3), ActorHandle[Counter])
handle: ActorHandle[Counter] = RemoteCounter.options(name="c").remote(start=1)
mobula.kill(handle)
mobula.cancel(ref, force=True)


async def awaited() -> int:
    return await ref


def higher(function: Callable[[int], ObjectRef[int]]) -> None: ...


higher(add.remote)
