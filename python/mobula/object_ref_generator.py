"""`ObjectRefGenerator`: the refs of what a generator task yields, as they come.

Owns the consumer's side of a stream: which items were taken, which were told ahead, and the end. The core holds one reference
to each item that was not taken; the ref that is made here when one is taken takes it over, and when this object goes the rest
is let go. Ray's rules: an exception of the generator is its last item; when the task fails otherwise (worker's death, cancel)
the generator's own ref, which then holds the error, comes as the last one.
"""

from __future__ import annotations

import collections
import threading
from collections.abc import Callable, Iterator
from functools import partial
from types import MethodType
from typing import TYPE_CHECKING, Any, Final, Generic, NoReturn, TypeVar

from mobula import session
from mobula._core import ids, refcount
from mobula.object_ref import ObjectRef

if TYPE_CHECKING:
    from mobula._core.pb import boundary_pb2 as pb
    from mobula._core.process import Process

T = TypeVar("T", covariant=True)

_note_dropped = refcount.streams_dropped.append
_SOMETHING: Final = (b"", b"")


class DynamicObjectRefGenerator:
    """The refs that a task with `num_returns="dynamic"` has yielded: the value of its ref. Iterating takes them out."""

    def __init__(self, refs: Any) -> None:
        self._refs: collections.deque[ObjectRef[Any]] = collections.deque(refs)

    def __iter__(self) -> Iterator[ObjectRef[Any]]:
        while self._refs:
            yield self._refs.popleft()

    def __len__(self) -> int:
        return len(self._refs)


