"""What the state API lists: one class a kind, with Ray's field names where Ray has them.

Owns the translation of the core's answers into rows. Ids are hexadecimal, sizes bytes, times milliseconds since 1970.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from mobula.placement_group import STATES as GROUP_STATES
from mobula.placement_group import STRATEGIES
from mobula.resources import NODE_ADDRESS

if TYPE_CHECKING:
    from mobula._core.pb import boundary_pb2 as pb

__all__ = ["ActorState", "JobState", "NodeState", "ObjectState", "PlacementGroupState", "TaskState", "WorkerState"]

TYPES = ("NORMAL_TASK", "ACTOR_CREATION_TASK", "ACTOR_TASK")
# Ray's names; RUNNING_IN_RAY_GET and _WAIT are one here, since the core does not tell them apart.
STAGES = (
    "PENDING_ARGS_AVAIL",
    "PENDING_NODE_ASSIGNMENT",
    "PENDING_ACTOR_TASK_ORDERING_OR_CONCURRENCY",
    "SUBMITTED_TO_WORKER",
    "RUNNING",
    "RUNNING_IN_RAY_GET",
)
ACTOR_STATES = {"pending": "PENDING_CREATION", "alive": "ALIVE", "restarting": "RESTARTING", "dead": "DEAD"}


class Row:
    """A row: its fields are attributes, and keys too, as in Ray."""

    def __getitem__(self, name: str) -> Any:
        try:
            return getattr(self, name)
        except AttributeError:
            raise KeyError(name) from None

    def get(self, name: str, default: Any = None) -> Any:
        """The field's value, or `default` where there is no such field."""
        return getattr(self, name, default)

    def asdict(self) -> dict[str, Any]:
        """The row as a dict."""
        return dataclasses.asdict(self)  # type: ignore[call-overload,no-any-return]  # every subclass is a dataclass


@dataclasses.dataclass(frozen=True)
class TaskState(Row):
    """A task: pending, running, or ended (of those the core remembers the last 100,000 attempts)."""

    task_id: str
    name: str
    state: str
    type: str
    attempt_number: int = 0
    actor_id: str | None = None
    parent_task_id: str | None = None
    worker_id: str | None = None
    worker_pid: int | None = None
    required_resources: dict[str, float] = dataclasses.field(default_factory=dict)
    running_ms: int | None = None
    start_time_ms: int | None = None
    end_time_ms: int | None = None
    error_type: str | None = None
    error_message: str | None = None
    is_canceled: bool = False

    @property
    def func_or_class_name(self) -> str:
        """Ray's other name of the name."""
        return self.name


@dataclasses.dataclass(frozen=True)
class ActorState(Row):
    """An actor, also a dead one for as long as somebody may ask for it."""

    actor_id: str
    class_name: str
    state: str
    name: str
    ray_namespace: str
    pid: int | None
    worker_id: str | None
    num_restarts: int
    is_detached: bool
    required_resources: dict[str, float]


@dataclasses.dataclass(frozen=True)
class ObjectState(Row):
    """An object that somebody refers to, or that is still to be made."""

    object_id: str
    object_size: int
    task_status: str  # FINISHED when the object is there
    is_error: bool
    in_shared_memory: bool
    owner_worker_id: str
    local_refs: int  # handles in the owner
    borrowers: int  # other processes that have handles
    used_by_tasks: int  # tasks in flight that need it
    contained_in: int  # other objects that hold a ref of it


@dataclasses.dataclass(frozen=True)
class WorkerState(Row):
    """A worker process."""

    worker_id: str
    pid: int
    state: str  # STARTING, IDLE, BUSY, BLOCKED in get or wait, LEAVING
    name: str  # what its lines are printed under
    actor_id: str | None
    resources: dict[str, float]
    running_tasks: list[str]
    worker_type: str = "WORKER"
    is_alive: bool = True


@dataclasses.dataclass(frozen=True)
class NodeState(Row):
    """The machine."""

    node_id: str
    node_ip: str
    state: str
    is_head_node: bool
    node_name: str
    resources_total: dict[str, float]
    labels: dict[str, str]


@dataclasses.dataclass(frozen=True)
class JobState(Row):
    """A driver of a session: the one that began it, or one that has joined. It runs: what has ended is not remembered."""

    job_id: str
    type: str = "DRIVER"
    status: str = "RUNNING"
    submission_id: str | None = None  # of programs that were handed to a cluster


