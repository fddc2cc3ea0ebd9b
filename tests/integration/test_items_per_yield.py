"""`_num_objects_per_yield`: one yield brings several items, in order; Ray's answers to all of these."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

import mobula


def pairs(n: int) -> Iterator[Any]:
    for i in range(n):
        yield (i, 10 * i) if i % 2 else [i, 10 * i]


def values(generator: Any) -> list[Any]:
    return [mobula.get(ref) for ref in generator]


def test_each_yield_of_a_task_brings_so_many(shared: Any) -> None:
    paired = mobula.remote(_num_objects_per_yield=2)(pairs)
    assert values(paired.remote(3)) == [0, 0, 1, 10, 2, 20]
    assert values(paired.options(num_returns="streaming").remote(1)) == [0, 0]
    assert values(paired.options(_generator_backpressure_num_objects=1).remote(3)) == [0, 0, 1, 10, 2, 20]


def test_it_is_for_streams_only(shared: Any) -> None:
    paired = mobula.remote(_num_objects_per_yield=2)(pairs)
    assert mobula.get(paired.options(num_returns=2).remote(2)) == [[0, 0], (1, 10)]
    assert values(mobula.get(paired.options(num_returns="dynamic").remote(2))) == [[0, 0], (1, 10)]
    assert mobula.get(mobula.remote(_num_objects_per_yield=2)(lambda: 1).remote()) == 1


@pytest.mark.parametrize(("wrong", "sentence"), [((1, 2, 3), "yielded 3 objects"), (5, "tuple or list of length 2")])
def test_a_yield_of_another_number_is_an_error_in_its_place(shared: Any, wrong: Any, sentence: str) -> None:
    @mobula.remote(_num_objects_per_yield=2)
    def items() -> Iterator[Any]:
        yield 1, 2
        yield wrong

    first, second, third = list(items.remote())
    assert mobula.get([first, second]) == [1, 2]
    with pytest.raises(ValueError, match=sentence):
        mobula.get(third)


def test_methods(shared: Any) -> None:
    @mobula.remote
    class Plain:
        @mobula.method(_num_objects_per_yield=2)
        def items(self) -> Iterator[Any]:
            yield 1, 2
            yield 3, 4

    @mobula.remote
    class Async:
        @mobula.method(_num_objects_per_yield=2)
        async def items(self) -> AsyncIterator[Any]:
            yield 5, 6
            yield 7, 8

    plain = Plain.remote()
    assert values(plain.items.remote()) == [1, 2, 3, 4]
    assert values(Async.remote().items.remote()) == [5, 6, 7, 8]
    with pytest.raises(ValueError, match="@method"):
        plain.items.options(_num_objects_per_yield=3)


def test_a_call_cannot_change_it(shared: Any) -> None:
    paired = mobula.remote(_num_objects_per_yield=2)(pairs)
    assert values(paired.options(_num_objects_per_yield=2).remote(1)) == [0, 0]
    for other in (1, 3):
        with pytest.raises(ValueError, match="@remote"):
            paired.options(_num_objects_per_yield=other)