class ObjectRefGenerator(Generic[T]):
    """Iterates over refs of the items of a generator task or method, with `for`, `async for`, `next` or `anext`.

    What `.remote()` of a generator function returns; not to be made by hand, and it cannot be passed on. Dropping it lets the
    items go that were not taken; the task runs on.

    >>> import mobula
    >>> @mobula.remote
    ... def count(n: int):
    ...     for number in range(n):
    ...         yield number
    >>> [mobula.get(ref) for ref in count.remote(3)]
    [0, 1, 2]
    """

    __slots__ = (
        "__del__",
        "__weakref__",
        "_ended",
        "_error_told",
        "_first",
        "_generator_ref",
        "_limited",
        "_lock",
        "_process",
        "_tally",
        "_task_id",
        "_told",
    )

    #: What tells how far the items were taken when this goes (together.py).
    __del__: Callable[[], object]

    def __init__(self, generator_ref: ObjectRef[Any], process: Process, limited: bool) -> None:
        self._generator_ref = generator_ref
        self._task_id = ids.task_of_object(generator_ref._id)
        self._process: Process = process
        self._limited = limited
        # Items _first, _first+1 … that were told; what was taken of them is seen from _taken alone, which is set in one step.
        self._first = 0
        self._told: list[tuple[bytes, bytes] | None] = []
        self._ended: pb.ItemsReply | None = None
        self._error_told = False
        # A blocking next() of one thread keeps others out; reentrant for a finalizer or handler that asks inside of it.
        self._lock = threading.RLock()
        self._tally = refcount.Tally(generator_ref._id)
        self.__del__ = MethodType(_note_dropped, self._tally)

    @property
    def _taken(self) -> int:
        return self._tally.taken

    # ------------------------------------------------------------------------------------------ iterating

    def __iter__(self) -> ObjectRefGenerator[T]:
        return self

    def __next__(self) -> ObjectRef[T]:
        """The ref of the next item; waits until there is one. Raises StopIteration after the last."""
        return self._next_sync()

    def _next_sync(self, timeout_s: float | None = None) -> ObjectRef[Any]:
        """`next` with a limit in seconds; the nil ref when it is over."""
        with self._lock:
            if not self._look(timeout_s):
                return ObjectRef.nil()
            ref = self._take()
        if ref is None:
            raise StopIteration
        return ref

    def __aiter__(self) -> ObjectRefGenerator[T]:
        return self

    async def __anext__(self) -> ObjectRef[T]:
        """The ref of the next item. Raises StopAsyncIteration after the last."""
        import asyncio

        while True:
            with self._lock:
                if self._look(0):
                    ref = self._take()
                    break
            await asyncio.wrap_future(self._live().raw_future(ObjectRef(self._expected())))
        if ref is None:
            raise StopAsyncIteration
        return ref

    def send(self, value: Any) -> NoReturn:
        """Refused, as in Ray."""
        raise NotImplementedError("a remote generator takes no values: send() is not supported")

    def throw(self, value: Any) -> NoReturn:
        """Refused, as in Ray; cancel() ends the task."""
        raise NotImplementedError("throw() is not supported by a remote generator; cancel() ends its task")

    def close(self) -> NoReturn:
        """Refused, as in Ray; cancel() ends the task."""
        raise NotImplementedError("close() is not supported by a remote generator; cancel() ends its task")

    async def asend(self, value: Any) -> NoReturn:
        """Refused, as in Ray."""
        self.send(value)

    async def athrow(self, value: Any) -> NoReturn:
        """Refused, as in Ray."""
        self.throw(value)

    async def aclose(self) -> NoReturn:
        """Refused, as in Ray."""
        self.close()

    # ------------------------------------------------------------------------------------------ the task

    def completed(self) -> ObjectRef[Any]:
        """A ref that is ready when the task is over: None, or what made it fail other than an exception of the generator's own."""
        return self._generator_ref

    def is_finished(self) -> bool:
        """Whether the task is over and every item, the error included, was taken."""
        with self._lock:
            return self._look(0) and self._is_at_end() and not self._has_error()

    def next_ready(self) -> bool:
        """Whether `next` would return a ref without waiting."""
        with self._lock:
            return self._look(0) and not (self._is_at_end() and not self._has_error())

    # ------------------------------------------------------------------------------------------ objects

    def __reduce__(self) -> NoReturn:
        raise TypeError("an ObjectRefGenerator cannot be passed to or returned from a task: pass the refs it yields")

    def __copy__(self) -> ObjectRefGenerator[T]:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> ObjectRefGenerator[T]:
        return self

    def __repr__(self) -> str:
        return f"ObjectRefGenerator({self._generator_ref.hex()})"

    # ------------------------------------------------------------------------------------------ for wait()

    def _waitable(self) -> ObjectRef[Any]:
        """A ref that is ready when `next` would not wait."""
        if self._taken < self._first + len(self._told) or self._ended is not None:
            ref: ObjectRef[Any] = ObjectRef(self._generator_ref._id)
            ref._value = _SOMETHING  # seen already: nobody needs to be asked
            return ref
        return ObjectRef(self._expected())

    # ------------------------------------------------------------------------------------------ inside

    def _live(self) -> Process:
        """The session that runs the task. Raises RaySystemError when it is over."""
        process = session.process()
        if process is not self._process:
            from mobula.exceptions import RaySystemError

            raise RaySystemError("the session in which this generator task was started is over")
        return process

    def _expected(self) -> bytes:
        return ids.generator_item_id(self._task_id, self._taken)

    def _is_at_end(self) -> bool:
        return self._ended is not None and self._taken >= self._first + len(self._told)

    def _has_error(self) -> bool:
        ended = self._ended
        return ended is not None and ended.failed and not self._error_told

    def _look(self, timeout: float | None) -> bool:
        """Whether the next item, or the end, is known; asks for it. With a timeout (seconds), waits no longer."""
        if self._ended is not None or self._taken < self._first + len(self._told):
            return True
        from mobula._core import streams

        process = self._live()
        first = self._taken
        items = streams.ask(process, ids.generator_item_id(self._task_id, first), timeout)
        if items.timed_out:
            return False
        if items.ended:
            self._ended = items
            return True
        told = [(value.data, value.metadata) if value.metadata else None for value in items.values]
        self._first, self._told = first, told
        return True

    def _take(self) -> ObjectRef[Any] | None:
        """The ref of what `_look` found; None at the end."""
        if self._is_at_end():
            if self._has_error():
                self._error_told = True
                return self._generator_ref
            return None
        number = self._taken
        known = self._told[number - self._first]
        if self._limited:
            from mobula._core import streams

            streams.tell_taken(self._process, self._generator_ref._id, number + 1)
        ref = ObjectRef._taken_over(
            ids.generator_item_id(self._task_id, number), partial(setattr, self._tally, "taken", number + 1)
        )
        ref._value = known
        return ref


def wait_for(process: Process, waitables: list[Any], num_returns: int, timeout: float | None) -> tuple[list[Any], list[Any]]:
    """`Process.wait` for a list that may hold generators: one is ready when its next item, or its end, is."""
    if not any(isinstance(one, ObjectRefGenerator) for one in waitables):
        return process.wait(waitables, num_returns, timeout)
    asked = [one._waitable() if isinstance(one, ObjectRefGenerator) else one for one in waitables]
    given = {id(ref): one for ref, one in zip(asked, waitables, strict=True)}
    ready, rest = process.wait(asked, num_returns, timeout)
    return [given[id(ref)] for ref in ready], [given[id(ref)] for ref in rest]
