"""Threads of a threaded actor: one lane each, opened when the core asks for it, and closed when it says so.

The threads are daemons: the process leaves by `exiting.leave`, which waits for running methods where it should.
"""

from __future__ import annotations

import threading
import traceback

from mobula._core.pb import boundary_pb2 as pb
from mobula._worker import exiting
from mobula._worker.executor import Executor
from mobula._worker.worker import Worker


def open_thread(worker: Worker, opening: pb.OpenLane) -> threading.Thread:
    """Start the thread that answers `opening`; it ends with its lane."""
    name = f"mobula-{opening.concurrency_group or 'default'}-{opening.opening}"
    thread = threading.Thread(target=_serve, args=(worker, opening), name=name, daemon=True)
    thread.start()
    return thread


def _serve(worker: Worker, opening: pb.OpenLane) -> None:
    try:
        lane = worker.process.open_executor_lane(group=opening.concurrency_group, opening=opening.opening)
        executor = Executor(worker, lane)
        farewell = executor.serve()
    except exiting.LANE_LOST:
        return  # the lane is gone; whether the core is too is for the helper thread and the main lane to say
    except BaseException:  # noqa: BLE001
        # The shim failed, not user code: its method would never be answered.
        traceback.print_exc()
        exiting.leave_at_once(exiting.EXIT_FAULT)
    if farewell.lane:
        return  # the thread is not needed; its lane is closed when what it carried has arrived
    exiting.obey(farewell, worker)
