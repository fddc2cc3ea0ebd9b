"""The rows of the state API in a Ray cluster: Ray's own columns, for all that the cluster has, of whichever driver.

Owns which column comes from which field of the GCS's tables, as Ray's dashboard translates them. Numbers are numbers here, where
Ray gives large ones as text. Each function asks when its first row is taken.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from mobula import tables
from mobula.util.state import rows

if TYPE_CHECKING:
    from mobula._core.process import Process

MOST = 10_000  # rows, as Ray asks for

# Ray's columns, for which Ray has None where a table says nothing.
_COLUMNS = """
task: task_id attempt_number name state job_id actor_id type func_or_class_name parent_task_id node_id worker_id worker_pid
  error_type language required_resources runtime_env_info placement_group_id events profiling_data creation_time_ms
  start_time_ms end_time_ms task_log_info error_message is_debugger_paused call_site label_selector fallback_strategy
actor: actor_id class_name state job_id name node_id pid ray_namespace serialized_runtime_env required_resources death_cause
  is_detached placement_group_id repr_name num_restarts num_restarts_due_to_lineage_reconstruction
  num_restarts_due_to_node_preemption call_site label_selector fallback_strategy
node: node_id node_ip is_head_node state state_message node_name resources_total labels start_time_ms end_time_ms
group: placement_group_id name creator_job_id state bundles is_detached stats topology_strategy topology_assignments
worker: worker_id is_alive worker_type exit_type node_id ip pid exit_detail worker_launch_time_ms worker_launched_time_ms
  start_time_ms end_time_ms debugger_port num_paused_threads
job: type job_id submission_id driver_info status entrypoint message error_type start_time end_time metadata runtime_env
  driver_agent_http_address driver_node_id driver_exit_code
"""
TASK, ACTOR, NODE, GROUP, WORKER, JOB = (kind.split() for kind in re.split(r"\w+:", _COLUMNS)[1:])

# Ray's words for why a node is gone.
GONE = {
    "EXPECTED_TERMINATION": "Expected termination",
    "UNEXPECTED_TERMINATION": "Unexpected termination",
    "AUTOSCALER_DRAIN_PREEMPTED": "Terminated due to preemption",
    "AUTOSCALER_DRAIN_IDLE": "Terminated due to idle (no Ray activity)",
}
_COLORS = re.compile(r"\x1b[^m]*m")
#: Under this key of a job's metadata is the name of a program that was handed in.
_HANDED_IN = "job_submission_id"
_OF_RAY = "_ray_internal_"  # how namespaces begin that are Ray's own


class _Told(rows.Row):
    """A row whose fields are what a cluster told, whatever those of a session on one machine are."""

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(f"a row of a cluster has Ray's fields, and {name!r} is none of {', '.join(vars(self))}")

    def __getitem__(self, name: str) -> Any:
        return vars(self)[name]

    def get(self, name: str, default: Any = None) -> Any:
        return vars(self).get(name, default)

    def asdict(self) -> dict[str, Any]:
        return dict(vars(self))

    def __eq__(self, other: object) -> bool:
        return vars(self) == vars(other) if type(other) is type(self) else NotImplemented

    __hash__ = None  # type: ignore[assignment]  # some of its values have none

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in vars(self).items())})"


class ClusterTaskState(_Told, rows.TaskState):
    """One attempt of a task."""

    @property
    def func_or_class_name(self) -> str:
        told: str = vars(self)["func_or_class_name"]
        return told

    @property
    def is_canceled(self) -> bool:
        return self.error_type == "TASK_CANCELLED"


class ClusterActorState(_Told, rows.ActorState):
    """An actor; of those that are dead, as many as the GCS keeps."""


class ClusterNodeState(_Told, rows.NodeState):
    """A node, also a dead one."""


class ClusterPlacementGroupState(_Told, rows.PlacementGroupState):
    """A placement group; of those that were removed, as many as the GCS keeps."""


class ClusterWorkerState(_Told, rows.WorkerState):
    """A process of a node or a driver, also a dead one for as long as the GCS keeps it."""


class ClusterJobState(_Told, rows.JobState):
    """A driver that has joined the cluster, also one that has left."""


_R = TypeVar("_R", bound=_Told)
Conditions = Sequence[tuple[str, str, Any]]


def _row(kind: type[_R], columns: list[str], fields: dict[str, Any]) -> _R:
    made = kind.__new__(kind)
    vars(made).update({name: fields.get(name) for name in columns})
    return made


def _sorted(found: list[_R], key: str) -> Iterator[_R]:
    return iter(sorted(found, key=lambda one: str(one[key] or "")))


def tasks(process: Process, conditions: Conditions) -> Iterator[ClusterTaskState]:
    """Attempts of tasks, by their ids."""
    found = tables.ask(process, "TASKS", MOST, conditions)
    yield from _sorted([_row(ClusterTaskState, TASK, task_fields(one)) for one in found], "task_id")


def actors(process: Process, conditions: Conditions) -> Iterator[ClusterActorState]:
    """Actors, by their ids."""
    yield from _sorted([_row(ClusterActorState, ACTOR, one) for one in tables.ask(process, "ACTORS", MOST, conditions)], "actor_id")


def nodes(process: Process, conditions: Conditions) -> Iterator[ClusterNodeState]:
    """Nodes, by their ids."""
    yield from _sorted([_row(ClusterNodeState, NODE, node_fields(one)) for one in tables.ask(process, "NODES", MOST)], "node_id")


def groups(process: Process, conditions: Conditions) -> Iterator[ClusterPlacementGroupState]:
    """Placement groups, by their ids."""
    found = tables.ask(process, "GROUPS", MOST)
    yield from _sorted([_row(ClusterPlacementGroupState, GROUP, one) for one in found], "placement_group_id")


def workers(process: Process, conditions: Conditions) -> Iterator[ClusterWorkerState]:
    """Processes, by their ids."""
    found = tables.ask(process, "WORKERS", MOST)
    yield from _sorted([_row(ClusterWorkerState, WORKER, worker_fields(one)) for one in found], "worker_id")


def jobs(process: Process, conditions: Conditions) -> Iterator[ClusterJobState]:
    """Jobs, by their ids, without Ray's own. A program that was handed in is one when it has a driver."""
    found = [job_fields(one) for one in tables.ask(process, "JOBS", MOST) if not _is_of_ray(one)]
    yield from _sorted([_row(ClusterJobState, JOB, one) for one in found], "job_id")


