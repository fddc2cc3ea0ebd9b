"""Ray's marks of how stable a name is, for code that puts them on: `PublicAPI`, `DeveloperAPI`, `Deprecated`.

Owns the marks. They change nothing of what they are put on; `Deprecated` warns where a function is called, as Ray's does when
asked to (`warning=True`).
"""

from __future__ import annotations

import functools
import inspect
import warnings
from collections.abc import Callable
from typing import Any, TypeVar

__all__ = ["Deprecated", "DeveloperAPI", "PublicAPI", "RayDeprecationWarning"]

T = TypeVar("T")


class RayDeprecationWarning(DeprecationWarning):
    """Something of a library that is written against Ray's API will go."""


def PublicAPI(*given: Any, stability: str = "stable", api_group: str = "Others") -> Any:  # noqa: N802 - Ray's name
    """Marks a name that users may rely on. Raises ValueError for a stability that Ray does not know.

    >>> @PublicAPI(stability="beta")
    ... def f() -> int:
    ...     return 1
    >>> f()
    1
    """
    if given:
        return _marked(given[0], "PublicAPI")
    if stability not in ("stable", "beta", "alpha"):
        raise ValueError(f"stability is 'stable', 'beta' or 'alpha', not {stability!r}")
    return lambda target: _marked(target, "PublicAPI")


def DeveloperAPI(*given: Any, **_reserved: Any) -> Any:  # noqa: N802 - Ray's name
    """Marks a name that libraries may rely on, and users may not. Keywords ask for nothing, as in Ray."""
    return _marked(given[0], "DeveloperAPI") if given else lambda target: _marked(target, "DeveloperAPI")


def Deprecated(*given: Any, message: str = "", warning: bool = False) -> Any:  # noqa: N802 - Ray's name
    """Marks a name that will go; with `warning`, calls of a function warn of it.

    >>> import warnings
    >>> @Deprecated(message="use g", warning=True)
    ... def f() -> int:
    ...     return 1
    >>> with warnings.catch_warnings(record=True) as seen:
    ...     warnings.simplefilter("always")
    ...     f()
    1
    >>> str(seen[0].message)
    'f is deprecated: use g'
    """
    if given:
        return _marked(given[0], "Deprecated")

    def mark(target: T) -> T:
        if warning and inspect.isfunction(target):
            target = _warning(target, message)
        return _marked(target, "Deprecated")

    return mark


def _warning(function: Callable[..., Any], message: str) -> Any:
    text = f"{function.__qualname__} is deprecated" + (f": {message}" if message else "")

    @functools.wraps(function)
    def warned(*args: Any, **kwargs: Any) -> Any:
        warnings.warn(text, RayDeprecationWarning, stacklevel=2)
        return function(*args, **kwargs)

    return warned


def _marked(target: T, kind: str) -> T:
    target._annotated = getattr(target, "__name__", kind)  # type: ignore[attr-defined]  # Ray's own mark, which tools read
    target._annotated_type = kind  # type: ignore[attr-defined]
    return target
