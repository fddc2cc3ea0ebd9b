"""Classes of actors that stock Ray has exported, read to be looked at: nothing of them runs here.

So what their methods need, and this process has not, is stood in for: modules by empty ones, classes and functions by a class that
takes everything. Ray's own are never ours here: a reference or a handle that a method refers to would be counted.
"""

from __future__ import annotations

import io
import types
from collections.abc import Callable
from typing import Any

from mobula._values.aliases import RayUnpickler

#: What makes classes in cloudpickle, and where each takes the id by which a class that comes again is the same class. A class that
#: was only to be looked at must not become that of values.
_MAKERS = {"_make_skeleton_class": 4, "_make_skeleton_enum": 5}

#: Modules of Ray's of which ours do.
_OURS = ("ray.cloudpickle", "ray.exceptions")


def load(pickled: bytes) -> Any:
    """The class. Raises whatever is raised while its pickle is loaded."""
    return _ClassUnpickler(io.BytesIO(pickled)).load()


class _ClassUnpickler(RayUnpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module == "ray" or module.startswith("ray.")) and not module.startswith(_OURS):
            return _stand_in(module, name)
        try:
            found = super().find_class(module, name)
        except (ImportError, AttributeError):
            return _stand_in(module, name)
        if name in _MAKERS and module.startswith("ray.cloudpickle"):
            return _untracked(found, _MAKERS[name])
        return found

    def module(self, name: str) -> Any:
        try:
            return super().module(name)
        except ImportError:
            return types.ModuleType(name)


def _untracked(make: Callable[..., Any], place: int) -> Callable[..., Any]:
    return lambda *arguments: make(*arguments[:place], None, *arguments[place + 1 :])


def _stand_in(module: str, name: str) -> Any:
    return type(name.rpartition(".")[2], (_StandIn,), {"__module__": module})


class _StandIn:
    """Takes whatever a pickle does with what it has found or made. A base class too: what it has here is not what that has."""

    def __init__(self, *_: Any, **__: Any) -> None:
        pass

    def __init_subclass__(cls, **_: Any) -> None:
        super().__init_subclass__()

    def __class_getitem__(cls, _: Any) -> Any:
        return cls

    def __setstate__(self, _: Any) -> None:
        pass

    def __setitem__(self, _: Any, __: Any) -> None:
        pass

    def append(self, *_: Any) -> None:
        """As a list's, for a pickle that fills it."""

    def extend(self, *_: Any) -> None:
        """The same, several at a time."""

    def __call__(self, *_: Any, **__: Any) -> _StandIn:
        return self
