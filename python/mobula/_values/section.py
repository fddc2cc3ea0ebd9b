"""The pickle section: the pickled list, a description of its buffers, and the buffers themselves.

    int64 length of the pickle | int64 length of the description | pickle | PythonObject protobuf | padding | buffers

The buffers start at the next multiple of 64 *of the memory address*. Both ends therefore have to agree on where the
whole value starts modulo 64: it is a multiple of 64 everywhere (arena blocks are page-aligned, Ray's allocations are
64-aligned, and a value that travels inline counts from its own first byte), so offsets within the value decide here.
"""

from __future__ import annotations

import struct
from pickle import PickleBuffer
from typing import Any, Final

#: Alignment of the buffers part and of its buffers from _LARGE bytes on; smaller ones get _MINOR.
_MAJOR: Final = 64
_MINOR: Final = 8
_LARGE: Final = 2048

_LENGTHS: Final = struct.Struct("<qq")
#: Formats a memoryview can be cast to; others are handed over as bytes.
_CASTABLE: Final = frozenset("bBhHiIlLqQfd?nN")

#: Something that ``bytes.join`` and slice assignment accept.
Part = bytes | memoryview


def write(pickled: bytes, buffers: list[PickleBuffer], offset: int) -> list[Part]:
    """The section that starts ``offset`` bytes after the value's first byte, in parts to be written one after another."""
    if not buffers:
        # The description of no buffers holds one field, so it needs no protobuf library.
        described = b"\x08" + _varint(len(pickled))
        return [_LENGTHS.pack(len(pickled), len(described)), pickled, described]
    described, places, raw_size = _describe(len(pickled), buffers)
    parts: list[Part] = [_LENGTHS.pack(len(pickled), len(described)), pickled, described]
    if raw_size:
        end = offset + _LENGTHS.size + len(pickled) + len(described)
        start = _align(end, _MAJOR)
        # Ray reserves 64 bytes for the padding whatever it turns out to be; what is not used of them goes to the end.
        limit = end + _MAJOR + raw_size
        for (place, length), buffer in zip(places, buffers, strict=True):
            if length:
                parts.append(bytes(start + place - end))
                parts.append(buffer.raw())
                end = start + place + length
        parts.append(bytes(limit - end))
    return parts


def read(data: memoryview, offset: int) -> tuple[memoryview, list[memoryview]]:
    """The pickle and its buffers, as read-only views into ``data``; ``ValueError`` when the section is cut short."""
    pickle_length, described_length = _LENGTHS.unpack_from(data, offset)
    start = offset + _LENGTHS.size
    end = start + pickle_length + described_length
    if pickle_length < 0 or described_length < 0 or end > len(data):
        raise ValueError("a pickle section is longer than the value it is in")
    pickled = data[start : start + pickle_length]
    if described_length == 1 + _varint_length(pickle_length):
        return pickled, []
    return pickled, _views(data, bytes(data[start + pickle_length : end]), end)


def _views(data: memoryview, described: bytes, end: int) -> list[memoryview]:
    from mobula._core.pb import rayvalue_pb2

    description = rayvalue_pb2.PythonObject.FromString(described)
    if not data.readonly:
        data = data.toreadonly()
    first = _align(end, _MAJOR) if description.raw_buffers_size else end
    views = []
    for buffer in description.buffer:
        start = first + buffer.address
        if start + buffer.length > len(data):
            raise ValueError("a buffer of a pickle lies outside the value it is in")
        view = data[start : start + buffer.length]
        views.append(_typed(view, buffer))
    return views


def _describe(pickle_length: int, buffers: list[PickleBuffer]) -> tuple[bytes, list[tuple[int, int]], int]:
    from mobula._core.pb import rayvalue_pb2

    description = rayvalue_pb2.PythonObject(inband_data_size=pickle_length)
    places: list[tuple[int, int]] = []
    place = 0
    for buffer in buffers:
        with memoryview(buffer) as view:
            length = view.nbytes
            place = _align(place, _MAJOR if length >= _LARGE else _MINOR)
            description.buffer.add(
                address=place,
                length=length,
                itemsize=view.itemsize,
                ndim=view.ndim,
                readonly=True,  # as Ray writes it, whatever the buffer was: what is stored is never changed
                format=view.format,
                shape=view.shape,
                strides=view.strides,
            )
        places.append((place, length))
        place += length
    description.raw_buffers_size = place
    return description.SerializeToString(), places, place


def _typed(view: memoryview, buffer: Any) -> memoryview:
    """The bytes with the item type and shape they had: whoever asked for the buffer in a reduction may count on them."""
    if not buffer.length or buffer.format not in _CASTABLE:
        return view
    if buffer.ndim > 1 and _is_row_major(buffer):
        return view.cast(buffer.format, tuple(buffer.shape))
    return view if buffer.format == "B" else view.cast(buffer.format)


def _is_row_major(buffer: Any) -> bool:
    step = buffer.itemsize
    for size, stride in zip(reversed(buffer.shape), reversed(buffer.strides), strict=True):
        if stride != step:
            return False
        step *= size
    return bool(step == buffer.length)


def _align(number: int, step: int) -> int:
    return -(-number // step) * step


def _varint_length(number: int) -> int:
    return max(1, -(-number.bit_length() // 7))


def _varint(number: int) -> bytes:
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def total(parts: list[Any]) -> int:
    """Length of the parts together, in bytes."""
    return sum(part.nbytes if type(part) is memoryview else len(part) for part in parts)
