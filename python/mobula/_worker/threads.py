"""Threads of a threaded actor: one lane each, opened when the core asks for it, and closed when it says so.

The threads are daemons: the process leaves by `exiting.leave`, which waits for running methods where it should.
"""

from __future__ import annotations

import sys
import threading
import traceback

from mobula._core.pb import boundary_pb2 as pb
from mobula._worker import exiting
from mobula._worker.executor import Executor
from mobula._worker.worker import Worker


class Threads:
    """Starts the threads of a worker's groups."""

    def __init__(self, worker: Worker) -> None:
        self._worker = worker
        self._served: set[str] = set()  # the groups that have a thread: the core lets each keep some
        self._told = False

    def open(self, opening: pb.OpenLane) -> bool:
        """Start the thread that answers `opening`; it ends with its lane. False where this process may have no more threads
        now: methods then run on those that there are, fewer at a time.

        Raises RuntimeError when the group has none: nobody would ever run its methods.
        """
        group = opening.concurrency_group
        name = f"mobula-{group or 'default'}-{opening.opening}"
        try:
            threading.Thread(target=_serve, args=(self._worker, opening), name=name, daemon=True).start()
        except RuntimeError as error:
            if group not in self._served:
                raise RuntimeError(f"no thread can be started for the methods of this actor ({error}); {_HOW}") from error
            if not self._told:
                self._told = True
                print(f"mobula: fewer methods run at a time than this actor may run ({error}); {_HOW}", file=sys.stderr)
            return False
        self._served.add(group)
        return True


_HOW = "raise the limit of threads (ulimit -u, or pids.max of the cgroup), or lower max_concurrency"


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
