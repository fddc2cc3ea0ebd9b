"""The tables of a cluster that this driver has joined, as the cluster keeps them, for `mobula.util.state` and `timeline()`.

Owns the question. A row is a dict with the fields of Ray's messages: ids in hexadecimal, enums by name, numbers as numbers. A field
that says whether it is set is absent where it is not.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mobula._core.process import Process

__all__ = ["MOST", "ask", "times"]

MOST = 100_000  # attempts of tasks, which a GCS keeps

#: Ray's states of a task, by their numbers, in which an attempt goes through them.
STATES = (
    "NIL",
    "PENDING_ARGS_AVAIL",
    "PENDING_NODE_ASSIGNMENT",
    "PENDING_OBJ_STORE_MEM_AVAIL",
    "PENDING_ARGS_FETCH",
    "SUBMITTED_TO_WORKER",
    "PENDING_ACTOR_TASK_ARGS_FETCH",
    "PENDING_ACTOR_TASK_ORDERING_OR_CONCURRENCY",
    "RUNNING",
    "RUNNING_IN_RAY_GET",
    "RUNNING_IN_RAY_WAIT",
    "FINISHED",
    "FAILED",
    "GETTING_AND_PINNING_ARGS",
)


def ask(process: Process, table: str, most: int, conditions: Sequence[tuple[str, str, Any]] = ()) -> list[dict[str, Any]]:
    """Up to `most` rows of a table ("TASKS", "ACTORS", "NODES", "GROUPS", "JOBS", "WORKERS").

    `conditions` are triples such as `("job_id", "=", "01000000")`; rows for which they do not hold may be left out, or not.
    Raises RaySystemError where the cluster does not answer.
    """
    from mobula._core.pb import boundary_pb2 as pb

    asked = pb.ClusterRows(
        table=f"CLUSTER_{table}",
        most=most,
        conditions=[pb.Condition(field=field, differs=sign == "!=", value=str(value)) for field, sign, value in conditions],
    )
    found: list[dict[str, Any]] = json.loads(process.request(pb.Request(cluster_rows=asked)).cluster_rows.rows)
    return found


def times(attempt: dict[str, Any]) -> list[tuple[str, int]]:
    """The states that an attempt of a task has been in, and when it came there (nanoseconds since 1970); it is in the last one."""
    told = attempt.get("state_updates", {}).get("state_ts_ns", {})
    return [(name, told[str(number)]) for number, name in enumerate(STATES) if str(number) in told]
