"""The arguments of a call, encoded as TaskSpec.args.

Owns what becomes of one argument: a top-level ObjectRef travels as a ref, a value of up to 100 KiB inline, a larger one is
put first and travels as a ref to that. Encoded fields are concatenated by hand, because this is the hot path of every call;
test_api_arguments.py compares them with the generated code.
"""

from __future__ import annotations

import pickle
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from mobula._core.wire import field, varint
from mobula.object_ref import ObjectRef
from mobula.serialization import Serialized, serialize

if TYPE_CHECKING:
    from mobula._core.process import Process

INLINE_BYTES = 100 * 1024  # Ray's limit


def encode(process: Process, args: Sequence[Any], kwargs: dict[str, Any], name: str) -> tuple[bytes, list[Any]]:
    """TaskSpec.args fields, and what must stay alive until they are on the wire.

    Raises TypeError when a value cannot be pickled; nothing was submitted then.
    """
    parts: list[bytes] = []
    keep: list[Any] = []
    for index, value in enumerate(args):
        parts.append(field(0x3A, _encode(process, value, name, index, keep)))
    for keyword, value in kwargs.items():
        body = _encode(process, value, name, keyword, keep)
        parts.append(field(0x3A, body + field(0x1A, keyword.encode()) + b"\x20\x01"))
    return b"".join(parts), keep


def _encode(process: Process, value: Any, name: str, place: int | str, keep: list[Any]) -> bytes:
    if type(value) is ObjectRef:
        return b"\x12\x1c" + value._id
    try:
        serialized = serialize(value)
    except (TypeError, pickle.PicklingError) as error:
        raise TypeError(unpicklable("argument", place, value, name, error)) from error
    if serialized.size > INLINE_BYTES:
        ref = process_put(process, serialized)
        keep.append(ref)
        return b"\x12\x1c" + ref._id
    if serialized.contained:
        keep.append(serialized)
        contained = field(0x22, b"".join(serialized.contained))
    else:
        contained = b""
    data = serialized.to_bytes()
    metadata = serialized.metadata
    inner = b"\x0a%b%b\x12%c%b%b" % (varint(len(data)), data, len(metadata), metadata, contained)
    return field(0x0A, inner)


def process_put(process: Process, serialized: Serialized) -> ObjectRef[Any]:
    """Puts a value that is serialized already."""
    object_id = process.next_put_id()
    ref = ObjectRef._called(object_id)
    ref._value = process.put(serialized, object_id)  # a small one need not be asked for
    ref._counted()
    return ref


def unpicklable(what: str, place: int | str, value: Any, name: str, error: Exception) -> str:
    """The sentence for a value that cannot be pickled; `place` is the argument's keyword or number, "" where there is none."""
    where = f"{what} {place!r}" if place != "" else what
    kind = f"{type(value).__module__}.{type(value).__qualname__}".removeprefix("builtins.")
    return (
        f"Could not serialize the {where} of {name}, a {kind}: {error}. "
        "Pass what can be pickled, or make the object inside the task"
    )
