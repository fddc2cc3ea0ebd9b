"""The doors from the shim into user code.

Every call of a user's function, method or constructor goes through a function of this file, so their code objects mark the
border on the stack: an interrupt that lands further in belongs to the user, one that lands further out to the shim
(`interrupts`). Nothing but calling user code may be done in these bodies, because an interrupt may end them anywhere.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from types import CodeType
from typing import Any, Final


class Taken(list[Any]):
    """Items taken from a generator; a type of its own, so that they are not mistaken for a returned list."""


def call_user(function: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
    """Call user code and hand back what it returned."""
    return function(*args, **kwargs)


def take_items(generator: Iterator[Any], count: int) -> Taken:
    """Run a generator's body for at most `count` items: more are not asked for, as in Ray."""
    taken = Taken()
    while len(taken) < count:
        try:
            taken.append(next(generator))
        except StopIteration:  # noqa: PERF203
            break
    return taken


EXHAUSTED: Final = object()


def next_item(generator: Iterator[Any]) -> Any:
    """Run a generator's body up to its next item; EXHAUSTED at its end."""
    try:
        return next(generator)
    except StopIteration:
        return EXHAUSTED


DOORS: frozenset[CodeType] = frozenset({call_user.__code__, take_items.__code__, next_item.__code__})
