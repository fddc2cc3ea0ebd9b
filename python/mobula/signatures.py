"""Whether the arguments of a call fit a function, told at the call.

Owns the check and a small form of a signature that travels with actor handles: names, kinds, and which parameters have a
default; no defaults and no annotations, which may be unpicklable or large. It refuses to bind values: the worker's own call
does that.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any

# (name, kind as an int, has a default)
Shape = tuple[tuple[str, int, bool], ...]

_POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
_ANYTHING: Shape = (
    ("args", int(inspect.Parameter.VAR_POSITIONAL), False),
    ("kwargs", int(inspect.Parameter.VAR_KEYWORD), False),
)


def shape_of(function: Callable[..., Any], *, skip_first: bool = False) -> Shape:
    """The small form of a function's signature; `skip_first` leaves out self or cls.

    What has no signature that Python can tell (some extension types) takes anything here and is checked by the worker.
    """
    try:
        parameters = list(inspect.signature(function).parameters.values())
    except ValueError:
        return _ANYTHING
    if skip_first and parameters and parameters[0].kind in _POSITIONAL:
        parameters = parameters[1:]
    return tuple((p.name, int(p.kind), p.default is not p.empty) for p in parameters)


class Fitting:
    """Checks calls against a shape. Most calls are positional, and for those two comparisons decide."""

    __slots__ = ("_least", "_most", "_shape", "_signature")

    def __init__(self, shape: Shape) -> None:
        self._shape = shape
        self._signature: inspect.Signature | None = None
        positional = [has_default for _, kind, has_default in shape if kind in _POSITIONAL]
        required_keyword = any(kind == inspect.Parameter.KEYWORD_ONLY and not default for _, kind, default in shape)
        self._least = positional.count(False)
        self._most: float = len(positional)
        if any(kind == inspect.Parameter.VAR_POSITIONAL for _, kind, _ in shape):
            self._most = float("inf")
        if required_keyword:
            self._most = -1  # no purely positional call fits

    def check(self, args: Sequence[Any], kwargs: dict[str, Any]) -> None:
        """Raises TypeError, in Python's own words, when a call with these arguments would fail."""
        if not kwargs and self._least <= len(args) <= self._most:
            return
        signature = self._signature
        if signature is None:
            signature = self._signature = _signature(self._shape)
        signature.bind(*args, **kwargs)

    def signature(self) -> inspect.Signature:
        """The signature, without defaults' values and annotations."""
        return _signature(self._shape)


def _signature(shape: Shape) -> inspect.Signature:
    empty = inspect.Parameter.empty
    return inspect.Signature(
        [inspect.Parameter(name, _KINDS[kind], default=... if default else empty) for name, kind, default in shape],
        __validate_parameters__=False,
    )


_KINDS = {
    int(kind): kind
    for kind in (
        inspect.Parameter.POSITIONAL_ONLY,
        inspect.Parameter.POSITIONAL_OR_KEYWORD,
        inspect.Parameter.VAR_POSITIONAL,
        inspect.Parameter.KEYWORD_ONLY,
        inspect.Parameter.VAR_KEYWORD,
    )
}
