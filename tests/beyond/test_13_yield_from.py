"""Row 13, an addition. Ray 2.60: `yield from [1, 2]` in a remote generator fails, because the executor sends an object of its
own into the user's generator, and a list's iterator takes none. Here: it works.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

import mobula


def numbers() -> Iterator[int]:
    yield from [1, 2]
    yield from (number for number in (3, 4))
    yield from range(5, 7)


@mobula.remote
class Actor:
    def numbers(self) -> Iterator[int]:
        yield from numbers()


def _call(kind: str, num_returns: str | int) -> Any:
    if kind == "task":
        return mobula.remote(numbers).options(num_returns=num_returns).remote()
    return Actor.options(max_concurrency=1 if kind == "plain" else 3).remote().numbers.options(num_returns=num_returns).remote()


@pytest.mark.parametrize("kind", ["task", "plain", "threaded"])
def test_streaming(kind: str) -> None:
    assert [mobula.get(ref) for ref in _call(kind, "streaming")] == [1, 2, 3, 4, 5, 6]


@pytest.mark.parametrize("kind", ["task", "plain", "threaded"])
def test_a_fixed_number_of_returns(kind: str) -> None:
    assert mobula.get(_call(kind, 6)) == [1, 2, 3, 4, 5, 6]
