"""`Queue`: first in, first out, between any number of tasks, actors and the driver.

Owns the actor that holds the items, and the exceptions. A waiting `get` or `put` is a waiting call of that actor, so its time
limit is measured there; a waiting call of a process that dies may still take an item with it, as in Ray.
"""

from __future__ import annotations

import asyncio
import queue as standard
from collections.abc import Iterable
from typing import Any

from mobula import api
from mobula.remote import remote

__all__ = ["Empty", "Full", "Queue"]


class Empty(standard.Empty):
    """There is nothing to get, or nothing came in time."""


class Full(standard.Full):
    """There is no room, or there was none in time."""


class _Items:
    """The actor: an asyncio queue. Its answers are values, so that no exception is pickled for an empty queue."""

    def __init__(self, maxsize: int) -> None:
        self._maxsize = maxsize
        self._queue: asyncio.Queue[Any] = asyncio.Queue(maxsize)

    async def qsize(self) -> int:
        return self._queue.qsize()

    async def put(self, item: Any, timeout: float | None) -> bool:
        """Whether the item is in; waits for room up to `timeout` seconds, None for ever."""
        try:
            await asyncio.wait_for(self._queue.put(item), timeout)
        except asyncio.TimeoutError:
            return False
        return True

    async def get(self, timeout: float | None) -> tuple[bool, Any]:
        try:
            return True, await asyncio.wait_for(self._queue.get(), timeout)
        except asyncio.TimeoutError:
            return False, None

    async def put_now(self, item: Any) -> bool:
        return await self.put_batch_now([item]) == 0

    async def get_now(self) -> tuple[bool, Any]:
        found, items = await self.get_batch_now(1)
        return (True, items[0]) if found else (False, None)

    async def put_batch_now(self, items: list[Any]) -> int:
        """Puts all or nothing; how many there was no room for."""
        missing = max(0, self._queue.qsize() + len(items) - self._maxsize) if self._maxsize > 0 else 0
        if not missing:
            for item in items:
                self._queue.put_nowait(item)
        return missing

    async def get_batch_now(self, count: int) -> tuple[bool, list[Any]]:
        """Gets all or nothing."""
        if self._queue.qsize() < count:
            return False, []
        return True, [self._queue.get_nowait() for _ in range(count)]


