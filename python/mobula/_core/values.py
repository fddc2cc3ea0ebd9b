"""Values on their way between Python objects, inline bytes and blocks of the arena.

Owns the limit between small and large, and the shape in which a value is known here until it is loaded: `Raw`. It refuses
to unpickle: serialization.py does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, TypeAlias

from mobula._core.arena import Arena, Reservation
from mobula._core.pb import boundary_pb2 as pb
from mobula.exceptions import RaySystemError, RayTaskError
from mobula.serialization import Serialized

# Ray's limit (RAY_max_direct_call_object_size): what is not longer travels inside messages.
INLINE_BYTES = 100 * 1024

Inline: TypeAlias = tuple[bytes, bytes]
"""(data, metadata) of a small value: what a ref may keep."""

Raw: TypeAlias = tuple["bytes | memoryview", bytes]
"""(data, metadata); the data of a large value is a view of its block, which stays pinned while the view lives."""


def opened(value: pb.Value, arena: Arena | None) -> Raw:
    """A received value, its block mapped. To be called for every received value, or its pin stays for ever."""
    if not value.HasField("block"):
        return value.data, value.metadata
    if arena is None:
        raise RaySystemError("this process has no object store memory")
    block = value.block
    return arena.view(block.id, block.offset, block.size), value.metadata


def taken(values: Iterable[pb.Value], arena: Arena | None, settle: Callable[[], object]) -> list[Raw]:
    """Received values, their blocks mapped; the pins are the request's until `settle` (Arena.views)."""
    out: list[Raw] = []
    for value in values:
        if value.HasField("block"):
            return _taken_from(values, arena, settle)
        out.append((value.data, value.metadata))
    settle()
    return out


def _taken_from(values: Iterable[pb.Value], arena: Arena | None, settle: Callable[[], object]) -> list[Raw]:
    if arena is None:
        raise RaySystemError("this process has no object store memory")
    blocks = [(value.block.id, value.block.offset, value.block.size) for value in values if value.HasField("block")]
    views = iter(arena.views(blocks, settle))
    return [(next(views) if value.HasField("block") else value.data, value.metadata) for value in values]


def inline(serialized: Serialized) -> pb.Value:
    """A small value as a message."""
    value = pb.Value(data=serialized.to_bytes(), metadata=serialized.metadata)
    if serialized.contained:
        value.contained = b"".join(serialized.contained)
    return value


def store(
    serialized: Serialized,
    arena: Arena | None,
    allocate: Callable[[int], tuple[pb.Block, Reservation]],
) -> tuple[pb.Value, Reservation | None]:
    """A value as a message: inline when it is small, else written to a block of the arena, which goes with the reservation
    unless that is kept.

    Raises ObjectStoreFullError or OutOfDiskError when there is no room, RaySystemError when this process may not write there.
    """
    size = serialized.size
    if size <= INLINE_BYTES:
        return inline(serialized), None
    if arena is None:
        raise RaySystemError("this process has no object store memory")
    block, reservation = allocate(size)
    arena.write(block.offset, serialized)
    value = pb.Value(
        metadata=serialized.metadata,
        block=pb.Block(id=block.id, offset=block.offset, size=size),
        contained=b"".join(serialized.contained),
    )
    return value, reservation


def is_error(value: Inline) -> bool:
    """Whether an inline value is an error: Ray writes the number of the error type where others have a format name."""
    return value[1].isdigit()


def error_of(error: Any) -> BaseException:
    """The exception to raise for what an error value holds: a task's error as an instance of the class of its cause."""
    if isinstance(error, RayTaskError):
        cause: BaseException = error.as_instanceof_cause()
        return cause
    if isinstance(error, BaseException):
        return error
    return RaySystemError(f"an error value holds no exception: {error!r}")


def blocks_of(reply: pb.Reply) -> list[int]:
    """Ids of the blocks that a reply pinned for us, one entry a pin."""
    return [value.block.id for value in reply.get.values if value.HasField("block")]
