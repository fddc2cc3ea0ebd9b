"""The state of a session: its tasks, actors, objects and worker processes, as rows.

Owns the names, which are Ray's. No dashboard is needed: the core is asked, over the session's own socket. What Ray has here and
mobula has not (files of logs, cluster events) is an AttributeError that says why.

In a Ray cluster its GCS is asked, and the rows have Ray's columns: `of_cluster`.
"""

from typing import Any

from mobula.util.state.listing import (
    get_actor,
    get_job,
    get_node,
    get_objects,
    get_placement_group,
    get_task,
    get_worker,
    list_actors,
    list_jobs,
    list_nodes,
    list_objects,
    list_placement_groups,
    list_tasks,
    list_workers,
)
from mobula.util.state.rows import ActorState, JobState, NodeState, ObjectState, PlacementGroupState, TaskState, WorkerState
from mobula.util.state.summary import summarize_actors, summarize_objects, summarize_tasks

__all__ = [
    "ActorState",
    "JobState",
    "NodeState",
    "ObjectState",
    "PlacementGroupState",
    "TaskState",
    "WorkerState",
    "get_actor",
    "get_job",
    "get_node",
    "get_objects",
    "get_placement_group",
    "get_task",
    "get_worker",
    "list_actors",
    "list_jobs",
    "list_nodes",
    "list_objects",
    "list_placement_groups",
    "list_tasks",
    "list_workers",
    "summarize_actors",
    "summarize_objects",
    "summarize_tasks",
]


def __getattr__(name: str) -> Any:
    from mobula import missing

    if name.startswith("__") or f"util.state.{name}" not in missing.HINTS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    raise AttributeError(missing.sentence(f"util.state.{name}", asked_of="mobula"))
