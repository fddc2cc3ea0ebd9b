"""How the parts of a worker are put together. Decides one thing: which kind of lane answers an opening."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from mobula._core.pb import boundary_pb2 as pb
from mobula._worker.executor import Executor
from mobula._worker.interrupts import Interrupts
from mobula._worker.threads import Threads
from mobula._worker.worker import Attachment, Worker

if TYPE_CHECKING:
    from mobula._worker.loop import Loops


def prepare(process: Attachment, ticket_fd: int, interrupts: Interrupts) -> tuple[Worker, Executor]:
    """Open the first executor lane and wire what serves it."""
    worker = Worker(process, ticket_fd, process.page)
    threads = Threads(worker)

    @cache
    def loops() -> Loops:
        from mobula._worker.loop import Loops  # asyncio takes a tenth of a worker's start, and most workers never need it

        return Loops(worker)

    def open_lane(opening: pb.OpenLane) -> bool:
        if worker.actor is not None and worker.actor.is_async:
            loops().of(opening.concurrency_group).attach(opening)
            return True
        return threads.open(opening)

    worker.open_lane = open_lane
    worker.construct_async = lambda run, context: loops().of("").construct(run, context)
    lane = process.open_executor_lane()
    interrupts.watch(process.page, lane.slot, process.ask_canceled)
    interrupts.wake = process.wake_helper
    process.tick_hooks.append(interrupts.tick)
    return worker, Executor(worker, lane, interrupts)
