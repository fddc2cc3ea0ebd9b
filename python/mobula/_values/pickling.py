"""Pickles: cloudpickle's rules at nearly the C pickler's price, and the classes users registered a serializer for.

Ray pickles every value with cloudpickle, so what it does by value (functions and classes of ``__main__``, of local
scopes, of modules registered for it) is done by value here too, in one pass: trying the plain pickler first and
starting over would call a user's ``__reduce__`` twice.

cloudpickle is imported by the first value that needs a pickle: it takes as long as the rest of the package together.
"""

from __future__ import annotations

import copyreg
import io
import pickle
import types
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cloudpickle import Pickler as _CloudPickler

PROTOCOL = 5

#: class -> function that gives the reduction of an instance; see ``register``.
_registered: dict[type, Callable[[Any], Any]] = {}
_pickler_class: type[_CloudPickler] | None = None
#: Of a driver of a cluster: makes the pickler out of ours; reads what the cluster's workers write. See ``stock``.
_derive: Callable[[Any], Any] | None = None
_read: Callable[[Any, Iterable[Any]], Any] | None = None


def register(cls: type, serializer: Callable[[Any], Any], deserializer: Callable[[Any], Any]) -> None:
    """From now on pickle instances of exactly this class as ``deserializer(serializer(instance))``."""
    _registered[cls] = lambda instance: (deserializer, (serializer(instance),))


def deregister(cls: type) -> None:
    """Undo ``register``; nothing happens when there was none."""
    _registered.pop(cls, None)


def dumps(value: Any, buffer_callback: Callable[[pickle.PickleBuffer], Any] | None = None) -> bytes:
    """The pickle of a value. ``TypeError`` for what cannot be pickled, and whatever a user's reduction raises."""
    with io.BytesIO() as target:
        (_pickler_class or _make_pickler_class())(target, protocol=PROTOCOL, buffer_callback=buffer_callback).dump(value)
        return target.getvalue()


def write_with(derive: Callable[[Any], Any] | None, *, read_with: Callable[[Any, Iterable[Any]], Any] | None) -> None:
    """From now on pickles are written by what ``derive`` makes of the pickler here, and read by ``read_with``; None is neither."""
    global _derive, _read, _pickler_class
    _derive, _read, _pickler_class = derive, read_with, None


def _make_pickler_class() -> type[_CloudPickler]:
    global _pickler_class
    import cloudpickle

    from mobula._values.views import reduce_view

    base_override = cloudpickle.Pickler.reducer_override
    base_table = cloudpickle.Pickler._dispatch_table

    class Table(dict[type, Any]):
        # cloudpickle's own table is a ChainMap, whose misses cost a microsecond for each object. copyreg's is asked
        # anew each time because modules imported later add to it.
        def __missing__(self, cls: type) -> Any:
            return copyreg.dispatch_table[cls]

    table = Table(base_table)
    table[types.CodeType] = _with_file_name(table[types.CodeType])
    table[memoryview] = reduce_view

    class ValuePickler(cloudpickle.Pickler):  # type: ignore[misc]
        dispatch_table = table

        def reducer_override(self, item: Any) -> Any:
            kind = type(item)
            if kind is types.FunctionType or issubclass(kind, type):
                return base_override(self, item)
            reduce = _registered.get(kind)
            return NotImplemented if reduce is None else reduce(item)

    _pickler_class = ValuePickler if _derive is None else _derive(ValuePickler)
    return _pickler_class


#: Where ``types.CodeType`` takes the name of the file, in every version of Python that we run on.
_CODE_FILE_NAME = 10


def _with_file_name(reduce: Callable[[types.CodeType], tuple[Any, ...]]) -> Callable[[types.CodeType], tuple[Any, ...]]:
    """cloudpickle's reduction of a code object, with its file's name.

    From 3.1.3 on cloudpickle puts ``<dynamic-code>`` there, so that equal functions give equal pickles wherever they
    were written. A traceback out of a worker then shows neither the user's file nor his line, which Ray's shows.
    """

    def reduce_code(code: types.CodeType) -> tuple[Any, ...]:
        make, arguments = reduce(code)
        return make, (*arguments[:_CODE_FILE_NAME], code.co_filename, *arguments[_CODE_FILE_NAME + 1 :])

    return reduce_code


def loads(pickled: bytes | memoryview, buffers: Iterable[Any]) -> Any:
    """The value of a pickle written here or by Ray."""
    if _read is not None:
        return _read(pickled, buffers)
    try:
        return pickle.loads(pickled, buffers=buffers)
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] != "ray":
            raise
    from mobula._values import aliases

    return aliases.loads(pickled, buffers)
