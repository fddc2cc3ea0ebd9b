"""`@remote`: makes remote functions and actor classes.

Owns the forms of the decorator: bare, with options, and as a plain call; everything else is refused as Ray refuses it.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal, NoReturn, ParamSpec, Protocol, TypeVar, overload

from mobula.actor import ActorClass
from mobula.options import ACTOR_OPTIONS, TASK_OPTIONS
from mobula.remote_function import RemoteFunction

if TYPE_CHECKING:
    from mobula.calls import Yielding
    from mobula.object_ref import ObjectRef
    from mobula.object_ref_generator import DynamicObjectRefGenerator, ObjectRefGenerator

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")
Out = TypeVar("Out", covariant=True)

# A class is a callable too, and what returns Any fits every overload: the first that fits is taken, as meant. (mypy makes Any of
# the second case.)


class Decorator(Protocol):
    """What `remote(**options)` returns: put it on a function or a class."""

    @overload
    def __call__(self, target: type[T], /) -> ActorClass[T]: ...  # type: ignore[overload-overlap]
    @overload
    def __call__(self, target: Callable[P, NoReturn], /) -> RemoteFunction[P, ObjectRef[Any]]: ...  # type: ignore[overload-overlap]
    @overload
    def __call__(self, target: Callable[P, Yielding[R]], /) -> RemoteFunction[P, ObjectRefGenerator[R]]: ...  # type: ignore[overload-overlap]
    @overload
    def __call__(self, target: Callable[P, R], /) -> RemoteFunction[P, ObjectRef[R]]: ...


class DecoratorFor(Protocol[Out]):
    """What `remote(num_returns=n)` returns: calls give `Out`, whatever the function says it returns."""

    def __call__(self, target: Callable[P, Any], /) -> RemoteFunction[P, Out]: ...


@overload
def remote(target: type[T], /) -> ActorClass[T]: ...  # type: ignore[overload-overlap]
@overload
def remote(target: Callable[P, NoReturn], /) -> RemoteFunction[P, ObjectRef[Any]]: ...  # type: ignore[overload-overlap]
@overload
def remote(target: Callable[P, Yielding[R]], /) -> RemoteFunction[P, ObjectRefGenerator[R]]: ...  # type: ignore[overload-overlap]
@overload
def remote(target: Callable[P, R], /) -> RemoteFunction[P, ObjectRef[R]]: ...
@overload
def remote(*, num_returns: Literal[1, "streaming"] | None = ..., **options: Any) -> Decorator: ...
@overload
def remote(*, num_returns: Literal[0], **options: Any) -> DecoratorFor[None]: ...
@overload
def remote(*, num_returns: Literal["dynamic"], **options: Any) -> DecoratorFor[ObjectRef[DynamicObjectRefGenerator]]: ...
@overload
def remote(*, num_returns: int, **options: Any) -> DecoratorFor[list[ObjectRef[Any]]]: ...
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
