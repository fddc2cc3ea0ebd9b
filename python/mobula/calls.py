"""What a type checker is told of remote calls; nothing here runs.

Owns the types of `.remote` of functions and methods. Two of them carry everything: `Call[P, Out]` takes a function's own arguments
(or refs to them) and gives `Out`, and `Out` is settled once, where the function is decorated: a ref of what it returns, a
generator of refs for one that yields, a list of refs for `num_returns=2`. Methods need one more, because what a checker sees of a
handle is the class itself (`ActorProxy`): a marked method is one thing on the class, where it has `.remote`, and another on an
instance, where it is called like any method.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from typing import TYPE_CHECKING, Any, Concatenate, NoReturn, ParamSpec, Protocol, TypeVar, overload

if TYPE_CHECKING:
    from mobula.object_ref import ObjectRef
    from mobula.object_ref_generator import ObjectRefGenerator

__all__ = ["Call", "HandleMethod", "MarkedMethod", "MethodDecorator", "MethodDecoratorFor", "Yielding"]

P = ParamSpec("P")
Q = ParamSpec("Q")
A = TypeVar("A")
B = TypeVar("B")
C = TypeVar("C")
D = TypeVar("D")
E = TypeVar("E")
F = TypeVar("F")
T = TypeVar("T")
R = TypeVar("R")
R_co = TypeVar("R_co", covariant=True)
Out = TypeVar("Out", covariant=True)

#: What a function returns whose calls give a generator of refs.
Yielding = Iterator[T] | AsyncIterator[T]


class Call(Protocol[P, Out]):
    """The type of `.remote`: takes the function's arguments, or refs to them, and gives refs at once.

    The overloads say at which of the first six places the last ref by position is. What stands before it may be refs too, and
    what comes after it are the function's own arguments. A ParamSpec cannot say "or a ref of it" of a keyword: such a call needs
    a cast. tests/typing has what is accepted and what is refused.
    """

    @overload
    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> Out: ...
    @overload
    def __call__(self: Call[Concatenate[A, Q], Out], a: ObjectRef[A], /, *args: Q.args, **kwargs: Q.kwargs) -> Out: ...
    @overload
    def __call__(
        self: Call[Concatenate[A, B, Q], Out], a: A | ObjectRef[Any], b: ObjectRef[B], /, *args: Q.args, **kwargs: Q.kwargs
    ) -> Out: ...
    @overload
    def __call__(
        self: Call[Concatenate[A, B, C, Q], Out],
        a: A | ObjectRef[Any],
        b: B | ObjectRef[Any],
        c: ObjectRef[C],
        /,
        *args: Q.args,
        **kwargs: Q.kwargs,
    ) -> Out: ...
    @overload
    def __call__(
        self: Call[Concatenate[A, B, C, D, Q], Out],
        a: A | ObjectRef[Any],
        b: B | ObjectRef[Any],
        c: C | ObjectRef[Any],
        d: ObjectRef[D],
        /,
        *args: Q.args,
        **kwargs: Q.kwargs,
    ) -> Out: ...
    @overload
    def __call__(
        self: Call[Concatenate[A, B, C, D, E, Q], Out],
        a: A | ObjectRef[Any],
        b: B | ObjectRef[Any],
        c: C | ObjectRef[Any],
        d: D | ObjectRef[Any],
        e: ObjectRef[E],
        /,
        *args: Q.args,
        **kwargs: Q.kwargs,
    ) -> Out: ...
    @overload
    def __call__(
        self: Call[Concatenate[A, B, C, D, E, F, Q], Out],
        a: A | ObjectRef[Any],
        b: B | ObjectRef[Any],
        c: C | ObjectRef[Any],
        d: D | ObjectRef[Any],
        e: E | ObjectRef[Any],
        f: ObjectRef[F],
        /,
        *args: Q.args,
        **kwargs: Q.kwargs,
    ) -> Out: ...


class HandleMethod(Protocol[P, R_co, Out]):
    """A marked method as its class, and so a handle, has it."""

    @property
    def remote(self) -> Call[P, Out]:
        """Submits a call and gives its ref at once."""

    def options(self, **call_options: Any) -> HandleMethod[P, R_co, Any]:
        """The same method with some options changed."""

    def __call__(self, instance: Any, /, *args: P.args, **kwargs: P.kwargs) -> R_co:
        """A call of the plain class's function, as in `super().method()`; handles refuse it."""


class MarkedMethod(Protocol[P, R_co, Out]):
    """What `@method` makes of a method, to a checker; at run time it is the function it was."""

    @overload
    def __get__(self, instance: None, owner: Any, /) -> HandleMethod[P, R_co, Out]: ...
    @overload
    def __get__(self, instance: object, owner: Any, /) -> Callable[P, R_co]: ...


class MethodDecorator(Protocol):
    """What `@method(**options)` is where calls return one value, or a stream of them."""

    # A function that returns Any fits all of these. pyright takes the first then, and mypy makes Any of it.

    @overload
    def __call__(self, function: Callable[Concatenate[Any, P], NoReturn], /) -> MarkedMethod[P, Any, ObjectRef[Any]]: ...  # type: ignore[overload-overlap]
    @overload
    def __call__(
        self, function: Callable[Concatenate[Any, P], Coroutine[Any, Any, R]], /
    ) -> MarkedMethod[P, Coroutine[Any, Any, R], ObjectRef[R]]: ...
    @overload
    def __call__(  # type: ignore[overload-overlap]
        self, function: Callable[Concatenate[Any, P], Yielding[R]], /
    ) -> MarkedMethod[P, Yielding[R], ObjectRefGenerator[R]]: ...
    @overload
    def __call__(self, function: Callable[Concatenate[Any, P], R], /) -> MarkedMethod[P, R, ObjectRef[R]]: ...


class MethodDecoratorFor(Protocol[Out]):
    """What `@method(num_returns=n)` is: calls give `Out`, whatever the method says it returns."""

    def __call__(self, function: Callable[Concatenate[Any, P], R], /) -> MarkedMethod[P, R, Out]: ...
