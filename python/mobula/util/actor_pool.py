"""`ActorPool`: work handed to whichever of a fixed set of actors is free.

Owns the book of which actor does what and in which order results are read. It makes no actors and ends none. Not for use by
two threads at once, as in Ray.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from mobula import api
from mobula.actor_handle import ActorHandle
from mobula.object_ref import ObjectRef

__all__ = ["ActorPool"]

#: What a call of an actor gives: a ref, or a list of refs for a method with several returns.
Call = Any
Submit = Callable[[Any, Any], Call]


class _Run:
    """One call under way: its place in the order of submission, who does it, and what it returned."""

    __slots__ = ("actor", "call", "index", "refs")

    def __init__(self, index: int, actor: ActorHandle[Any], call: Call) -> None:
        self.index = index
        self.actor = actor
        self.call = call
        self.refs: list[ObjectRef[Any]] = [call] if isinstance(call, ObjectRef) else list(call)

    def finished(self, timeout: float | None) -> bool:
        return not api.wait(self.refs, num_returns=len(self.refs), timeout=timeout)[1]


class ActorPool:
    """Gives work to a set of actors, each one call at a time, and gives the results back in order or as they come.

    A function that is submitted takes an actor and a value and returns the ref of the call it made.

    >>> import mobula
    >>> @mobula.remote(num_cpus=0)
    ... class Doubler:
    ...     def double(self, x: int) -> int:
    ...         return 2 * x
    >>> pool = ActorPool([Doubler.remote(), Doubler.remote()])
    >>> list(pool.map(lambda actor, value: actor.double.remote(value), [1, 2, 3]))
    [2, 4, 6]
    """

    def __init__(self, actors: Iterable[ActorHandle[Any] | type[Any]]) -> None:
        self._idle: list[Any] = list(actors)
        self._running: dict[int, _Run] = {}  # by index, oldest first
        self._waiting: deque[tuple[Submit, Any]] = deque()
        self._submitted = 0  # indices given out
        self._read = 0  # the next index that get_next gives
        self._mixed = False  # something of what is pending was read out of order

    def map(self, fn: Submit, values: Iterable[Any]) -> Iterator[Any]:
        """Applies `fn(actor, value)` to every value; the results come in the order of the values.

        The work starts now, the iterator only reads. Results of earlier submissions that were not read are dropped. An
        error is raised when its turn comes.
        """
        self._start(fn, values)
        return self._in_order()

    def map_unordered(self, fn: Submit, values: Iterable[Any]) -> Iterator[Any]:
        """As `map`, with the results in the order in which they are ready."""
        self._start(fn, values)
        return self._as_ready()

    def submit(self, fn: Submit, value: Any) -> None:
        """Calls `fn(actor, value)` now where an actor is free, else when a result has been read."""
        if not self._idle:
            self._waiting.append((fn, value))
            return
        actor = self._idle.pop()
        try:
            call = fn(actor, value)
            run = _Run(self._submitted, actor, call)
        except BaseException:
            self._idle.append(actor)
            raise
        self._running[run.index] = run
        self._submitted += 1

    def has_next(self) -> bool:
        """Whether there is a result that was not read yet, ready or not."""
        return bool(self._running or self._waiting)

    def get_next(self, timeout: float | None = None, ignore_if_timedout: bool = False) -> Any:
        """The next result in the order of submission; waits for it up to `timeout` seconds.

        Raises StopIteration when nothing is pending, TimeoutError when the time is over (the result stays the next one,
        or is passed over with `ignore_if_timedout`), ValueError while some of what is pending was read out of order, and
        the error of the call.
        """
        self._need_pending()
        if self._mixed:
            raise ValueError("get_next() cannot tell the order after get_next_unordered(): read the rest of it unordered too")
        run = self._running[self._read]
        late = not run.finished(timeout)
        if late and not ignore_if_timedout:
            raise TimeoutError(f"the next result was not there within {timeout} seconds")
        self._take(run)
        if late:
            raise TimeoutError(f"the next result was not there within {timeout} seconds, and is passed over")
        return api.get(run.call)

    def get_next_unordered(self, timeout: float | None = None, ignore_if_timedout: bool = False) -> Any:
        """Any result that is ready, the earlier submitted first; waits for one up to `timeout` seconds.

        Raises what `get_next` does, but never for the order. With `ignore_if_timedout` the oldest call is passed over.
        """
        self._need_pending()
        owner = {run.refs[0]: run for run in self._running.values()}
        ready, _ = api.wait(list(owner), num_returns=1, timeout=timeout)
        if not ready:
            if ignore_if_timedout:
                self._take(next(iter(owner.values())))
            raise TimeoutError(f"no result was there within {timeout} seconds")
        run = owner[ready[0]]
        self._take(run, mixed=True)
        return api.get(run.call)

    def has_free(self) -> bool:
        """Whether a submission would start at once."""
        return bool(self._idle) and not self._waiting

    def pop_idle(self) -> ActorHandle[Any] | None:
        """Takes a free actor out of the pool; None where none is free."""
        return self._idle.pop() if self.has_free() else None

    def push(self, actor: ActorHandle[Any] | type[Any]) -> None:
        """Adds an actor. Raises ValueError for one that the pool has."""
        if actor in self._idle or any(run.actor == actor for run in self._running.values()):
            raise ValueError(f"{actor!r} is in the pool already")
        self._free(actor)

    def _start(self, fn: Submit, values: Iterable[Any]) -> None:
        self._waiting.clear()
        for run in list(self._running.values()):
            self._take(run)
        for value in values:
            self.submit(fn, value)

    def _in_order(self) -> Iterator[Any]:
        while self.has_next():
            yield self.get_next()

    def _as_ready(self) -> Iterator[Any]:
        while self.has_next():
            yield self.get_next_unordered()

    def _need_pending(self) -> None:
        if not self.has_next():
            raise StopIteration("every result of the pool has been read")
        if not self._running:
            raise ValueError("the pool has work and no actors: push() one")

    def _take(self, run: _Run, mixed: bool = False) -> None:
        """The run's result is being read: its actor is free for what waits."""
        del self._running[run.index]
        if mixed:
            self._mixed = True  # also where it was the next one anyway: what is refused must not hang on who was faster
        else:
            self._read = run.index + 1
        self._free(run.actor)
        if not self._running:
            self._mixed = False
            self._read = self._submitted

    def _free(self, actor: ActorHandle[Any] | type[Any]) -> None:
        self._idle.append(actor)
        if self._waiting:
            self.submit(*self._waiting.popleft())
