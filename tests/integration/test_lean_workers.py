"""What workers have imported when their first task comes: the start of a session waits for it, and all of them hold it."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

from integration_kit import until

import mobula
from mobula._worker.zygote import LATER


@mobula.remote(num_cpus=0)
class Told:
    def has_asyncio(self) -> bool:
        return "asyncio" in sys.modules


@mobula.remote(num_cpus=0)
class Async:
    async def answer(self) -> int:
        return 42


def test_asyncio_is_shared_by_many_workers_and_not_waited_for_by_the_first(fresh: Callable[..., Any]) -> None:
    fresh(num_cpus=1)
    first = Told.remote()
    assert not mobula.get(first.has_asyncio.remote())
    alone = Async.remote()
    assert mobula.get(alone.answer.remote()) == 42
    others = [Told.remote() for _ in range(LATER)]
    mobula.get([one.has_asyncio.remote() for one in others])

    def a_new_one_has_it() -> bool:
        actor = Told.remote()
        has = bool(mobula.get(actor.has_asyncio.remote()))
        mobula.kill(actor)
        return has

    until("a new worker that has asyncio", a_new_one_has_it)
    assert not mobula.get(first.has_asyncio.remote())
