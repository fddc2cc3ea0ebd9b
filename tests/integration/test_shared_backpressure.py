"""`_actor_generator_backpressure_num_objects`: one limit for the items of all streams of an actor, with Ray's answers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from integration_kit import until

import mobula


class Threaded:
    """Counts what its generators have made."""

    def __init__(self) -> None:
        self.made: dict[str, int] = {}

    def numbers(self, name: str, n: int) -> Iterator[int]:
        for number in range(n):
            self.made[name] = self.made.get(name, 0) + 1
            yield number

    def look(self) -> dict[str, int]:
        return self.made


class Async(Threaded):
    """The same on a loop."""

    async def numbers(self, name: str, n: int) -> AsyncIterator[int]:  # type: ignore[override]
        for number in range(n):
            self.made[name] = self.made.get(name, 0) + 1
            yield number
            await asyncio.sleep(0)

    async def look(self) -> dict[str, int]:
        return self.made


def start(cls: type, limit: int) -> Any:
    return mobula.remote(max_concurrency=4, _actor_generator_backpressure_num_objects=limit)(cls).remote()


def settled(actor: Any, expected: dict[str, int]) -> bool:
    until("the items are made", lambda: sum(mobula.get(actor.look.remote()).values()) >= sum(expected.values()), patience=60)
    for _ in range(20):  # whoever goes on beyond its limit has the time for it
        made = mobula.get(actor.look.remote())
    return bool(made == expected)


@pytest.mark.parametrize("cls", [Threaded, Async])
def test_items_of_all_streams_count_together(shared: Any, cls: type) -> None:
    actor = start(cls, 2)
    first = actor.numbers.remote("first", 2)
    assert settled(actor, {"first": 2})
    second = actor.numbers.remote("second", 5)
    assert settled(actor, {"first": 2})  # not one of the second: there is no room
    next(first)
    assert settled(actor, {"first": 2, "second": 1})
    next(first)
    assert settled(actor, {"first": 2, "second": 2})
    assert [mobula.get(ref) for ref in second] == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("cls", [Threaded, Async])
def test_the_tighter_limit_holds(shared: Any, cls: type) -> None:
    actor = start(cls, 3)
    tight = actor.numbers.options(_generator_backpressure_num_objects=1).remote("tight", 9)
    assert settled(actor, {"tight": 1})
    wide = actor.numbers.options(_generator_backpressure_num_objects=9).remote("wide", 9)
    assert settled(actor, {"tight": 1, "wide": 2})
    # At once: whoever reads one of them alone may wait for the room that the other has.
    with ThreadPoolExecutor(2) as both:
        read = list(both.map(lambda stream: [mobula.get(ref) for ref in stream], [tight, wide]))
    assert read == [list(range(9))] * 2


def test_a_handle_that_was_passed_on_is_held_back_too(shared: Any) -> None:
    @mobula.remote
    def reads(actor: Any) -> tuple[bool, list[Any]]:
        stream = actor.numbers.remote("other", 5)
        held = settled(actor, {"other": 1})
        return held, [mobula.get(ref) for ref in stream]

    assert mobula.get(reads.remote(start(Threaded, 1))) == (True, [0, 1, 2, 3, 4])


def test_a_stream_that_is_forgotten_or_canceled_gives_its_places_back(shared: Any) -> None:
    actor = start(Threaded, 2)
    first = actor.numbers.remote("first", 2)
    assert settled(actor, {"first": 2})
    second = actor.numbers.remote("second", 3)
    del first
    assert settled(actor, {"first": 2, "second": 2})
    mobula.cancel(second)
    with pytest.raises(mobula.exceptions.TaskCancelledError):
        mobula.get(second.completed())
    third = actor.numbers.remote("third", 2)  # in Ray these places are lost for ever
    del second
    assert [mobula.get(ref) for ref in third] == [0, 1]
