"""What a type checker must refuse: every line marked so, and no other. Checked by test_types.py; never run."""

import mobula
from mobula import ObjectRef


@mobula.remote
def add(a: int, b: int = 0) -> int:
    return a + b


ref = add.remote(1)

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
