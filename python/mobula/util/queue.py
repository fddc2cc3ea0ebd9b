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


class _QueueActor:
    """The actor: an asyncio queue. Its name, methods and exceptions are Ray's: in a cluster it is Ray's own that runs, and a queue
    that is passed on is Ray's `Queue` there.
    """

    def __init__(self, maxsize: int) -> None:
        self.maxsize = maxsize
        self.queue: asyncio.Queue[Any] = asyncio.Queue(maxsize)

    def qsize(self) -> int:
        return self.queue.qsize()

    def empty(self) -> bool:
        return self.queue.empty()

    def full(self) -> bool:
        return self.queue.full()

    async def put(self, item: Any, timeout: float | None = None) -> None:
        """Waits for room up to `timeout` seconds, None for ever."""
        try:
            await asyncio.wait_for(self.queue.put(item), timeout)
        except asyncio.TimeoutError:
            raise Full from None

    async def get(self, timeout: float | None = None) -> Any:
        try:
            return await asyncio.wait_for(self.queue.get(), timeout)
        except asyncio.TimeoutError:
            raise Empty from None

    def put_nowait(self, item: Any) -> None:
        self.queue.put_nowait(item)

    def put_nowait_batch(self, items: list[Any]) -> None:
        """Puts all or nothing."""
        if self.maxsize > 0 and len(items) + self.qsize() > self.maxsize:
            raise Full
        for item in items:
            self.queue.put_nowait(item)

    def get_nowait(self) -> Any:
        return self.queue.get_nowait()

    def get_nowait_batch(self, num_items: int) -> list[Any]:
        """Gets all or nothing."""
        if num_items > self.qsize():
            raise Empty
        return [self.queue.get_nowait() for _ in range(num_items)]


_FULL = (Full, asyncio.QueueFull)
_EMPTY = (Empty, asyncio.QueueEmpty)


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
        self.actor: Any = remote(_QueueActor).options(**{"num_cpus": 0, **(actor_options or {})}).remote(maxsize)

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
        try:
            api.get(self._putting(item, block, timeout))
        except _FULL:
            raise Full(_full(self.maxsize, block, timeout)) from None

    async def put_async(self, item: Any, block: bool = True, timeout: float | None = None) -> None:
        """As `put`, for coroutines."""
        _check(block, timeout)
        try:
            await self._putting(item, block, timeout)
        except _FULL:
            raise Full(_full(self.maxsize, block, timeout)) from None

    def get(self, block: bool = True, timeout: float | None = None) -> Any:
        """Takes the oldest item, waiting for one up to `timeout` seconds (None: for ever; not at all with `block=False`).

        Raises Empty when none came, ValueError for a negative timeout.
        """
        _check(block, timeout)
        try:
            return api.get(self._getting(block, timeout))
        except _EMPTY:
            raise Empty(_empty(block, timeout)) from None

    async def get_async(self, block: bool = True, timeout: float | None = None) -> Any:
        """As `get`, for coroutines."""
        _check(block, timeout)
        try:
            return await self._getting(block, timeout)
        except _EMPTY:
            raise Empty(_empty(block, timeout)) from None

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
        try:
            api.get(self._live().put_nowait_batch.remote(given))
        except _FULL:
            raise Full(f"{len(given)} items have no room in the queue of maxsize {self.maxsize}, none was put") from None

    def get_nowait_batch(self, num_items: int) -> list[Any]:
        """Takes `num_items` items without waiting, or none: raises Empty where there are fewer.

        Raises TypeError for what is no whole number, ValueError for a negative one.
        """
        if not isinstance(num_items, int):
            raise TypeError(f"get_nowait_batch() takes a whole number, not {num_items!r}")
        if num_items < 0:
            raise ValueError(f"get_nowait_batch() takes a number from 0 on, not {num_items}")
        try:
            taken: list[Any] = api.get(self._live().get_nowait_batch.remote(num_items))
        except _EMPTY:
            raise Empty(f"the queue has fewer than {num_items} items; none was taken") from None
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

    def _putting(self, item: Any, block: bool, timeout: float | None) -> Any:
        actor = self._live()
        return actor.put.remote(item, timeout) if block else actor.put_nowait.remote(item)

    def _getting(self, block: bool, timeout: float | None) -> Any:
        actor = self._live()
        return actor.get.remote(timeout) if block else actor.get_nowait.remote()

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
