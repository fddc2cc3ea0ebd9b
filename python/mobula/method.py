"""`@method`: options of one method of an actor class, given where it is defined.

Owns the marks that the decorator leaves on the function (Ray's names, so that classes written for Ray work) and reading them
back. Values are checked here, at once, where Ray checks most of them only inside a call.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, Concatenate, Literal, NoReturn, ParamSpec, TypeVar, overload

from mobula.options import METHOD_OPTIONS, check_streaming, refuse_method_options

if TYPE_CHECKING:
    from mobula.calls import MarkedMethod, MethodDecorator, MethodDecoratorFor, Yielding
    from mobula.object_ref import ObjectRef
    from mobula.object_ref_generator import DynamicObjectRefGenerator, ObjectRefGenerator

P = ParamSpec("P")
R = TypeVar("R")
F = TypeVar("F", bound=Callable[..., Any])

_MARKS = {keyword: f"__ray_{keyword.lstrip('_')}__" for keyword in METHOD_OPTIONS}


@overload
def method(function: Callable[Concatenate[Any, P], NoReturn], /) -> MarkedMethod[P, Any, ObjectRef[Any]]: ...  # type: ignore[overload-overlap]
@overload
def method(
    function: Callable[Concatenate[Any, P], Coroutine[Any, Any, R]], /
) -> MarkedMethod[P, Coroutine[Any, Any, R], ObjectRef[R]]: ...
@overload
def method(function: Callable[Concatenate[Any, P], Yielding[R]], /) -> MarkedMethod[P, Yielding[R], ObjectRefGenerator[R]]: ...  # type: ignore[overload-overlap]
@overload
def method(function: Callable[Concatenate[Any, P], R], /) -> MarkedMethod[P, R, ObjectRef[R]]: ...
@overload
def method(  # type: ignore[overload-overlap]
    *,
    num_returns: Literal[1, "streaming"] | None = ...,
    concurrency_group: str | None = ...,
    max_task_retries: int | None = ...,
    retry_exceptions: bool | list[type[Exception]] | tuple[type[Exception], ...] | None = ...,
    enable_task_events: bool | None = ...,
    tensor_transport: str | None = ...,
    _generator_backpressure_num_objects: int | None = ...,
    _num_objects_per_yield: int | None = ...,
) -> MethodDecorator: ...
@overload
def method(  # type: ignore[overload-overlap]
    *,
    num_returns: Literal[0],
    concurrency_group: str | None = ...,
    max_task_retries: int | None = ...,
    retry_exceptions: bool | list[type[Exception]] | tuple[type[Exception], ...] | None = ...,
    enable_task_events: bool | None = ...,
    tensor_transport: str | None = ...,
    _generator_backpressure_num_objects: int | None = ...,
    _num_objects_per_yield: int | None = ...,
) -> MethodDecoratorFor[None]: ...
@overload
def method(
    *,
    num_returns: Literal["dynamic"],
    concurrency_group: str | None = ...,
    max_task_retries: int | None = ...,
    retry_exceptions: bool | list[type[Exception]] | tuple[type[Exception], ...] | None = ...,
    enable_task_events: bool | None = ...,
    tensor_transport: str | None = ...,
    _generator_backpressure_num_objects: int | None = ...,
    _num_objects_per_yield: int | None = ...,
) -> MethodDecoratorFor[ObjectRef[DynamicObjectRefGenerator]]: ...
@overload
def method(
    *,
    num_returns: int,
    concurrency_group: str | None = ...,
    max_task_retries: int | None = ...,
    retry_exceptions: bool | list[type[Exception]] | tuple[type[Exception], ...] | None = ...,
    enable_task_events: bool | None = ...,
    tensor_transport: str | None = ...,
    _generator_backpressure_num_objects: int | None = ...,
    _num_objects_per_yield: int | None = ...,
) -> MethodDecoratorFor[list[ObjectRef[Any]]]: ...
def method(*args: Any, **kwargs: Any) -> Any:
    """Options for one method of an actor class: how many values it returns, its concurrency group, its retries.

    Raises AssertionError for an unknown keyword (as Ray does), TypeError or ValueError for a wrong value, NotImplementedError
    for what mobula does not have yet.

    >>> import mobula
    >>> @mobula.remote
    ... class Divider:
    ...     @mobula.method(num_returns=2)
    ...     def divide(self, a: int, b: int) -> tuple[int, int]:
    ...         return a // b, a % b
    """
    if len(args) == 1 and callable(args[0]) and not kwargs:
        return args[0]
    if args:
        raise AssertionError("@method takes keywords only, for example @method(num_returns=2)")
    for keyword, value in kwargs.items():
        option = METHOD_OPTIONS.get(keyword)
        if option is None:
            raise AssertionError(f"@method has no option {keyword!r}; it takes {', '.join(METHOD_OPTIONS)}")
        option.check(keyword, value)

    def mark(function: F) -> F:
        check_streaming(kwargs.get("num_returns"), is_generator=yields(function))
        refuse_method_options(kwargs)
        for keyword, value in kwargs.items():
            if value is not None:
                setattr(function, _MARKS[keyword], value)
        return function

    return mark


def marks_of(function: Any) -> dict[str, Any]:
    """The options that `@method` left on a function."""
    found = {keyword: getattr(function, mark, None) for keyword, mark in _MARKS.items()}
    return {keyword: value for keyword, value in found.items() if value is not None}


def yields(function: Any) -> bool:
    """Whether calling this gives a (sync or async) generator."""
    function = inspect.unwrap(function)
    return inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function)
