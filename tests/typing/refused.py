"""What a type checker must refuse: every line marked so, and no other. Checked by test_types.py; never run."""

from collections.abc import Iterator

import mobula
from mobula import ObjectRef
from mobula.actor import ActorProxy


@mobula.remote
def add(a: int, b: int = 0) -> int:
    return a + b


@mobula.remote(num_returns=2)
def divided(a: int, b: int) -> tuple[int, int]:
    return divmod(a, b)


@mobula.remote
def words(text: str) -> Iterator[str]:
    yield from text.split()


class Counter:
    def __init__(self, start: int = 0) -> None:
        self.value = start

    @mobula.method
    def add(self, n: int, *, times: int = 1) -> int:
        return self.value + n * times

    @mobula.method
    async def later(self, text: str) -> str:
        return text

    @mobula.method
    def twice(self) -> int:
        return self.add("1")  # refused: not an int, in a call of the plain class

    def plain(self) -> int:
        return self.value


ref = add.remote(1)
stream = words.remote("a b")
counter: ActorProxy[Counter] = mobula.remote(Counter).remote()

add.remote("a")  # refused: not an int
add.remote()  # refused: an argument is missing
add.remote(1, 2, 3)  # refused: one too many
add.remote(1, c=2)  # refused: no such keyword
add.remote(1, b="2")  # refused: a keyword of another type
add.options(num_cpus=1).remote("a")  # refused: options change no signature
text: str = mobula.get(ref)  # refused: it is an int
texts: list[str] = mobula.get([ref])  # refused: they are ints
other: ObjectRef[str] = add.remote(1)  # refused: it is a ref of an int
mobula.get(1)  # refused: not a ref
mobula.wait(ref)  # refused: not a list
mobula.cancel(1)  # refused: not a ref
mobula.kill(ref)  # refused: not an actor
mobula.get(ref, timeout="1")  # refused: not seconds

add.remote(ref, "2")  # refused: an argument of another type after a ref
divided.remote("7", 2)  # refused: options change no signature
divided.remote(7, 2).hex()  # refused: a list of refs
mobula.get(stream).hex()  # refused: a generator of refs
number: int = mobula.get(next(stream))  # refused: it yields texts

counter.add.remote("a")  # refused: not an int
counter.add.remote()  # refused: an argument is missing
counter.add.remote(1, 2)  # refused: by keyword only
counter.add.remote(1, time=2)  # refused: no such keyword
counter.add.remote(1, times="2")  # refused: a keyword of another type
counter.add.remote(ref, times="2")  # refused: a keyword of another type after a ref
counter.nothing.remote()  # refused: no such method
counter.plain.remote()  # refused: not marked with @method
said: ObjectRef[str] = counter.add.remote(1)  # refused: it is a ref of an int
told: int = mobula.get(counter.later.remote("a"))  # refused: what the coroutine returns is a text
counter.later.remote(1)  # refused: not a text
one, two = counter.add.remote(1)  # refused: one ref
for item in counter.add.remote(1):  # refused: no generator
    print(item)
