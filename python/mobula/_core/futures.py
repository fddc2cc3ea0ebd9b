"""Futures of refs: completed by the helper thread, loaded by whoever asks for the result.

Owns the class and its one trick: user code that unpickling runs never runs on the helper thread, which may not block. The
helper sets the raw value; `result()` and `exception()` load it once, on the caller's thread (for asyncio: on the loop's).
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

from mobula._core.values import Raw, error_of

Loader = Callable[[Raw], tuple[bool, Any]]


class RefFuture(Future[Any]):
    """A concurrent future of the value of a ref. Canceling it does not cancel the task."""

    def __init__(self, load: Loader) -> None:
        super().__init__()
        self._load: Loader | None = load
        self._load_lock = threading.RLock()

    def result(self, timeout: float | None = None) -> Any:
        """The value, loaded on first use. Raises the task's error, TimeoutError, or CancelledError."""
        self._loaded(timeout)
        return super().result(timeout)

    def exception(self, timeout: float | None = None) -> BaseException | None:
        """The error that result() would raise, or None."""
        self._loaded(timeout)
        return super().exception(timeout)

    def _get_snapshot(self) -> Any:
        # What asyncio asks since Python 3.14 instead of result() and exception().
        if self.done() and not self.cancelled():
            self._loaded(0)
        return super()._get_snapshot()  # type: ignore[misc]

    def _loaded(self, timeout: float | None) -> None:
        if self._load is None or super().exception(timeout) is not None:
            return
        with self._load_lock:
            self._load_once()

    def _load_once(self) -> None:
        load = self._load
        if load is None:
            return  # another thread was first
        state: Any = self  # what the base class keeps the outcome in is not in its type stubs
        failed, value = load(state._result)
        with state._condition:
            state._exception = error_of(value) if failed else None
            state._result = None if failed else value
        self._load = None
