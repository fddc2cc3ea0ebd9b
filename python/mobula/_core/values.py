"""Values on their way between Python objects, inline bytes and blocks of the arena.

Owns the limit between small and large, and the shape in which a value is known here until it is loaded: `Raw`. It refuses
to unpickle: serialization.py does.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

from mobula._core.arena import Arena
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


def inline(serialized: Serialized) -> pb.Value:
    """A small value as a message."""
    value = pb.Value(data=serialized.to_bytes(), metadata=serialized.metadata)
    if serialized.contained:
        value.contained = b"".join(serialized.contained)
    return value


def store(
    serialized: Serialized,
    arena: Arena | None,
    allocate: Callable[[int], pb.Block],
    discard: Callable[[int], None],
) -> pb.Value:
    """A value as a message: inline when it is small, else written to a block of the arena.

    Raises ObjectStoreFullError or OutOfDiskError when there is no room.
    """
    size = serialized.size
    if size <= INLINE_BYTES:
        return inline(serialized)
    if arena is None:
        raise RaySystemError("this process has no object store memory")
    block = allocate(size)
    try:
        serialized.write_into(arena.writable(block.offset, size))
    except BaseException:
        discard(block.id)
        raise
    return pb.Value(
        metadata=serialized.metadata,
        block=pb.Block(id=block.id, offset=block.offset, size=size),
        contained=b"".join(serialized.contained),
    )


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
