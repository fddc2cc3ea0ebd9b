"""Progress bars of tasks and actors, shown at the driver: Ray's `ray.experimental.tqdm_ray`.

Owns what a program calls. In a worker a bar prints its state as one line, which the driver draws instead of showing it
(`_core.bars`); in the driver it draws at once. So bars follow `log_to_driver`, as in Ray, and need tqdm at the driver only.
"""

from __future__ import annotations

import json
import os
import time
import uuid
from collections.abc import Iterable, Iterator
from typing import Any, Generic, TypeVar

from mobula import session
from mobula._core import bars

__all__ = ["safe_print", "tqdm"]

T = TypeVar("T")


class tqdm(Generic[T]):  # noqa: N801 - Ray's name, and tqdm's
    """A bar of tqdm for use in tasks, actors and the driver.

    It has a few of tqdm's arguments and methods: `iterable`, `desc`, `total`, `unit`, `position`, and `update`, `refresh`,
    `set_description`, `close`. What it shows reaches the driver once in `flush_interval_s` seconds (1 if not given) and when
    it is closed. Beyond Ray: it closes itself where the loop over it ends, and is a context manager.

    >>> sum(tqdm([1, 2, 3], desc="adding"))
    6
    """

    DEFAULT_FLUSH_INTERVAL_SECONDS = 1.0

    def __init__(
        self,
        iterable: Iterable[T] | None = None,
        desc: str | None = None,
        total: int | None = None,
        unit: str | None = None,
        position: int | None = None,
        flush_interval_s: float | None = None,
    ) -> None:
        if total is None and iterable is not None:
            try:
                total = len(iterable)  # type: ignore[arg-type]  # asked, not known
            except (TypeError, AttributeError):
                total = None
        self._iterable = iterable
        self._desc = desc or ""
        self._total = total
        self._unit = unit or "it"
        self._pos = position or 0
        self._uuid = uuid.uuid4().hex
        self._x = 0
        self._closed = False
        self._interval = self.DEFAULT_FLUSH_INTERVAL_SECONDS if flush_interval_s is None else flush_interval_s
        self._told: float | None = None

    def set_description(self, desc: str) -> None:
        """Puts other words before the bar."""
        self._desc = desc
        self._tell()

    def update(self, n: int = 1) -> None:
        """Moves the bar by `n`."""
        self._x += n
        self._tell()

    def refresh(self) -> None:
        """Says the bar's state again if that is due."""
        self._tell()

    def close(self) -> None:
        """Shows the bar's last state and lets it go. Once is enough; what `update` counts afterwards is not shown."""
        if not self._closed:
            self._closed = True
            self._tell(at_once=True)

    @property
    def total(self) -> int | None:
        """How far the bar goes, if that is known. May be set."""
        return self._total

    @total.setter
    def total(self, total: int | None) -> None:
        self._total = total

    @property
    def n(self) -> int:
        """Where the bar is. May be set; the next `update` or `refresh` shows it."""
        return self._x

    @n.setter
    def n(self, n: int) -> None:
        self._x = n

    def __iter__(self) -> Iterator[T]:
        """The items, each counted when the next one is asked for. Raises ValueError where the bar was given no iterable."""
        if self._iterable is None:
            raise ValueError("this bar was given no iterable: tqdm_ray.tqdm(items), or call update()")
        try:
            for item in self._iterable:
                self.update(1)
                yield item
        finally:
            self.close()

    def __enter__(self) -> tqdm[T]:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _tell(self, at_once: bool = False) -> None:
        now = time.monotonic()
        if self._closed and not at_once:
            return
        if not at_once and self._told is not None and now - self._told < self._interval:
            return
        self._told = now
        process = session.current()
        if process is not None and process.mode == "worker":
            told = {"__magic_token__": bars.TOKEN, "ip": "127.0.0.1", **self._state()}
            print(json.dumps(told) + "\n", end="")  # one write: what another thread prints cannot come between
        else:
            bars.instance().show(self._state())

    def _state(self) -> bars.State:
        return bars.State(
            x=self._x,
            pos=self._pos,
            desc=self._desc,
            total=self._total,
            unit=self._unit,
            pid=os.getpid(),
            uuid=self._uuid,
            closed=self._closed,
        )


def safe_print(*args: Any, **kwargs: Any) -> None:
    """`print` that does not tear the bars: they are taken away, the text is printed, and they are drawn again.

    The builtin `print` becomes this one in a driver that shows bars, unless RAY_TQDM_PATCH_PRINT is 0.

    >>> safe_print("two", "words")
    two words
    """
    bars.print_aside(*args, **kwargs)
