"""`@remote`: makes remote functions and actor classes.

Owns the forms of the decorator: bare, with options, and as a plain call; everything else is refused as Ray refuses it.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, ParamSpec, Protocol, TypeVar, overload

from mobula.actor import ActorClass
from mobula.options import ACTOR_OPTIONS, TASK_OPTIONS
from mobula.remote_function import RemoteFunction

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")


class Decorator(Protocol):
    """What `remote(**options)` returns: put it on a function or a class."""

    # A class is a callable too: the first overload that fits is taken, as meant.

    @overload
    def __call__(self, target: type[T], /) -> ActorClass[T]: ...  # type: ignore[overload-overlap]
    @overload
    def __call__(self, target: Callable[P, R], /) -> RemoteFunction[P, R]: ...


@overload
def remote(target: type[T], /) -> ActorClass[T]: ...  # type: ignore[overload-overlap]
@overload
def remote(target: Callable[P, R], /) -> RemoteFunction[P, R]: ...
@overload
def remote(**options: Any) -> Decorator: ...
def remote(*args: Any, **kwargs: Any) -> Any:
    """Makes a function a remote function, or a class an actor class.

    Put it on as `@remote` or with options as `@remote(num_cpus=2)`, or call it: `remote(function)`. Raises AssertionError
    for any other form, TypeError for what is neither a function nor a class, ValueError or TypeError for wrong options,
    NotImplementedError for options that mobula does not have yet.

    >>> import mobula
    >>> @mobula.remote(num_cpus=0.5)
    ... def add(a: int, b: int) -> int:
    ...     return a + b
    >>> mobula.get(add.remote(1, 2))
    3
    """
    if len(args) == 1 and not kwargs and callable(args[0]):
        return make(args[0], {})
    if args or not kwargs:
        raise AssertionError(
            "@remote is put on without parentheses, or with options by keyword: @remote(num_cpus=2). The options are "
            + ", ".join(dict.fromkeys((*TASK_OPTIONS, *ACTOR_OPTIONS)))
        )

    def decorate(target: Any) -> Any:
        return make(target, kwargs)

    return decorate


def make(target: Any, options: dict[str, Any]) -> Any:
    """A RemoteFunction or an ActorClass of `target`. Raises TypeError when it is neither a function nor a class."""
    if inspect.isfunction(target):
        return RemoteFunction(target, options)
    if inspect.isclass(target):
        return ActorClass(target, options)
    already = ", and this is remote already" if isinstance(target, (RemoteFunction, ActorClass)) else ""
    raise TypeError(f"@remote takes a function or a class, not {target!r}{already}")
