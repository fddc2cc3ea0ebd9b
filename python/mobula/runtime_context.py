"""What running code can learn of its surroundings: `get_runtime_context()`.

Owns `RuntimeContext` with Ray's names. Most answers come from the current task, which the executor keeps in a context variable;
what belongs to the actor is asked of the worker's actor, so it holds in threads that the actor started as well.
"""

from __future__ import annotations

import json
import os
import sys
from typing import TYPE_CHECKING, Any

from mobula import session
from mobula._core import context as task_context
from mobula._core import inherited
from mobula._core.ids import ActorID, JobID, NodeID, PlacementGroupID, TaskID

if TYPE_CHECKING:
    from mobula.actor_handle import ActorHandle

_current_task = task_context.current.get
_shared: RuntimeContext | None = None

_NOT_A_WORKER = "This method is only available when the process is a worker. Current mode: 0"


class RuntimeContext:
    """The job, node, worker, task and actor of the code that asks. Ids as hexadecimal text; None where there is none."""

    __slots__ = ()

    is_canceled = task_context.is_canceled

    def get(self) -> dict[str, Any]:
        """Job, node and namespace, and in workers task and actor, as ids."""
        out: dict[str, Any] = {"job_id": self.job_id, "node_id": self.node_id, "namespace": self.namespace}
        if _is_worker():
            if self.task_id is not None:
                out["task_id"] = self.task_id
            if self.actor_id is not None:
                out["actor_id"] = self.actor_id
        return out

    def get_job_id(self) -> str:
        """The job: one driver."""
        return session.process().job_id.hex()

    def get_node_id(self) -> str:
        """The machine."""
        return session.process().node_id.hex()

    def get_worker_id(self) -> str:
        """This process."""
        return session.process().worker_id.hex()

    def get_task_id(self) -> str | None:
        """The task that runs here; None in the driver and in plain threads."""
        task = _current_task()
        return None if task is None else task.task_id.hex()

    def get_task_name(self) -> str | None:
        """The task's name: of its function, `Class.method`, or as the name option says."""
        task = _current_task()
        return None if task is None else task.task_name

    def get_task_function_name(self) -> str | None:
        """The function that runs here, with its module and class."""
        task = _current_task()
        return None if task is None else task.function_name

    def get_actor_id(self) -> str | None:
        """The actor of this process; None in the driver and in tasks."""
        actor = _actor()
        return None if actor is None else actor.actor_id.hex()

    def get_actor_name(self) -> str | None:
        """The actor's name, "" for one without; None in the driver and in tasks."""
        actor = _actor()
        return None if actor is None else getattr(actor, "name", "")

    def get_assigned_resources(self) -> dict[str, float]:
        """What the task or actor holds, by name. Raises AssertionError in the driver."""
        if not _is_worker():
            raise AssertionError(_NOT_A_WORKER)
        actor, task = _actor(), _current_task()
        if actor is not None:
            return dict(actor.resources)
        return {} if task is None else dict(task.resources)

    def get_placement_group_id(self) -> str | None:
        """The placement group that the code runs in; None outside of groups, and in the driver."""
        group, _ = task_context.placement()
        return group.hex() if group else None

    def get_runtime_env_string(self) -> str:
        """The runtime environment of the code that asks, as JSON."""
        return json.dumps(inherited.whole(), sort_keys=True)

    def get_session_name(self) -> str:
        """A name for this session that no other on the machine has now."""
        return os.path.basename(os.path.dirname(session.process().session.socket_path))

    def get_temp_dir(self) -> str:
        """The folder that holds the session's own folder."""
        return os.path.dirname(os.path.dirname(session.process().session.socket_path))

    def get_node_labels(self) -> dict[str, str]:
        """The labels that init was given, and the node's id."""
        from mobula._core.pb import boundary_pb2 as pb

        return dict(session.process().request(pb.Request(cluster_info=pb.ClusterInfo())).cluster_info.labels)

    def get_accelerator_ids(self) -> dict[str, list[str]]:
        """Devices that the task or actor may use, by kind."""
        return {"GPU": [str(one) for one in gpu_ids()]}

    def get_resource_ids(self) -> dict[str, list[str]]:
        """Ray's old name of get_accelerator_ids."""
        return self.get_accelerator_ids()

    @property
    def job_id(self) -> JobID:
        """The job, as an id."""
        return JobID(session.process().job_id)

    @property
    def node_id(self) -> NodeID:
        """The machine, as an id."""
        return NodeID(session.process().node_id)

    @property
    def task_id(self) -> TaskID | None:
        """The task, as an id. Raises AssertionError in the driver."""
        if not _is_worker():
            raise AssertionError(_NOT_A_WORKER)
        task = _current_task()
        return None if task is None else TaskID(task.task_id)

    @property
    def actor_id(self) -> ActorID | None:
        """The actor, as an id. Raises AssertionError in the driver."""
        if not _is_worker():
            raise AssertionError(_NOT_A_WORKER)
        actor = _actor()
        return None if actor is None else ActorID(actor.actor_id)

    @property
    def namespace(self) -> str:
        """Where names of actors are looked up by default."""
        return session.process().namespace

    @property
    def was_current_actor_reconstructed(self) -> bool:
        """Whether the actor was restarted after its process had ended. Raises AssertionError in the driver."""
        if not _is_worker():
            raise AssertionError(_NOT_A_WORKER)
        return bool(getattr(_actor(), "reconstructed", False))

    @property
    def current_actor(self) -> ActorHandle[Any]:
        """A handle of the actor whose code asks. Raises RuntimeError outside of one."""
        from mobula.actor_handle import ActorHandle
        from mobula.class_description import decode, describe

        actor = _actor()
        if actor is None:
            raise RuntimeError("This method is only available in an actor.")
        encoded = getattr(actor, "handle", b"")
        description = decode(encoded) if encoded else describe(type(actor.instance))
        return ActorHandle(actor.actor_id, description)

    @property
    def current_placement_group_id(self) -> PlacementGroupID:
        """The placement group, as an id; nil outside of groups."""
        group, _ = task_context.placement()
        return PlacementGroupID(group) if group else PlacementGroupID.nil()

    @property
    def should_capture_child_tasks_in_placement_group(self) -> bool:
        """Whether what is submitted here without a strategy of its own runs in the caller's placement group."""
        _, captures = task_context.placement()
        return captures

    @property
    def gcs_address(self) -> str:
        """Where the session's core listens: a private socket, no network port."""
        return session.gcs_address()

    @property
    def runtime_env(self) -> dict[str, Any]:
        """The runtime environment of the code that asks: its own, its caller's and the session's in one."""
        return inherited.whole()


def get_runtime_context() -> RuntimeContext:
    """The context of the code that asks; starts a session like `init()` where none runs.

    >>> import mobula
    >>> mobula.get_runtime_context().get_task_id() is None
    True
    """
    return _shared or _first()


def _first() -> RuntimeContext:
    global _shared
    session.process()
    _shared = RuntimeContext()
    return _shared


def forget() -> None:
    """The session is over: the next get_runtime_context() looks again."""
    global _shared
    _shared = None


def gpu_ids() -> list[Any]:
    """The GPUs of this task or actor: numbers where they are numbers, else the names in CUDA_VISIBLE_DEVICES."""
    # A driver never loads the worker's modules, and has no GPUs of its own.
    worker = sys.modules.get("mobula._worker.environment")
    names = worker.assigned_gpus() if worker is not None and _is_worker() else []
    return [int(one) if one.isdigit() else one for one in names]


def _is_worker() -> bool:
    return session.process().mode == "worker"


def _actor() -> Any:
    """The actor of this process. A driver never loads the worker's modules, so none is imported here either."""
    module = sys.modules.get("mobula._worker.actor")
    return None if module is None else module.current_actor()
