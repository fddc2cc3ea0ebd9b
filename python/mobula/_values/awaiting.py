"""``await ref``: the value of a ref in asyncio code. Apart from ``object_ref``, because importing asyncio is not cheap."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from mobula._core import process
from mobula.serialization import deserialize

if TYPE_CHECKING:
    import concurrent.futures

    from mobula.object_ref import ObjectRef


async def value_of(ref: ObjectRef[Any]) -> Any:
    """The value, or its error raised. Canceling the waiter gives up waiting and does not touch the task.

    The bytes come by the helper thread; they are loaded here, in the loop's thread, as user code runs while a pickle
    is loaded and the helper thread has to stay free for everybody.
    """
    known = ref._value
    if known is not None:
        is_error, value = deserialize(*known, ref.binary())
    else:
        here = process.require()
        raw = here.raw_future(ref)
        try:
            result = await asyncio.wrap_future(raw)
        except asyncio.CancelledError:
            # wrap_future has canceled `raw` as well. Where the answer was faster, somebody has to take it: a block of
            # shared memory stays pinned for this process until it was loaded and let go.
            raw.add_done_callback(lambda done: _let_go(here, done))
            raise
        is_error, value = deserialize(*result, ref.binary()) if type(result) is tuple else here.load(result)
    if is_error:
        raise value
    return value


def _let_go(here: Any, done: concurrent.futures.Future[Any]) -> None:
    if done.cancelled() or done.exception() is not None:
        return
    result = done.result()
    if type(result) is not tuple:
        here.load(result)
