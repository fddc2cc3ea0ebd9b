"""What all lanes of one worker share: the attached process, loaded code, the actor, the threads and loops.

The protocols name everything this package needs of `_core`, so its tests run against stand-ins of the same shape.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from mobula._core.context import TaskContext
from mobula._core.pb import boundary_pb2 as pb
from mobula._core.runs import Run
from mobula._worker.actor import Actor
from mobula._worker.environment import Environment
from mobula._worker.functions import FunctionTable


class Lane(Protocol):
    """An executor lane, bound to the thread that opened it."""

    slot: int
    runs: deque[Run]
    cancels: deque[pb.CancelRun]
    openings: deque[pb.OpenLane]
    exit: pb.Exit | None

    def fileno(self) -> int: ...
    def wait(self, timeout: float | None = None) -> bool: ...
    def poll(self) -> None: ...
    def send_dropped(self, generation: int) -> None: ...
    def catch_up(self) -> None: ...


class Attachment(Protocol):
    """This process as the core knows it."""

    job_id: bytes

    @property
    def page(self) -> Sequence[int] | None: ...
    @property
    def tick_hooks(self) -> list[Callable[[], object]]: ...
    def wake_helper(self) -> None: ...
    def ask_canceled(self, task_id: bytes) -> bool: ...
    def open_executor_lane(self, group: str = "", opening: int = 0, event_loop: bool = False) -> Lane: ...
    def finish(self, lane: Any, reports: Sequence[pb.TaskDone | bytes]) -> None: ...
    def load_args(self, spec: pb.TaskSpec) -> tuple[list[Any], dict[str, Any]]: ...
    def drop_args(self, spec: pb.TaskSpec) -> None: ...
    def store(self, serialized: Any) -> pb.Value: ...
    def kv_get(self, namespace: str, key: bytes) -> bytes | None: ...
    def request(self, request: pb.Request) -> pb.Reply: ...
    def close(self) -> None: ...


class Worker:
    """The state of this worker process that belongs to no lane."""

    def __init__(self, process: Attachment, ticket_fd: int, page: Sequence[int] | None) -> None:
        self.process = process
        self.ticket_fd = ticket_fd
        self.page = page
        self._words: dict[int, Sequence[int] | None] = {}  # views of one word each
        self.functions = FunctionTable(process)
        self.environment = Environment()
        self.actor: Actor | None = None
        #: False: not now, it is to be asked again later.
        self.open_lane: Callable[[pb.OpenLane], bool] = _no_lanes
        self.construct_async: Callable[[Run, TaskContext], pb.TaskDone | bytes | None] | None = None

    def instance(self) -> Any:
        """The user's object, once its constructor has returned."""
        return None if self.actor is None else self.actor.instance

    def is_canceled(self, slot: int, epoch: int) -> bool:
        """Whether this run is canceled, as far as the shared words tell."""
        return self.page is not None and self.page[slot] == epoch << 1 | 1

    def ask_canceled(self, run: Run, slot: int) -> bool:
        """Whether this run is canceled: by the shared word, or where there is none by asking the core."""
        if self.page is None:
            return bool(self.process.ask_canceled(run.task_id))
        return self.is_canceled(slot, run.epoch)

    def task_context(self, run: Run, slot: int, resources: Mapping[str, float], function_name: str = "") -> TaskContext:
        """What the runtime context says while this run is the current task."""
        shape, actor = run.shape, self.actor
        actor_id, is_async = (None, False) if actor is None else (actor.actor_id, actor.is_async)
        try:
            word = self._words[slot]
        except KeyError:
            word = self._words[slot] = None if self.page is None else self.page[slot : slot + 1]
        # In the order of TaskContext's parameters: naming them costs as much as the rest of the call.
        return TaskContext(
            run.task_id,
            shape.name,
            actor_id,
            run.attempt,
            slot,
            run.epoch,
            is_async,
            function_name,
            self.process.job_id,
            resources,
            shape.placement if actor is None else actor.placement,
            None if is_async else word,
        )


def _no_lanes(opening: pb.OpenLane) -> bool:
    raise RuntimeError(f"the core asked for a lane of group {opening.concurrency_group!r} from a worker that holds no actor")
