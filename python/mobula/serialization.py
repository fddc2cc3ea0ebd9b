"""Values to bytes and back, in Ray's format: what is written here a Ray worker can read, and the other way round.

``serialize`` and ``deserialize`` are the two functions of every call's hot path; a small plain value takes about a
microsecond each way. ``error_value`` and ``task_cancelled_value`` write errors, which ``deserialize`` turns back into
the exceptions of ``mobula.exceptions``. The layout is described in ``docs/values.md``; the pieces are in ``_values``.

This module knows nothing of sessions, lanes or shared memory: it gives and takes bytes.
"""

from __future__ import annotations

import os
import traceback
from collections.abc import Callable
from pickle import PickleBuffer
from typing import Any, Final

from mobula._values import contained, header, packing, pickling, section
from mobula._values.contained import Found

RAW: Final = b"RAW"
XLANG: Final = b"XLANG"
PYTHON: Final = b"PYTHON"
ACTOR_HANDLE: Final = b"ACTOR_HANDLE"

_HEADER_BYTES: Final = header.HEADER_BYTES
#: Copies into shared memory go in steps, between which other threads may run: 4 MiB take under half a millisecond.
_STEP: Final = 4 << 20


class Serialized:
    """A value ready to be sent or stored; immutable. Keep it until whatever carries it is on the wire.

    Buffers (of numpy arrays and the like) are referred to, not copied: change them between ``serialize`` and
    ``to_bytes``/``write_into`` and the change is what gets written.
    """

    __slots__ = ("_holders", "_parts", "contained", "metadata", "size")

    #: What the bytes are: ``RAW``, ``XLANG``, ``PYTHON`` or the number of an error.
    metadata: bytes
    #: Length of the data in bytes.
    size: int
    #: Ids of the objects referred to inside, each once, in the order they were met. Actor handles by their object id.
    contained: list[bytes]

    def __init__(self, metadata: bytes, parts: list[section.Part], size: int, found: Found | None = None) -> None:
        self.metadata = metadata
        self.size = size
        self._parts = parts
        if found is None:
            self.contained = []
        else:
            self.contained = list(found.ids)
            self._holders = found.holders

    def to_bytes(self) -> bytes:
        """The data in one piece."""
        parts = self._parts
        if len(parts) == 1 and type(parts[0]) is bytes:
            return parts[0]
        return b"".join(parts)

    def write_into(self, target: memoryview) -> None:
        """Write the data to the start of ``target``, which must be writable, hold ``size`` bytes and start at a
        multiple of 64; every byte up to ``size`` is written, gaps as zeros."""
        place = 0
        for part in self._parts:
            view = memoryview(part)
            length = view.nbytes
            for start in range(0, length, _STEP):
                end = min(start + _STEP, length)
                target[place + start : place + end] = view[start:end]
            place += length

    def write_to(self, fd: int, offset: int) -> None:
        """Write the data into a file from ``offset`` on: for a process that may not map it. Raises OSError."""
        for part in self._parts:
            view = memoryview(part)
            done = 0
            while done < view.nbytes:
                done += os.pwrite(fd, view[done : done + _STEP], offset + done)
            offset += done

    def __repr__(self) -> str:
        return f"Serialized({self.metadata.decode()}, {self.size} bytes, {len(self.contained)} contained)"


_NONE: Final = Serialized(XLANG, [header.encode(1) + b"\xc0"], 10)


def serialize(value: Any) -> Serialized:
    """The encoded form of any picklable value.

    Bytes are taken as they are; None, bool, int, float, str, list and dict go as msgpack; everything else goes through
    cloudpickle, with large buffers (numpy arrays) left out of the pickle and in their place. Raises ``TypeError`` for
    what cannot be pickled, and lets through what a user's own ``__reduce__`` raises.

    >>> deserialize(serialize([1, "two"]).to_bytes(), b"XLANG")
    (False, [1, 'two'])
    """
    if value is None:
        return _NONE
    kind = type(value)
    if kind is bytes:
        return Serialized(RAW, [value], len(value))
    if kind is bytearray:
        # Ray gives bytes back for this and for a view; the pickle keeps the type, and Ray can read it.
        from mobula._values.views import Whole

        return _python(packing.ONE_OBJECT, [Whole(bytearray, value)])
    if kind is memoryview:
        return _python(packing.ONE_OBJECT, [value])
    body, objects = packing.pack(value)
    if objects:
        return _python(body, objects)
    size = len(body)
    if size < 4096:
        return Serialized(XLANG, [header.encode(size) + body], size + _HEADER_BYTES)
    return Serialized(XLANG, [header.encode(size), body], size + _HEADER_BYTES)


def _python(body: bytes, objects: list[Any]) -> Serialized:
    buffers: list[PickleBuffer] = []
    found, outer = contained.begin()
    try:
        pickled = pickling.dumps(objects, buffers.append)
    finally:
        contained.end(outer)
    start = header.encode(len(body)) + body
    parts = section.write(pickled, buffers, len(start))
    parts[0] = start + parts[0]
    if not buffers and len(pickled) < 4096:
        whole = b"".join(parts)
        return Serialized(PYTHON, [whole], len(whole), found)
    return Serialized(PYTHON, parts, section.total(parts), found)


