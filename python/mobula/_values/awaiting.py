"""``await ref``: the value of a ref in asyncio code. Apart from ``object_ref``, because importing asyncio is not cheap."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from mobula._core import process
from mobula.serialization import deserialize

if TYPE_CHECKING:
    from mobula.object_ref import ObjectRef


async def value_of(ref: ObjectRef[Any]) -> Any:
    """The value, or its error raised. Canceling the waiter gives up waiting and does not touch the task.

    The bytes come by the helper thread; they are loaded here, in the loop's thread, as user code runs while a pickle
    is loaded and the helper thread has to stay free for everybody. An answer that comes after the waiter gave up is
    let go with its future: what keeps a block of shared memory is the view in it.
    """
    known = ref._value
    data, metadata = known if known is not None else await asyncio.wrap_future(process.require().raw_future(ref))
    is_error, value = deserialize(data, metadata, ref.binary())
    if not is_error:
        return value
    try:
        raise value
    finally:
        # Without this the error would hold the traceback, the traceback this frame, and the frame the error.
        del value
