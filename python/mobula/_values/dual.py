"""An error of user code as an instance of two classes: ``RayTaskError`` and the class that the user raised."""

from __future__ import annotations

import logging
import types
import weakref
from typing import Any

from mobula.exceptions import RayTaskError

logger = logging.getLogger("mobula")

#: Class of the cause -> combined class, as long as an instance of it lives somewhere.
_classes: weakref.WeakValueDictionary[type, type[RayTaskError]] = weakref.WeakValueDictionary()

#: Never combined: an instance of one of these says "stop" to whatever loop it passes (the interpreter, asyncio), and
#: the stop was meant for the task. By name, because asyncio is not imported for this.
_STOPS = frozenset({"KeyboardInterrupt", "SystemExit", "GeneratorExit", "CancelledError"})
_FIELD_KINDS = (types.MemberDescriptorType, types.GetSetDescriptorType)
_STOP_MODULES = frozenset({"builtins", "asyncio.exceptions"})


def combine(error: RayTaskError) -> RayTaskError:
    """``error`` as an instance of its cause's class too; itself where it is one already or no such class can be made."""
    cause = error.cause
    if isinstance(error, type(cause)) or _is_stop(cause):
        return error
    try:
        return _build(error, cause)
    except Exception as failure:  # noqa: BLE001 - a user's class may refuse in any way it likes: final, a metaclass, a __new__
        logger.warning(
            "The exception class %s of a task cannot be combined with RayTaskError (%s); "
            "the error is raised as RayTaskError alone, and its `cause` is the original.",
            type(cause).__qualname__,
            failure,
        )
        return error


def _is_stop(cause: BaseException) -> bool:
    return any(cls.__name__ in _STOPS and cls.__module__ in _STOP_MODULES for cls in type(cause).__mro__)


def _build(error: RayTaskError, cause: BaseException) -> RayTaskError:
    cls = _classes.get(type(cause)) or _make_class(type(cause))
    # Not cls(...): a __new__ of the user's class may want arguments nobody has. The built-in class that lays out the
    # memory knows what it needs.
    layout: Any = cls
    while layout.__module__ != "builtins":
        layout = layout.__base__
    is_group = layout.__name__.endswith("ExceptionGroup")
    fresh: Any = cause
    made: Any = layout.__new__(cls, fresh.message, fresh.exceptions) if is_group else layout.__new__(cls, fresh)
    made.__dict__.update(error.__dict__)
    try:
        made.args = (cause,)
    except AttributeError:
        pass  # a user's class has a read-only property of that name, which answers instead
    _copy_fields(cause, made)
    result: RayTaskError = made
    return result


def _copy_fields(cause: BaseException, made: BaseException) -> None:
    """What a class keeps outside ``__dict__`` (errno of OSError, value of StopIteration, a user's __slots__) never
    reaches ``__getattr__``, so it is copied."""
    for cls in type(cause).__mro__:
        for name, field in vars(cls).items():
            # Special names stay: traceback and context are this object's own, and __class__ is such a field as well.
            if name == "args" or name.startswith("__") or not isinstance(field, _FIELD_KINDS):
                continue
            try:
                field.__set__(made, field.__get__(cause))
            except (AttributeError, TypeError, ValueError):
                continue  # not set in the cause, or read-only


def _make_class(kind: type[BaseException]) -> type[RayTaskError]:
    def getattr_of_cause(self: RayTaskError, name: str) -> Any:
        # Only what is not found otherwise. Of special names nothing but the notes: copy and pickle look for theirs on
        # instances, and would get a method bound to the cause.
        if name == "cause" or (name.startswith("__") and name != "__notes__"):
            raise AttributeError(name)
        return getattr(self.cause, name)

    name = f"RayTaskError({kind.__name__})"
    combined: type[RayTaskError] = type(
        name,
        (RayTaskError, kind),
        {
            "__module__": RayTaskError.__module__,
            "__qualname__": name,
            "__doc__": f"An error of a task, which is a {kind.__qualname__}.",
            "__init__": lambda self, *args, **keywords: None,
            "__getattr__": getattr_of_cause,
            "__reduce__": _reduce,
            "__str__": RayTaskError.__str__,
            "__repr__": lambda self: f"{name}({self.cause!r})",
        },
    )
    _classes[kind] = combined
    return combined


def _reduce(error: RayTaskError) -> tuple[Any, ...]:
    return rebuild, (plain(error),)


def plain(error: RayTaskError) -> RayTaskError:
    """The ``RayTaskError`` that ``combine`` was given."""
    if type(error) is RayTaskError:
        return error
    fields = error.__dict__
    return RayTaskError(
        fields["function_name"],
        fields["traceback_str"],
        fields["cause"],
        fields["proctitle"],
        fields["pid"],
        fields["ip"],
        fields["actor_repr"],
        fields["_actor_id"],
    )


def rebuild(error: RayTaskError) -> RayTaskError:
    """Called by pickles of combined errors."""
    return combine(error)