def deserialize(data: bytes | memoryview, metadata: bytes, object_id: bytes | None = None) -> tuple[bool, Any]:
    """``(False, value)``, or ``(True, exception)`` when the data is an error or cannot be loaded.

    The exception is ready to be raised: an error of user code is an instance of both ``RayTaskError`` and the user's
    class, and each call gives a new one. A value whose loading raises gives a ``RaySystemError`` with the text of that
    error; only what is no ``Exception`` (an interrupt) gets through. ``object_id`` is named in errors about lost objects.

    Arrays are read-only views into ``data``, which they keep alive. ``data`` should start at a multiple of 8 (any
    ``bytes`` and any block of shared memory does): buffers are aligned relative to its start.
    """
    try:
        if metadata == XLANG:
            if data[9] == 0xC0 and data[0] == 1:
                return False, None
            end = _HEADER_BYTES + header.decode(data)
            body = data[_HEADER_BYTES:end] if type(data) is bytes else memoryview(data)[_HEADER_BYTES:end]
            return False, packing.unpack(body, [])
        if metadata == RAW:
            return False, data if type(data) is bytes else bytes(data)
        if metadata == PYTHON:
            return False, _load_python(memoryview(data))
        return _load_rare(data, metadata, object_id)
    except Exception as error:  # noqa: BLE001 - user code runs while a pickle is loaded: anything may come
        from mobula.exceptions import RaySystemError

        return True, RaySystemError(error, traceback.format_exc())


def _load_python(data: memoryview) -> Any:
    end = _HEADER_BYTES + header.decode(data)
    pickled, buffers = section.read(data, end)
    return packing.unpack(data[_HEADER_BYTES:end], pickling.loads(pickled, buffers))


def _load_rare(data: bytes | memoryview, metadata: bytes, object_id: bytes | None) -> tuple[bool, Any]:
    first = metadata.split(b",", 1)[0]  # a second field is a debugger's business
    if first != metadata and first in (RAW, XLANG, PYTHON):
        return deserialize(data, first, object_id)
    from mobula._values import errors

    if first == b"ACTOR_HANDLE":  # of a cluster's worker: Ray gives a handle that is all of a value a form of its own
        from mobula.actor_handle import restore_stock

        described = packing.unpack(memoryview(data)[_HEADER_BYTES : _HEADER_BYTES + header.decode(data)], [])
        return False, restore_stock(described[:-1], described[-1:] == b"1")
    if first.isdigit():
        return True, errors.load(int(first), data, object_id)
    raise ValueError(f"a value has the metadata {metadata!r}, which nobody here can read")


# ------------------------------------------------------------------------------------------------------ errors


def error_value(
    exception: BaseException,
    *,
    function_name: str,
    title: str | None = None,
    pid: int | None = None,
    ip: str = "127.0.0.1",
    actor_repr: str | None = None,
    actor_id: str | None = None,
    argument_failed: bool = False,
) -> Serialized:
    """The value that every return of a task gets when its code raised ``exception``. Never raises ``Exception``.

    ``title`` is what the first line of the text names, by default ``ray::<function_name>`` (give ``ray::Class.method``
    for a method); ``actor_repr`` and ``actor_id`` (hex) show there too. ``argument_failed``: the exception is that of
    an argument, the function was never entered. The metadata is ``3``, or ``5`` when the cause is a
    ``TaskCancelledError``. An exception that cannot be pickled is replaced by one that has its text.
    """
    from mobula._values import errors

    return errors.write_task_error(
        exception,
        function_name=function_name,
        title=title,
        pid=pid,
        ip=ip,
        actor_repr=actor_repr,
        actor_id=actor_id,
        argument_failed=argument_failed,
    )


def task_cancelled_value(task_id: bytes | None = None, text: str = "") -> Serialized:
    """The value of a canceled task's returns, as a submitter makes it (metadata ``5``).

    ``text`` follows the sentence that names the task.
    """
    from mobula._values import errors

    return errors.write_task_cancelled(task_id, text)


# ------------------------------------------------------------------------------------- references and reductions


def note_contained(object_id: bytes, holder: Any = None) -> bool:
    """For a ``__reduce__`` of something that refers to an object: the value being serialized contains it.

    ``holder`` is kept alive as long as the ``Serialized``. False when no value is being serialized: then somebody
    pickles by hand, and the referred object has to be kept alive in another way.
    """
    return contained.note(object_id, holder)


def in_serialization() -> bool:
    """True while this thread is inside ``serialize``."""
    return contained.collecting()


def dumps(value: Any) -> bytes:
    """A bare pickle by the same rules, for exports of functions and classes; ObjectRefs in it stay alive for good."""
    return pickling.dumps(value)


def loads(pickled: bytes | memoryview) -> Any:
    """What ``dumps``, or a Ray process, has pickled. Raises whatever loading raises."""
    return pickling.loads(pickled, ())


def register_serializer(cls: type, *, serializer: Callable[[Any], Any], deserializer: Callable[[Any], Any]) -> None:
    """Serialize instances of exactly ``cls`` as ``deserializer(serializer(instance))``, in this process.

    (Ray: ``ray.util.register_serializer``.)
    """
    pickling.register(cls, serializer, deserializer)


def deregister_serializer(cls: type) -> None:
    """Undo ``register_serializer``; nothing happens when there was none."""
    pickling.deregister(cls)
