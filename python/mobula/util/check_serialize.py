"""`inspect_serializability`: which part of an object cannot be pickled.

Owns the search: it follows what a pickle would follow (closures, used globals, attributes, members of classes, items) as deep
as asked, and tries each part alone. It changes nothing.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterator
from typing import Any

from mobula.serialization import serialize

__all__ = ["FailureTuple", "inspect_serializability"]


class FailureTuple:
    """A part that cannot be pickled: `obj`, its `name`, and the `parent` that holds it."""

    __slots__ = ("name", "obj", "parent")

    def __init__(self, obj: Any, name: str, parent: Any) -> None:
        self.obj = obj
        self.name = name
        self.parent = parent

    def __repr__(self) -> str:
        return f"FailTuple({self.name} [obj={self.obj!r}, parent={self.parent!r}])"


def inspect_serializability(
    base_obj: Any, name: str | None = None, depth: int = 3, print_file: Any = None
) -> tuple[bool, set[FailureTuple]]:
    """Whether an object can be pickled; where not, its smallest parts found that cannot. Prints what it looks at.

    `depth` is how many steps it follows; `print_file` takes the text instead of stdout. Parts that are fine alone and not
    together are given as the whole that holds them.

    >>> import io, threading
    >>> ok, failures = inspect_serializability({"guard": threading.Lock()}, print_file=io.StringIO())
    >>> ok, [one.name for one in failures]
    (False, ["['guard']"])
    """
    out = print_file if print_file is not None else sys.stdout
    label = name or str(base_obj)
    print(f"Can {label} be serialized?", file=out)
    failures: dict[int, FailureTuple] = {}
    ok = _inspect(base_obj, label, base_obj, depth, 1, failures, set(), out)
    if ok:
        print("Yes.", file=out)
    else:
        print("No. What cannot be serialized:", file=out)
        for one in failures.values():
            print(f"  {one.name}: {one.obj!r}, in {one.parent!r}", file=out)
        print("Leave it out, make it where it is used, or give its class __reduce__ or register_serializer().", file=out)
    return ok, set(failures.values())


def _inspect(
    obj: Any, name: str, parent: Any, depth: int, level: int, failures: dict[int, FailureTuple], seen: set[int], out: Any
) -> bool:
    """Whether this part is fine; else adds it, or the parts of it that are to blame."""
    try:
        serialize(obj)
    except Exception as error:  # noqa: BLE001 - __reduce__ may raise anything, and that is the question
        print(f"{'  ' * level}{name}: {type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}", file=out)
    else:
        return True
    if id(obj) in seen:
        return False
    seen.add(id(obj))
    before = len(failures)
    if depth > 0:
        for part_name, part in _parts(obj):
            _inspect(part, part_name, obj, depth - 1, level + 1, failures, seen, out)
    if len(failures) == before:
        failures[id(obj)] = FailureTuple(obj, name, parent)
    return False


def _parts(obj: Any) -> Iterator[tuple[str, Any]]:
    """What a pickle of this object would hold, by name."""
    if inspect.ismethod(obj):
        yield "__self__", obj.__self__
        yield "__func__", obj.__func__
    elif inspect.isfunction(obj):
        found = inspect.getclosurevars(obj)
        yield from found.nonlocals.items()
        yield from found.globals.items()
    elif isinstance(obj, dict):
        for key, value in obj.items():
            yield f"key {key!r}", key
            yield f"[{key!r}]", value
    elif isinstance(obj, (list, tuple, set, frozenset)):
        for index, value in enumerate(obj):
            yield f"[{index}]", value
    elif inspect.isclass(obj):
        for key, value in vars(obj).items():
            if not key.startswith("__") or inspect.isfunction(value):
                yield key, value.__func__ if isinstance(value, (staticmethod, classmethod)) else value
    else:
        yield from getattr(obj, "__dict__", {}).items()
        for cls in type(obj).__mro__:
            slots = vars(cls).get("__slots__", ())
            for slot in (slots,) if isinstance(slots, str) else slots:
                if hasattr(obj, slot) and slot not in ("__dict__", "__weakref__"):
                    yield slot, getattr(obj, slot)
