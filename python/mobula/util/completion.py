"""`as_completed` and `map_unordered`: results as they become ready.

Owns the order in which refs are waited for; what is submitted and got goes through the ordinary API.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, TypeVar

from mobula import api
from mobula.object_ref import ObjectRef
from mobula.remote_function import RemoteFunction

__all__ = ["as_completed", "map_unordered"]

T = TypeVar("T")


def as_completed(
    refs: Sequence[ObjectRef[T]], *, chunk_size: int = 10, yield_obj_refs: bool = False, **kwargs: Any
) -> Iterator[Any]:
    """The values of refs (or the refs, with `yield_obj_refs`) in the order in which they become ready.

    Waits for `chunk_size` of them at a time: with 1 nothing that is ready waits for anything else, with more there are fewer
    round trips. Other keywords go to `wait`. Raises ValueError for a wrong `chunk_size` and for `num_returns`, and the error
    of a task when it is its turn.

    >>> import mobula
    >>> sorted(as_completed([mobula.put(2), mobula.put(1)]))
    [1, 2]
    """
    _check(chunk_size, kwargs)
    rest = list(refs)
    while rest:
        ready, rest = api.wait(rest, num_returns=min(chunk_size, len(rest)), **kwargs)
        yield from _values(ready, yield_obj_refs)


def map_unordered(
    fn: RemoteFunction[Any, Any],
    items: Iterable[Any],
    *,
    backpressure_size: int | None = 100,
    chunk_size: int = 10,
    yield_obj_refs: bool = False,
    **kwargs: Any,
) -> Iterator[Any]:
    """Calls a remote function with each item; gives the values (or refs) in the order in which they become ready.

    At most `backpressure_size` calls are under way, and no more items are drawn than that; None is no limit. The rest is as
    in `as_completed`.

    >>> import mobula
    >>> @mobula.remote
    ... def double(x: int) -> int:
    ...     return 2 * x
    >>> sorted(map_unordered(double, [1, 2, 3]))
    [2, 4, 6]
    """
    _check(chunk_size, kwargs)
    if backpressure_size is not None and backpressure_size <= 0:
        raise ValueError(f"backpressure_size takes None or a number from 1 on, not {backpressure_size!r}")
    limit = float("inf") if backpressure_size is None else backpressure_size
    rest: list[ObjectRef[Any]] = []
    for item in items:
        while len(rest) >= limit:
            ready, rest = api.wait(rest, num_returns=min(chunk_size, len(rest)), **kwargs)
            yield from _values(ready, yield_obj_refs)
        rest.append(fn.remote(item))
    yield from as_completed(rest, chunk_size=chunk_size, yield_obj_refs=yield_obj_refs, **kwargs)


def _check(chunk_size: int, kwargs: dict[str, Any]) -> None:
    if chunk_size <= 0:
        raise ValueError(f"chunk_size takes a number from 1 on, not {chunk_size!r}")
    if "num_returns" in kwargs:
        raise ValueError("num_returns is decided here: give chunk_size")


def _values(ready: list[ObjectRef[Any]], yield_obj_refs: bool) -> Iterator[Any]:
    for ref in ready:
        yield ref if yield_obj_refs else api.get(ref)
