"""Pickles for stock Ray workers: what they have under Ray's names is named so, and nothing of mobula is asked for there.

A driver of a cluster writes them (`enter` … `leave`). Functions and classes of ours and of cloudpickle, which Ray carries inside
itself, become `pkgutil.resolve_name("ray…:name")`, and so do modules: a function that says `mobula.get` runs with that worker's own
Ray. References carry the address of their owner, by which a worker asks for the value, and handles Ray's description of an actor.
"""

from __future__ import annotations

import pkgutil
import sys
import types
from collections.abc import Callable
from functools import partial
from typing import Any

from mobula._values import contained, pickling


class Named:
    """Stands for what a stock worker has under this name: `module:name`, or a module."""

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name

    def __call__(self) -> None:
        """Never called here: `pickle` wants what a reduction names to be callable."""
        raise TypeError(f"{self.name} is in the cluster's workers only")

    def __reduce__(self) -> tuple[Any, ...]:
        return pkgutil.resolve_name, (self.name,)


_REF = Named("ray._private.serialization:_object_ref_deserializer")
_HANDLE = Named("ray._private.serialization:_actor_handle_deserializer")
_REMOTE = Named("ray:remote")
_MODIFY = Named("ray.actor:_modify_class")

#: Ours that Ray has elsewhere.
_ELSEWHERE = {
    "mobula.object_ref": "ray",
    "mobula.object_ref_generator": "ray",
    "mobula.api": "ray",
    "mobula.remote": "ray",
    "mobula.method": "ray",
    "mobula.session": "ray",
    "mobula.runtime_context": "ray.runtime_context",
    "mobula.strategies": "ray.util.scheduling_strategies",
    "mobula.placement_group": "ray.util.placement_group",
    "mobula.actor": "ray.actor",
    "mobula.actor_handle": "ray.actor",
    "mobula.runtime_env.env": "ray.runtime_env",
    "mobula._core.ids": "ray",
}


#: Modules that Ray has under the same names.
_SAME = ("mobula.actor", "mobula.exceptions", "mobula.experimental", "mobula.runtime_context", "mobula.runtime_env", "mobula.util")


#: What of ours runs in workers, needs nothing of mobula there, and is not Ray's: it travels itself.
_TRAVELS = frozenset(("mobula.util.dask:_evaluate", "mobula.util.joblib:_run", "mobula.util.multiprocessing.pool:_Runner"))


def _travels(item: Any) -> bool:
    """Whether a function or class, or the class that it is a method of, is written with its code."""
    if f"{item.__module__}:{item.__qualname__.partition('.')[0]}" not in _TRAVELS:
        return False
    from cloudpickle import register_pickle_by_value

    register_pickle_by_value(sys.modules[item.__module__])  # of which nothing else comes to cloudpickle: all is named
    return True


class Stock:
    """What pickles of a driver of a cluster need to know of it."""

    def __init__(self, owner: bytes) -> None:
        #: The driver's address, as references carry it.
        self.owner = owner
        #: Addresses of the owners of references that came from the cluster.
        self.owners: dict[bytes, bytes] = {}
        #: Ray's descriptions of actors, by id.
        self.handles: dict[bytes, bytes] = {}
        #: Descriptions of classes that stock drivers and workers have exported, by their keys in the function table.
        self.classes: dict[bytes, Any] = {}


_current: Stock | None = None


def current() -> Stock | None:
    """What `enter` was given; None in a session on this machine."""
    return _current


def enter(owner: bytes) -> None:
    """From now on this process writes pickles for stock workers, and reads theirs."""
    global _current
    _current = Stock(owner)
    pickling.write_with(_make_pickler_class, read_with=_loads)


def leave() -> None:
    """The end of that; nothing where it was not begun."""
    global _current
    if _current is not None:
        _current = None
        pickling.write_with(None, read_with=None)


def actor_class(cls: type) -> Any:
    """What a class is exported as: a stock worker adds Ray's own methods when it loads it."""
    return _Reduced(_MODIFY, (cls,))


class _Reduced:
    """What comes out of a call that is made where the pickle is loaded."""

    def __init__(self, make: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
        self._reduction = (make, arguments)

    def __call__(self) -> None:
        """As `Named.__call__`."""
        raise TypeError("this is in the cluster's workers only")

    def __reduce__(self) -> tuple[Any, ...]:
        return self._reduction


def _loads(pickled: bytes | memoryview, buffers: Any) -> Any:
    from mobula._values import aliases

    return aliases.loads(pickled, buffers)


def restore_ref(
    id: bytes, call_site: str = "", owner: bytes = b"", object_status: bytes = b"", tensor_transport: Any = None
) -> Any:
    """Called by pickles of a cluster's workers to make a reference again."""
    from mobula.object_ref import ObjectRef

    stock = _current
    if stock is not None and owner and owner != stock.owner:
        stock.owners[id] = owner
    return ObjectRef(id)


def rays_name(module: str) -> str | None:
    """Ray's name of a module of ours or of cloudpickle; None for others."""
    if module == "cloudpickle" or module.startswith("cloudpickle."):
        return "ray." + module if module != "cloudpickle" else "ray.cloudpickle"
    if module != "mobula" and not module.startswith("mobula."):
        return None
    if module in _ELSEWHERE:
        return _ELSEWHERE[module]
    # What is only ours has no counterpart: cloudpickle names such a module because a function says `.options`, say.
    return "ray" + module[len("mobula") :] if module.startswith(_SAME) else "ray"


def _make_pickler_class(base: Any) -> Any:
    from mobula.actor import ActorClass, OptionedClass
    from mobula.actor_handle import ActorHandle
    from mobula.object_ref import ObjectRef
    from mobula.remote_function import OptionedFunction, RemoteFunction

    def remote(what: Any, options: Any) -> tuple[Any, ...]:
        given = {name: value for name, value in options.items() if value is not None}
        if not given:
            return _REMOTE, (what,)
        return _Reduced(_Reduced(partial(_REMOTE, **given), ()), (what,)).__reduce__()

    assert _current is not None
    stock: Stock = _current
    of_base: Callable[[Any, Any], Any] = base.reducer_override

    class StockPickler(base):  # type: ignore[misc]
        def reducer_override(self, item: Any) -> Any:
            kind = type(item)
            if kind is types.FunctionType or issubclass(kind, type) or kind is types.BuiltinFunctionType:
                rays = rays_name(getattr(item, "__module__", None) or "")
                if rays and not _travels(item):
                    return pkgutil.resolve_name, (f"{rays}:{item.__qualname__}",)
            elif kind is types.ModuleType:
                if rays := rays_name(item.__name__):
                    return pkgutil.resolve_name, (rays,)
            elif kind is ObjectRef:
                contained.note(item._id, item)
                return _REF, (item._id, "", stock.owners.get(item._id, stock.owner), b"", None)
            elif kind is ActorHandle:
                return _reduce_handle(item, stock)
            elif kind is RemoteFunction:
                return remote(item._function, item._options)
            elif kind is OptionedFunction:
                return remote(item._function._function, item._options)
            elif kind is ActorClass:
                return remote(item._class, item._options)
            elif kind is OptionedClass:
                return remote(item._actor_class._class, item._options)
            return of_base(self, item)

    return StockPickler


def _reduce_handle(handle: Any, stock: Stock) -> tuple[Any, ...]:
    from mobula._core import ids

    described = stock.handles.get(handle._actor)
    if described is None:
        raise TypeError(f"{handle!r} is of another session, so the cluster's workers do not know it")
    contained.note(ids.actor_handle_id(handle._actor), handle)
    return _HANDLE, (described, False)
