"""What the asynchronous calls of a Pool return: results that threads of the pool fill in, chunk by chunk.

Owns the order of results and the callbacks, which are those of the standard library's Pool. It knows no actors. A result that
is set once stays: what comes later for the same chunk is dropped.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable, Iterator
from multiprocessing import TimeoutError  # noqa: A004 - the name that users of Pool catch
from typing import Any

from mobula.exceptions import RayTaskError

__all__ = ["AsyncResult", "IMapIterator", "OrderedIMapIterator", "UnorderedIMapIterator"]

_log = logging.getLogger("mobula")

Callback = Callable[[Any], object]


class AsyncResult:
    """The result of `apply_async`, `map_async` and `starmap_async`.

    A callback is called once, in a thread of the pool, before `get` returns: `callback` with what `get` will return,
    `error_callback` with the exception as it was raised in the function. An exception of the callback itself is logged.

    >>> result = AsyncResult(chunks=1, single=True)
    >>> result._done(0, ["value"])
    >>> result.get(timeout=1)
    'value'
    """

    def __init__(self, chunks: int, single: bool, callback: Callback | None = None, error_callback: Callback | None = None) -> None:
        self._single = single
        self._callback = callback
        self._error_callback = error_callback
        self._parts: list[list[Any] | None] = [None] * chunks
        self._left = set(range(chunks))
        self._error: BaseException | None = None
        self._lock = threading.Lock()
        self._event = threading.Event()
        if not chunks:
            self._finish()

    def ready(self) -> bool:
        """Whether `get` would return, or raise, at once."""
        return self._event.is_set()

    def wait(self, timeout: float | None = None) -> None:
        """Waits until it is ready, or `timeout` seconds."""
        self._event.wait(timeout)

    def successful(self) -> bool:
        """Whether no call raised. Raises ValueError while it is not ready."""
        if not self.ready():
            raise ValueError("the result is not ready: wait() for it")
        return self._error is None

    def get(self, timeout: float | None = None) -> Any:
        """The value, or the list of values in the order of the items.

        Raises multiprocessing.TimeoutError after `timeout` seconds, and the first error that came, when every call ended.
        """
        if not self._event.wait(timeout):
            raise TimeoutError(f"the result was not there within {timeout} seconds")
        if self._error is not None:
            raise self._error
        return self._value()

    def _value(self) -> Any:
        values = [value for part in self._parts for value in part or ()]
        return values[0] if self._single else values

    def _done(self, chunk: int, values: list[Any]) -> None:
        with self._lock:
            if chunk not in self._left:
                return
            self._parts[chunk] = values
        self._end(chunk)

    def _failed(self, chunk: int, error: BaseException) -> None:
        with self._lock:
            if chunk not in self._left:
                return
            self._error = self._error or error
        self._end(chunk)

    def _end(self, chunk: int) -> None:
        with self._lock:
            if chunk not in self._left:
                return
            self._left.discard(chunk)
            if self._left:
                return
        self._finish()

    def _finish(self) -> None:
        try:
            if self._error is None:
                if self._callback is not None:
                    self._callback(self._value())
            elif self._error_callback is not None:
                self._error_callback(_as_raised(self._error))
        except Exception:  # noqa: BLE001 - the caller's own code; the thread of the pool goes on
            _log.exception("a callback of a Pool raised")
        finally:
            self._event.set()


def _as_raised(error: BaseException) -> BaseException:
    """What the function raised, without what `get` adds to it."""
    return error.cause if isinstance(error, RayTaskError) and isinstance(error.cause, BaseException) else error


class IMapIterator:
    """The results of `imap`: an iterator that asks for one more chunk of work with each one it has read.

    >>> results = OrderedIMapIterator(more=lambda: False)
    >>> list(results)
    []
    """

    def __init__(self, more: Callable[[], bool]) -> None:
        self._more = more  # submits one more chunk; False when the items are used up
        self._condition = threading.Condition()
        self._submitted = 0
        self._exhausted = False
        self._taken = 0  # chunks
        self._rest: deque[Any] = deque()  # of the chunk being read

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        return self.next()

    def next(self, timeout: float | None = None) -> Any:
        """The next value; waits for it up to `timeout` seconds, then raises multiprocessing.TimeoutError.

        Raises the error of a call when it is its turn; the rest of its chunk is lost with it.
        """
        while not self._rest:
            if self._taken == self._submitted and not self._feed():
                raise StopIteration
            with self._condition:
                if not self._condition.wait_for(self._there, timeout):
                    raise TimeoutError(f"the next value was not there within {timeout} seconds")
                outcome = self._pop()
                self._taken += 1
            self._feed()
            if isinstance(outcome, BaseException):
                raise outcome
            self._rest.extend(outcome)
        return self._rest.popleft()

    def _feed(self) -> bool:
        """Submits one more chunk; False where there is none."""
        if self._exhausted or not self._more():
            self._exhausted = True
            return False
        return True

    def _done(self, chunk: int, values: list[Any]) -> None:
        self._arrived(chunk, values)

    def _failed(self, chunk: int, error: BaseException) -> None:
        self._arrived(chunk, error)

    def _arrived(self, chunk: int, outcome: list[Any] | BaseException) -> None:
        with self._condition:
            self._file(chunk, outcome)
            self._condition.notify_all()

    def _there(self) -> bool:
        raise NotImplementedError

    def _pop(self) -> list[Any] | BaseException:
        raise NotImplementedError

    def _file(self, chunk: int, outcome: list[Any] | BaseException) -> None:
        raise NotImplementedError


class OrderedIMapIterator(IMapIterator):
    """Gives the values in the order of the items."""

    def __init__(self, more: Callable[[], bool]) -> None:
        super().__init__(more)
        self._outcomes: dict[int, list[Any] | BaseException] = {}

    def _there(self) -> bool:
        return self._taken in self._outcomes

    def _pop(self) -> list[Any] | BaseException:
        return self._outcomes.pop(self._taken)

    def _file(self, chunk: int, outcome: list[Any] | BaseException) -> None:
        if chunk >= self._taken:
            self._outcomes.setdefault(chunk, outcome)


class UnorderedIMapIterator(IMapIterator):
    """Gives the values of each chunk as soon as it is done."""

    def __init__(self, more: Callable[[], bool]) -> None:
        super().__init__(more)
        self._seen: set[int] = set()
        self._arrivals: deque[list[Any] | BaseException] = deque()

    def _there(self) -> bool:
        return bool(self._arrivals)

    def _pop(self) -> list[Any] | BaseException:
        return self._arrivals.popleft()

    def _file(self, chunk: int, outcome: list[Any] | BaseException) -> None:
        if chunk not in self._seen:
            self._seen.add(chunk)
            self._arrivals.append(outcome)