@dataclasses.dataclass(frozen=True)
class PlacementGroupState(Row):
    """A placement group; of those that were removed, the last thousand are remembered."""

    placement_group_id: str
    name: str
    state: str  # PENDING, CREATED, REMOVED
    strategy: str
    ray_namespace: str
    bundles: list[dict[str, float]]
    is_detached: bool
    is_infeasible: bool  # the machine can never hold it
    creation_ms: float | None  # how long it took to make


def of_task(one: pb.TaskState) -> TaskState:
    """The row of a task without an outcome."""
    return TaskState(
        task_id=one.task_id.hex(),
        name=one.name,
        state=STAGES[one.stage],
        type=TYPES[one.type],
        attempt_number=one.attempt,
        actor_id=one.actor_id.hex() or None,
        parent_task_id=one.parent_id.hex(),
        worker_id=one.worker_id.hex() or None,
        worker_pid=one.pid or None,
        required_resources=dict(one.resources),
        running_ms=one.running_ms or None,
        is_canceled=one.canceled,
    )


def of_attempt(event: pb.TaskEvent) -> TaskState:
    """The row of an attempt that has ended."""
    from mobula._core.pb import boundary_pb2 as pb

    failed = event.end != pb.TASK_END_FINISHED
    return TaskState(
        task_id=event.task_id.hex(),
        name=event.name,
        state="FAILED" if failed else "FINISHED",
        type=TYPES[event.type],
        attempt_number=event.attempt,
        worker_id=event.worker_id.hex(),
        worker_pid=event.pid,
        start_time_ms=event.started_ns // 1_000_000,
        end_time_ms=event.ended_ns // 1_000_000,
        error_type=pb.TaskEnd.Name(event.end).removeprefix("TASK_END_") if failed else None,
        error_message=event.error_text or None,
        is_canceled=event.end == pb.TASK_END_CANCELED,
    )


def of_actor(one: pb.ActorState) -> ActorState:
    """The row of an actor."""
    return ActorState(
        actor_id=one.actor_id.hex(),
        class_name=one.class_name,
        state=ACTOR_STATES[one.state],
        name=one.name,
        ray_namespace=one.namespace,
        pid=one.pid or None,
        worker_id=one.worker_id.hex() or None,
        num_restarts=one.restarts,
        is_detached=one.detached,
        required_resources=dict(one.resources),
    )


def of_object(one: pb.ObjectState) -> ObjectState:
    """The row of an object."""
    return ObjectState(
        object_id=one.object_id.hex(),
        object_size=one.size,
        task_status="FINISHED" if one.ready else "PENDING",
        is_error=one.error,
        in_shared_memory=one.shared,
        owner_worker_id=one.owner_id.hex(),
        local_refs=one.handles,
        borrowers=one.borrowers,
        used_by_tasks=one.uses,
        contained_in=one.inside,
    )


def of_worker(one: pb.WorkerState) -> WorkerState:
    """The row of a worker."""
    return WorkerState(
        worker_id=one.worker_id.hex(),
        pid=one.pid,
        state=one.state,
        name=one.label,
        actor_id=one.actor_id.hex() or None,
        resources=dict(one.resources),
        running_tasks=[one.running[at : at + 24].hex() for at in range(0, len(one.running), 24)],
    )


def of_node(one: pb.SessionState) -> NodeState:
    """The row of the machine that a session runs on."""
    return NodeState(
        node_id=one.node_id.hex(),
        node_ip=NODE_ADDRESS,
        state="ALIVE",
        is_head_node=True,
        node_name=one.node_name or NODE_ADDRESS,
        resources_total=dict(one.total),
        labels=dict(one.labels),
    )


def of_group(one: pb.GroupInfo) -> PlacementGroupState:
    """The row of a placement group."""
    return PlacementGroupState(
        placement_group_id=one.group_id.hex(),
        name=one.name,
        state=GROUP_STATES[one.state],
        strategy=STRATEGIES[one.strategy],
        ray_namespace=one.namespace,
        bundles=[{need.name: need.amount for need in bundle.resources} for bundle in one.bundles],
        is_detached=one.detached,
        is_infeasible=one.infeasible,
        creation_ms=one.made_us / 1000 if one.placed else None,
    )
