"""Row 9, an addition. Ray 2.60: items that a generator has yielded and nobody has read are lost when it is canceled. Here:
they stay readable, in their order, and the cancel comes after them.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from beyond_kit import Cancelled, Flags, outcome

import mobula

ITEMS = 5


@mobula.remote
def task(flags: Flags) -> Iterator[int]:
    yield from range(ITEMS)
    flags.up("all are out")
    time.sleep(60)


@mobula.remote
class Plain:
    def items(self, flags: Flags) -> Iterator[int]:
        yield from range(ITEMS)
        flags.up("all are out")
        while not mobula.get_runtime_context().is_canceled():
            time.sleep(0.002)
        yield -1


@mobula.remote
class Looping:
    async def items(self, flags: Flags) -> AsyncIterator[int]:
        for number in range(ITEMS):
            yield number
        flags.up("all are out")
        await asyncio.sleep(60)


def _started(kind: str, flags: Flags) -> Any:
    if kind == "task":
        return task.remote(flags)
    if kind == "async":
        return Looping.remote().items.remote(flags)
    return Plain.options(max_concurrency=3 if kind == "threaded" else 1).remote().items.remote(flags)


@pytest.mark.parametrize("read_before", [0, 2])
@pytest.mark.parametrize("kind", ["task", "plain", "threaded", "async"])
def test_what_was_yielded_can_be_read(flags: Flags, kind: str, read_before: int) -> None:
    items = _started(kind, flags)
    flags.wait("all are out")
    assert [mobula.get(next(items)) for _ in range(read_before)] == list(range(read_before))
    mobula.cancel(items)
    assert [mobula.get(next(items)) for _ in range(ITEMS - read_before)] == list(range(read_before, ITEMS))
    assert outcome(next(items)) is Cancelled
    with pytest.raises(StopIteration):
        next(items)
