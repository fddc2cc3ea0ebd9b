"""`ObjectRefGenerator`: the refs of what a generator task yields, as they come.

Owns the consumer's side of a stream: which items were taken, which were told ahead, and the end. The core holds one reference
to each item that was not taken; the ref that is made here when one is taken takes it over, and when this object goes the rest
is let go. Ray's rules: an exception of the generator is its last item; when the task fails otherwise (worker's death, cancel)
the generator's own ref, which then holds the error, comes as the last one.

A Ctrl-C may part any two bytecodes of a driver. Taking an item and handing it to the caller are such steps, so what was taken
lies in `_taken_refs` until one call of a C function takes it out for the caller: a `next` that is interrupted leaves its item to
the `next` after it. The lock is one that an interrupt cannot leave locked (`_core.guard`).
"""

from __future__ import annotations

import collections
from collections.abc import Callable, Iterator
from functools import partial
from types import MethodType
from typing import TYPE_CHECKING, Any, Final, Generic, NoReturn, TypeVar

from mobula import session
from mobula._core import ids, refcount
from mobula._core.together import together
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
        "_generator_ref",
        "_guard",
        "_limited",
        "_process",
        "_taken_refs",
        "_tally",
        "_task_id",
        "_told",
    )

    #: What tells how far the items were taken when this goes (together.py).
    __del__: Callable[[], object]

    def __init__(self, generator_ref: ObjectRef[Any], process: Process, limited: bool) -> None:
        from mobula._core.guard import Guard  # there with the session, not with `import mobula`

        self._generator_ref = generator_ref
        self._task_id = ids.task_of_object(generator_ref._id)
        self._process: Process = process
        self._limited = limited
        # The number of the first item that was told, and what was told of it and of those after it. One attribute, so that
        # both are of one answer; what was taken of them is seen from _taken alone.
        self._told: tuple[int, list[tuple[bytes, bytes] | None]] = (0, [])
        self._ended: pb.ItemsReply | None = None
        self._error_told = False
        self._taken_refs: collections.deque[ObjectRef[Any]] = collections.deque()  # taken, and not yet the caller's
        # A blocking next() of one thread keeps others out; reentrant for a finalizer or handler that asks inside of it.
        self._guard = Guard()
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
        while True:
            there = self._guard.run(partial(self._take, timeout_s))
            if there is None:
                return ObjectRef.nil()
            if not there:
                raise StopIteration
            try:
                return self._taken_refs.popleft()
            except IndexError:
                pass  # another thread was faster

    def __aiter__(self) -> ObjectRefGenerator[T]:
        return self

    async def __anext__(self) -> ObjectRef[T]:
        """The ref of the next item. Raises StopAsyncIteration after the last."""
        import asyncio

        while True:
            there = self._guard.run(partial(self._take, 0))
            if there is None:
                await asyncio.wrap_future(self._live().raw_future(ObjectRef(self._expected())))
            elif not there:
                raise StopAsyncIteration
            else:
                try:
                    return self._taken_refs.popleft()
                except IndexError:
                    pass

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
        return not self._taken_refs and self._guard.run(lambda: self._look(0) and self._is_at_end() and not self._has_error())

    def next_ready(self) -> bool:
        """Whether `next` would return a ref without waiting."""
        return bool(self._taken_refs) or self._guard.run(
            lambda: self._look(0) and not (self._is_at_end() and not self._has_error())
        )

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
        if self._taken_refs or self._is_told() or self._ended is not None:
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

    def _is_told(self) -> bool:
        """Whether something was told that was not taken."""
        first, told = self._told
        return self._taken < first + len(told)

    def _is_at_end(self) -> bool:
        return self._ended is not None and not self._is_told()

    def _has_error(self) -> bool:
        ended = self._ended
        return ended is not None and ended.failed and not self._error_told

    def _look(self, timeout: float | None) -> bool:
        """Whether the next item, or the end, is known; asks for it. With a timeout (seconds), waits no longer."""
        if self._ended is not None or self._is_told():
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
        self._told = first, [(value.data, value.metadata) if value.metadata else None for value in items.values]
        return True

    def _take(self, timeout: float | None) -> bool | None:
        """Sees that the next ref is among the taken ones. False at the end, None when the time was over."""
        if self._taken_refs:
            return True
        if not self._look(timeout):
            return None
        if self._is_at_end():
            if not self._has_error():
                return False
            together(partial(setattr, self, "_error_told", True), partial(self._taken_refs.append, self._generator_ref))
            return True
        number = self._taken
        first, told = self._told
        if self._limited:
            from mobula._core import streams

            streams.tell_taken(self._process, self._generator_ref._id, number + 1)
        ObjectRef._taken_over(
            ids.generator_item_id(self._task_id, number),
            told[number - first],
            partial(setattr, self._tally, "taken", number + 1),
            self._taken_refs.append,
        )
        return True


def wait_for(process: Process, waitables: list[Any], num_returns: int, timeout: float | None) -> tuple[list[Any], list[Any]]:
    """`Process.wait` for a list that may hold generators: one is ready when its next item, or its end, is."""
    if not any(issubclass(kind, ObjectRefGenerator) for kind in set(map(type, waitables))):
        return process.wait(waitables, num_returns, timeout)
    asked = [one._waitable() if isinstance(one, ObjectRefGenerator) else one for one in waitables]
    given = {id(ref): one for ref, one in zip(asked, waitables, strict=True)}
    ready, rest = process.wait(asked, num_returns, timeout)
    return [given[id(ref)] for ref in ready], [given[id(ref)] for ref in rest]
