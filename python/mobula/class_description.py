"""What callers need to know of an actor class, in a form that travels with its handles.

Owns the description of methods: shapes of their signatures, options of `@method`, and whether the actor is asynchronous. A
description is plain tuples, so any process can unpickle it, also one that could not import the class.
"""

from __future__ import annotations

import inspect
import pickle
from typing import Any, NamedTuple

from mobula.method import marks_of, yields
from mobula.signatures import Fitting, Shape, shape_of
from mobula.task_spec import retry_exceptions

_TAKES_ANYTHING: Shape = (
    ("args", int(inspect.Parameter.VAR_POSITIONAL), False),
    ("kwargs", int(inspect.Parameter.VAR_KEYWORD), False),
)


class Method(NamedTuple):
    """One method as its callers see it."""

    shape: Shape
    num_returns: int | str | None = None  # None: 1, or a stream for a generator
    concurrency_group: str = ""
    max_task_retries: int | None = None
    retry: bool = False
    retry_allowlist: bytes = b""
    is_generator: bool = False
    backpressure: int | None = None
    events: bool | None = None  # None: as the actor has it
    per_yield: int | None = None


# What every actor has beside its own methods, as in Ray.
ADDED = {
    "__ray_ready__": Method(()),
    "__ray_call__": Method((("function", int(inspect.Parameter.POSITIONAL_ONLY), False), *_TAKES_ANYTHING)),
    "__ray_terminate__": Method(()),
}


class Description:
    """A class as its callers see it, with the options that every call depends on."""

    __slots__ = (
        "_encoded",
        "_fittings",
        "class_name",
        "events",
        "groups",
        "is_async",
        "max_pending_calls",
        "max_task_retries",
        "methods",
        "module",
        "stream_limit",
    )

    def __init__(
        self,
        class_name: str,
        module: str,
        methods: dict[str, Method],
        is_async: bool,
        max_task_retries: int = 0,
        max_pending_calls: int = -1,
        groups: tuple[str, ...] | None = (),
        events: bool = True,
        stream_limit: int = 0,
    ) -> None:
        self.class_name = class_name
        self.module = module
        self.methods = methods
        self.is_async = is_async
        self.max_task_retries = max_task_retries
        self.max_pending_calls = max_pending_calls
        self.groups = groups  # None: not known, as with an actor that stock Ray made
        self.events = events
        self.stream_limit = stream_limit  # of items of all its generators that are there and not taken; 0 = any number
        self._fittings: dict[str, Fitting] = {}
        self._encoded: bytes | None = None

    def fitting(self, name: str) -> Fitting:
        """The check of one method's arguments."""
        found = self._fittings.get(name)
        if found is None:
            found = self._fittings[name] = Fitting(self.methods[name].shape)
        return found

    def encode(self) -> bytes:
        """Bytes that `decode` understands in every process."""
        if self._encoded is None:
            methods = {name: tuple(method) for name, method in self.methods.items()}
            options = (self.max_task_retries, self.max_pending_calls, self.groups, self.events, self.stream_limit)
            state = (self.class_name, self.module, methods, self.is_async, *options)
            self._encoded = pickle.dumps(state, protocol=5)
        return self._encoded

    def with_options(
        self, *, max_task_retries: int, max_pending_calls: int, groups: tuple[str, ...], events: bool, stream_limit: int
    ) -> Description:
        """The same class, created with these options."""
        options = (max_task_retries, max_pending_calls, groups, events, stream_limit)
        if options == (self.max_task_retries, self.max_pending_calls, self.groups, self.events, self.stream_limit):
            return self
        return Description(self.class_name, self.module, self.methods, self.is_async, *options)


_decoded: dict[bytes, Description] = {}
_KEPT = 256


def decode(encoded: bytes) -> Description:
    """The description of a handle that came from elsewhere; the last few are kept."""
    found = _decoded.get(encoded)
    if found is None:
        class_name, module, methods, *rest = pickle.loads(encoded)
        found = Description(class_name, module, {name: Method(*fields) for name, fields in methods.items()}, *rest)
        while len(_decoded) >= _KEPT:
            _decoded.pop(next(iter(_decoded)), None)
        _decoded[encoded] = found
    return found


def takes_anything() -> Method:
    """A method of which no more than the name is known."""
    return Method(_TAKES_ANYTHING)


def describe(cls: type) -> Description:
    """Reads a class. Static and class methods count as methods, properties and plain attributes do not (Ray's rule)."""
    methods: dict[str, Method] = dict(ADDED)
    is_async = False
    for name, member in inspect.getmembers(cls, _is_method):
        function = inspect.unwrap(member)
        is_async = is_async or inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function)
        methods[name] = _describe_method(cls, name, member)
    if "__init__" not in methods:
        methods["__init__"] = Method(())
    return Description(cls.__name__, cls.__module__, methods, is_async)


def _is_method(member: Any) -> bool:
    return inspect.isfunction(member) or inspect.ismethod(member)


def _describe_method(cls: type, name: str, member: Any) -> Method:
    # A classmethod comes bound from getattr, and its signature is without cls already; a staticmethod has nothing to skip.
    static = isinstance(inspect.getattr_static(cls, name), staticmethod)
    marks = marks_of(member)
    is_generator = yields(member)
    retry, allowlist = retry_exceptions(marks.get("retry_exceptions"))
    return Method(
        shape=shape_of(member, skip_first=not static and not inspect.ismethod(member)),
        num_returns=marks.get("num_returns"),
        concurrency_group=marks.get("concurrency_group", ""),
        max_task_retries=marks.get("max_task_retries"),
        retry=retry,
        retry_allowlist=allowlist,
        is_generator=is_generator,
        backpressure=marks.get("_generator_backpressure_num_objects"),
        events=marks.get("enable_task_events"),
        per_yield=marks.get("_num_objects_per_yield"),
    )