def _is_of_ray(job: dict[str, Any]) -> bool:
    return str(job.get("config", {}).get("ray_namespace", "")).startswith(_OF_RAY)


def task_fields(attempt: dict[str, Any]) -> dict[str, Any]:
    """The columns of an attempt: what owner and worker have told of it, which is not there at once."""
    info, fared = attempt.get("task_info", {}), attempt.get("state_updates", {})
    when = [(state, at // 1_000_000) for state, at in tables.times(attempt)]
    state = when[-1][0] if when else "NIL"
    out = {
        **info,
        **fared,
        "task_id": attempt["task_id"],
        "attempt_number": attempt["attempt_number"],
        "job_id": attempt["job_id"],
        "events": [{"state": name, "created_ms": at} for name, at in when],
        "state": state,
        "profiling_data": _spans(attempt.get("profile_events")),
    }
    reached = dict(when)
    out["creation_time_ms"] = reached.get("PENDING_ARGS_AVAIL")
    out["start_time_ms"] = reached.get("RUNNING")
    out["end_time_ms"] = reached.get("FAILED", reached.get("FINISHED"))
    error = fared.get("error_info")
    if state == "FAILED" and error:
        out["error_type"], out["error_message"] = error["error_type"], _COLORS.sub("", error["error_message"])
    shown = fared.get("actor_repr_name")
    if shown and out.get("type") == "ACTOR_TASK" and out["name"] == out["func_or_class_name"]:
        out["name"] = f"{shown}.{out['name'].rpartition('.')[2]}"
    return out


def _spans(told: dict[str, Any] | None) -> dict[str, Any]:
    if not told:
        return {}
    spans = [
        {
            **one,
            "start_time": one["start_time"] / 1e6,
            "end_time": one["end_time"] / 1e6,
            "extra_data": json.loads(one.get("extra_data") or "{}"),
        }
        for one in told["events"]
    ]
    return {**told, "events": spans}


def node_fields(node: dict[str, Any]) -> dict[str, Any]:
    """The columns of a node."""
    gone = node.get("death_info", {})
    why, text = GONE.get(gone.get("reason", "")), gone.get("reason_message")
    message = f"{why}: {text}" if why and text else why or text or None
    return {**node, "node_ip": node["node_manager_address"], "state_message": message}


def worker_fields(worker: dict[str, Any]) -> dict[str, Any]:
    """The columns of a process."""
    at = worker.get("worker_address", {})
    return {**worker, "worker_id": at.get("worker_id"), "node_id": at.get("node_id"), "ip": at.get("ip_address")}


def job_fields(job: dict[str, Any]) -> dict[str, Any]:
    """The columns of a job. Of a program that was handed in the GCS knows how it fares."""
    config = job.get("config", {})
    environment = config.get("runtime_env_info", {}).get("serialized_runtime_env")
    metadata = config.get("metadata", {})
    out = {
        "type": "DRIVER",
        "job_id": job["job_id"],
        "status": "SUCCEEDED" if job["is_dead"] else "RUNNING",
        "driver_info": {
            "id": job["job_id"],
            "node_ip_address": job.get("driver_address", {}).get("ip_address", ""),
            "pid": str(job["driver_pid"]),
        },
        "entrypoint": job["entrypoint"],
        "start_time": job["start_time"],
        "end_time": job["end_time"],
        "metadata": metadata,
        "runtime_env": json.loads(environment or "{}"),
    }
    if metadata.get(_HANDED_IN):
        out |= {name: value for name, value in job.get("job_info", {}).items() if name != "runtime_env_json"}
        out |= {"type": "SUBMISSION", "submission_id": metadata[_HANDED_IN]}
    return out
