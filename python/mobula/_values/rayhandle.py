"""Ray's description of an actor (its ActorHandle message), written and read by hand: a dozen fields of one message.

Our own description of the class travels in it under a number that Ray does not use, and that its readers pass over: so whoever
finds the actor by its name, or gets a handle out of a value, knows its methods without loading its class. Ray's own handles name
the class, and `mobula.foreign_actor` reads that.
"""

from __future__ import annotations

from typing import NamedTuple

from mobula._core.wire import varint

#: Of our description; Ray's message ends at 18.
_OURS = 15001


def write(
    *,
    actor_id: bytes,
    caller: bytes,
    owner: bytes,
    job_id: bytes,
    module: str,
    class_name: str,
    function_hash: str,
    cursor: bytes,
    is_async: bool,
    max_task_retries: int,
    name: str,
    namespace: str,
    out_of_order: bool,
    max_pending_calls: int,
    events: bool,
    detached: bool,
    description: bytes,
) -> bytes:
    """The message's bytes."""
    function = b"".join(_text(n, text) for n, text in enumerate((module, class_name, "__init__", function_hash), 1))
    return b"".join(
        (
            _bytes(1, actor_id),
            _bytes(2, caller),
            _bytes(3, owner),
            _bytes(4, job_id),
            _bytes(6, _bytes(2, function)),
            _bytes(7, cursor),
            _bytes(8, b"0" if is_async else b"1"),
            _number(9, max_task_retries),
            _text(10, name),
            _text(11, namespace),
            _number(12, int(out_of_order)),
            _number(13, max_pending_calls),
            _number(14, int(events)),
            _number(17, int(detached)),
            _number(18, -1),
            _bytes(_OURS, description),
        )
    )


class RayHandle(NamedTuple):
    """What a handle says of its actor."""

    actor_id: bytes
    #: Our description of its class: b"" where stock Ray made the handle.
    ours: bytes
    job_id: bytes
    #: "" in a handle of an actor that is not Python's.
    class_name: str
    module: str
    function_hash: str
    max_task_retries: int
    out_of_order: bool
    max_pending_calls: int
    events: bool
    #: Of items of all its generators that are there and not taken; 0 = any number.
    stream_limit: int


def read(message: bytes) -> RayHandle:
    """What the message says. Raises ValueError for what is no handle."""
    fields, numbers = _fields(message)
    function, _ = _fields(_fields(fields.get(6, b""))[0].get(2, b""))
    return RayHandle(
        actor_id=fields.get(1, b""),
        ours=fields.get(_OURS, b""),
        job_id=fields.get(4, b""),
        module=function.get(1, b"").decode(),
        class_name=function.get(2, b"").decode(),
        function_hash=function.get(4, b"").decode(),
        max_task_retries=numbers.get(9, 0),
        out_of_order=bool(numbers.get(12, 0)),
        max_pending_calls=numbers.get(13, 0),
        events=bool(numbers.get(14, 0)),
        stream_limit=max(numbers.get(18, 0), 0),
    )


def ip_address(address: bytes) -> str:
    """What an Address, as references carry it, says of its machine."""
    return _fields(address)[0].get(2, b"").decode()


def _fields(message: bytes) -> tuple[dict[int, bytes], dict[int, int]]:
    """What has a length, and the numbers."""
    fields: dict[int, bytes] = {}
    numbers: dict[int, int] = {}
    at = 0
    while at < len(message):
        tag, at = _read_varint(message, at)
        if tag & 7 == 0:
            value, at = _read_varint(message, at)
            numbers[tag >> 3] = value - (1 << 64) if value >> 63 else value
        elif tag & 7 == 2:
            size, at = _read_varint(message, at)
            fields[tag >> 3] = message[at : at + size]
            at += size
        else:
            raise ValueError("this is no handle of an actor")
    return fields, numbers


def _bytes(number: int, payload: bytes) -> bytes:
    return varint(number << 3 | 2) + varint(len(payload)) + payload if payload else b""


def _text(number: int, text: str) -> bytes:
    return _bytes(number, text.encode())


def _number(number: int, value: int) -> bytes:
    return varint(number << 3) + varint(value & (1 << 64) - 1) if value else b""


def _read_varint(message: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        if at >= len(message) or shift > 63:
            raise ValueError("this is no handle of an actor")
        byte = message[at]
        at += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, at
        shift += 7
