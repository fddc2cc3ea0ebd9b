"""What has to hold after an interrupt, for a process that is attached to a FakeCore."""

from __future__ import annotations

import gc
import threading
from collections.abc import Callable

from core_kit import inline
from fake_core import FakeCore

from mobula._core.process import Process
from mobula.object_ref import ObjectRef


def known(core: FakeCore) -> bytes:
    """The id of an object that is there, and that nobody counts."""
    object_id = b"k" * 28
    with core.lock:
        core.objects[object_id] = inline("known")
    return object_id


def works(core: FakeCore, process: Process) -> Callable[[int], None]:
    """A check that the session works, for this thread and, now and then, for another one."""
    turns = 0

    def check(step: int) -> None:
        nonlocal turns
        assert process.get([ObjectRef._owned(known(core))], 10) == ["known"], step
        turns += 1
        if turns % 4 == 0:
            got: list[object] = []
            other = threading.Thread(target=lambda: got.extend(process.get([ObjectRef._owned(known(core))], 10)))
            other.start()
            other.join(60)
            assert got == ["known"], step
        with core.lock:
            assert core.applied == len(core.history)
            assert not core.waiting

    return check


def nothing_left(core: FakeCore) -> None:
    """Whatever is still queued comes to the core, and leaves no handle, pin or block there that nobody has."""
    gc.collect()  # an exception and the frame that holds it are a cycle
    try:
        core.until(
            lambda: not +core.refs and not +core.handles and not +core.pins and not core.writing and not core.parked,
            20,
        )
    except AssertionError:
        raise AssertionError((+core.refs, +core.handles, +core.pins, core.writing, core.parked)) from None
    assert not -core.pins
    # What tests make an owned handle of without telling the core has an id of one byte, many times.
    below = {one.hex(): n for one, n in (-core.refs).items() if one != one[:1] * 28}
    assert not below, (below, [one for one in core.history if any(bytes.fromhex(b)[:24] in one.SerializeToString() for b in below)])
    assert not -core.handles