class Queue:
    """A queue that lives in an actor; the object itself may be passed to tasks and actors, which then share it.

    `maxsize` 0 means no limit. `actor_options` are options of the actor, such as `{"num_cpus": 1}`; it holds no CPU by
    default. Up to 1000 calls may wait at the same time (`max_concurrency`).

    >>> import mobula
    >>> queue = Queue(maxsize=10)
    >>> @mobula.remote
    ... def produce(queue: Queue) -> None:
    ...     queue.put("made there")
    >>> ref = produce.remote(queue)
    >>> queue.get(timeout=30)
    'made there'
    >>> queue.shutdown()
    """

    def __init__(self, maxsize: int = 0, actor_options: dict[str, Any] | None = None) -> None:
        self.maxsize = maxsize
        self.actor: Any = remote(_Items).options(**{"num_cpus": 0, **(actor_options or {})}).remote(maxsize)

    def __len__(self) -> int:
        return self.size()

    def size(self) -> int:
        """How many items are in it."""
        return int(api.get(self._live().qsize.remote()))

    def qsize(self) -> int:
        """How many items are in it."""
        return self.size()

    def empty(self) -> bool:
        """Whether nothing is in it. By the time one looks, that may have changed."""
        return self.size() == 0

    def full(self) -> bool:
        """Whether `maxsize` items are in it; never for a queue without a limit."""
        return self.maxsize > 0 and self.size() >= self.maxsize

    def put(self, item: Any, block: bool = True, timeout: float | None = None) -> None:
        """Puts an item, waiting for room up to `timeout` seconds (None: for ever; not at all with `block=False`).

        Raises Full when there was none, ValueError for a negative timeout. A ref is put as its value; put a list of it to
        keep the ref.
        """
        _check(block, timeout)
        call = self._live().put.remote(item, timeout) if block else self._live().put_now.remote(item)
        if not api.get(call):
            raise Full(_full(self.maxsize, block, timeout))

    async def put_async(self, item: Any, block: bool = True, timeout: float | None = None) -> None:
        """As `put`, for coroutines."""
        _check(block, timeout)
        call = self._live().put.remote(item, timeout) if block else self._live().put_now.remote(item)
        if not await call:
            raise Full(_full(self.maxsize, block, timeout))

    def get(self, block: bool = True, timeout: float | None = None) -> Any:
        """Takes the oldest item, waiting for one up to `timeout` seconds (None: for ever; not at all with `block=False`).

        Raises Empty when none came, ValueError for a negative timeout.
        """
        _check(block, timeout)
        found, item = api.get(self._live().get.remote(timeout) if block else self._live().get_now.remote())
        if not found:
            raise Empty(_empty(block, timeout))
        return item

    async def get_async(self, block: bool = True, timeout: float | None = None) -> Any:
        """As `get`, for coroutines."""
        _check(block, timeout)
        found, item = await (self._live().get.remote(timeout) if block else self._live().get_now.remote())
        if not found:
            raise Empty(_empty(block, timeout))
        return item

    def put_nowait(self, item: Any) -> None:
        """`put` without waiting."""
        self.put(item, block=False)

    def get_nowait(self) -> Any:
        """`get` without waiting."""
        return self.get(block=False)

    def put_nowait_batch(self, items: Iterable[Any]) -> None:
        """Puts all of the items without waiting, or none: raises Full where not all have room. TypeError for no iterable."""
        if not isinstance(items, Iterable):
            raise TypeError(f"put_nowait_batch() takes an iterable of items, not {items!r}")
        given = list(items)
        missing = api.get(self._live().put_batch_now.remote(given))
        if missing:
            raise Full(f"{len(given)} items have no room in the queue of maxsize {self.maxsize}: {missing} too many, none was put")

    def get_nowait_batch(self, num_items: int) -> list[Any]:
        """Takes `num_items` items without waiting, or none: raises Empty where there are fewer.

        Raises TypeError for what is no whole number, ValueError for a negative one.
        """
        if not isinstance(num_items, int):
            raise TypeError(f"get_nowait_batch() takes a whole number, not {num_items!r}")
        if num_items < 0:
            raise ValueError(f"get_nowait_batch() takes a number from 0 on, not {num_items}")
        found, items = api.get(self._live().get_batch_now.remote(num_items))
        if not found:
            raise Empty(f"the queue has fewer than {num_items} items; none was taken")
        taken: list[Any] = items
        return taken

    def shutdown(self, force: bool = False, grace_period_s: float = 5) -> None:
        """Ends the queue: what is in it is gone, and `actor` is None. A second time it does nothing.

        Calls that the actor has not answered get `grace_period_s` seconds, none with `force`.
        """
        actor, self.actor = self.actor, None
        if actor is None:
            return
        if not force:
            ended = actor.__ray_terminate__.remote()
            api.wait([ended], timeout=grace_period_s)
        api.kill(actor)

    def _live(self) -> Any:
        if self.actor is None:
            raise RuntimeError("the queue was shut down")
        return self.actor


def _check(block: bool, timeout: float | None) -> None:
    if block and timeout is not None and timeout < 0:
        raise ValueError(f"timeout takes None or seconds from 0 on, not {timeout!r}")


def _full(maxsize: int, block: bool, timeout: float | None) -> str:
    return f"the queue has its {maxsize} items" + (f", and no room came within {timeout} seconds" if block else "")


def _empty(block: bool, timeout: float | None) -> str:
    return "the queue is empty" + (f", and nothing came within {timeout} seconds" if block else "")
