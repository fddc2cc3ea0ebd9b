"""Envelopes of the boundary, put together from bytes.

Owns the few field tags of FromShim and Request that the hot path writes itself. A protobuf message may be built by
concatenating encoded fields, so a numbered mutation is two short prefixes in front of bytes that were encoded before any
lock was taken, and a request is never copied through a second message object. test_core_wire.py compares every
function here with the generated code.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

# A resend is cut into messages of about this many bytes, far below any receive limit of the core.
CHUNK_BYTES = 1 << 20

_ONE_BYTE = [bytes((n,)) for n in range(128)]


def varint(number: int) -> bytes:
    """The protobuf varint of a number in 0 … 2**64-1."""
    if number < 128:
        return _ONE_BYTE[number]
    if number < 1 << 14:
        return b"%c%c" % (number & 127 | 128, number >> 7)
    if number < 1 << 21:
        return b"%c%c%c" % (number & 127 | 128, number >> 7 & 127 | 128, number >> 14)
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    out.append(number)
    return bytes(out)


def field(tag: int, payload: bytes) -> bytes:
    """A length-delimited field; `tag` is the tag byte: field number << 3 | 2."""
    return b"%c%b%b" % (tag, varint(len(payload)), payload)


# ---------------------------------------------------------------------------------------------- FromShim


def attach(encoded: bytes) -> bytes:
    """FromShim{attach} of an encoded Attach."""
    return field(0x0A, encoded)


def lane_number(number: int) -> bytes:
    """Attach.lane, to be appended to an encoded Attach."""
    return b"\x50" + varint(number)


def mutation(number: int, encoded: bytes) -> bytes:
    """FromShim fields of one numbered mutation."""
    size = len(encoded)
    if 127 < number < 16384 and 127 < size < 16384:
        return b"\x10%c%c\x1a%c%c%b" % (number & 127 | 128, number >> 7, size & 127 | 128, size >> 7, encoded)
    return b"\x10%b\x1a%b%b" % (varint(number), varint(len(encoded)), encoded)


def mutations(first: int, encoded: Iterable[bytes]) -> bytes:
    """FromShim fields of consecutive mutations, the first of which has the number `first`."""
    parts = [b"\x10", varint(first)]
    for one in encoded:
        parts += (b"\x1a", varint(len(one)), one)
    return b"".join(parts)


def chunks(entries: Sequence[tuple[int, bytes]]) -> list[bytes]:
    """FromShim messages of consecutive (number, encoded mutation) entries, none much longer than CHUNK_BYTES."""
    out: list[bytes] = []
    batch: list[bytes] = []
    first = size = 0
    for number, encoded in entries:
        if not batch:
            first = number
        batch.append(encoded)
        size += len(encoded)
        if size >= CHUNK_BYTES:
            out.append(mutations(first, batch))
            batch, size = [], 0
    if batch:
        out.append(mutations(first, batch))
    return out


def after(number: int) -> bytes:
    """FromShim.after."""
    return b"\x20" + varint(number)


def request(request_id: int, body: bytes) -> bytes:
    """FromShim.request; `body` is the encoded kind: one field of Request's oneof."""
    number = varint(request_id)
    return b"\x2a%b\x08%b%b" % (varint(1 + len(number) + len(body)), number, body)


AHEAD = b"\x40\x01"
"""FromShim.ahead, to be appended to the fields of a submission."""


def done(encoded: bytes) -> bytes:
    """Mutation{done} of an encoded TaskDone."""
    return field(0x52, encoded)


def done_one(task_id: bytes, attempt: int, data: bytes, metadata: bytes) -> bytes:
    """Mutation{done} of a task that returned one inline value without refs; `task_id` has 24 bytes."""
    size = len(data)
    if size < 64 and len(metadata) < 16 and not attempt:
        # Every length is one byte.
        rest = size + len(metadata) + 4
        return b'R%c\n\x18%b"%c\n%c%b\x12%c%b' % (rest + 28, task_id, rest, size, data, len(metadata), metadata)
    value = field(0x0A, data) + field(0x12, metadata)
    number = b"\x10" + varint(attempt) if attempt else b""
    return field(0x52, b"\x0a\x18%b%b%b" % (task_id, number, field(0x22, value)))


def cancel(object_id: bytes, force: bool, recursive: bool) -> bytes:
    """Mutation{cancel}; `object_id` has 28 bytes."""
    body = b"\x0a\x1c" + object_id + (b"\x10\x01" if force else b"") + (b"\x18\x01" if recursive else b"")
    return b"*%c%b" % (len(body), body)


def give_up(lane: int, request_id: int) -> bytes:
    """Mutation{give_up}."""
    body = b"\x08%b\x10%b" % (varint(lane), varint(request_id))
    return b"\xba\x01%b%b" % (varint(len(body)), body)


# ---------------------------------------------------------------------------------------------- Request kinds


def get_body(object_ids: bytes, timeout_ms: int, task_id: bytes, told: bool = False) -> bytes:
    """Request{get}; timeout_ms is -1 for none."""
    limit = b"\x10" + varint(timeout_ms & 0xFFFFFFFFFFFFFFFF)
    return field(0x12, _objects(object_ids) + limit + _task(0x1A, task_id) + (b"\x20\x01" if told else b""))


def wait_body(object_ids: bytes, num_returns: int, timeout_ms: int, task_id: bytes, told: bool = False) -> bytes:
    """Request{wait}; timeout_ms is -1 for none."""
    limits = b"\x10%b\x18%b" % (varint(num_returns), varint(timeout_ms & 0xFFFFFFFFFFFFFFFF))
    return field(0x1A, _objects(object_ids) + limits + _task(0x22, task_id) + (b"\x28\x01" if told else b""))


def allocate_body(size: int) -> bytes:
    """Request{allocate}."""
    return field(0x22, b"\x08" + varint(size))


def abandon_body(request_id: int) -> bytes:
    """Request{abandon}."""
    return field(0x52, b"\x08" + varint(request_id))


SYNC_BODY = b"\x62\x00"


def sync_body(object_ids: bytes) -> bytes:
    """Request{sync} that brings the values of objects where they are errors; `object_ids` has 28 bytes for each."""
    return field(0x62, field(0x0A, object_ids))


def _objects(object_ids: bytes) -> bytes:
    return field(0x0A, object_ids)


def _task(tag: int, task_id: bytes) -> bytes:
    return field(tag, task_id) if task_id else b""
