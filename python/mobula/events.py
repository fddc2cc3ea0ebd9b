"""What has happened in the session, read from the core, and the form in which `timeline()` gives it.

Owns the paging of the core's events and the words of the trace, which are Ray's where Ray has them: `cat` is "task::" and the
task's name, `name` the function, `pid` the machine and `tid` the worker. Times are the core's, which sees a task begin and end
some ten microseconds off. In a cluster they are what its GCS was told.
"""

from __future__ import annotations

import logging
import pickle
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from mobula import tables
from mobula.resources import NODE_ADDRESS

if TYPE_CHECKING:
    from mobula._core.pb import boundary_pb2 as pb
    from mobula._core.process import Process

_log = logging.getLogger("mobula")


def attempts(process: Process) -> Iterator[pb.TaskEvent]:
    """Every attempt of a task that has ended and that the core remembers, in the order in which they ended.

    Ends with what there was when it came there. Logs a warning when older ones are not remembered any more.
    """
    from mobula._core.pb import boundary_pb2 as pb

    at = 0
    while True:
        page = process.request(pb.Request(task_events=pb.TaskEvents(**{"from": at}, gets=False))).task_events
        if page.first > at:
            _log.warning("%d older events are not remembered any more", page.first - at)
        yield from page.events
        if page.next == page.first:
            return
        at = page.next


def chrome_trace(process: Process) -> list[dict[str, Any]]:
    """The attempts as complete events ("X") of Chrome's trace format."""
    functions: dict[bytes, str] = {}
    return [complete(event, _function_name(process, event, functions)) for event in attempts(process)]


def complete(event: pb.TaskEvent, function: str) -> dict[str, Any]:
    """One attempt as a complete event; `function` is what is shown on it."""
    from mobula._core.pb import boundary_pb2 as pb

    args: dict[str, Any] = {"name": function, "task_id": event.task_id.hex()}
    if event.end != pb.TASK_END_FINISHED:
        args["state"] = pb.TaskEnd.Name(event.end).removeprefix("TASK_END_")
        args["error"] = event.error_text
    if event.attempt:
        args["attempt_number"] = event.attempt
    named = f"{event.actor_name}:" if event.actor_name else ""
    return {
        "cat": f"task::{named}{event.name}",
        "name": function,
        "pid": NODE_ADDRESS,
        "tid": f"worker:{event.worker_id.hex()}",
        "ts": event.started_ns / 1000,
        "dur": max(event.ended_ns - event.started_ns, 0) / 1000,
        "ph": "X",
        "cname": "generic_work",
        "args": args,
    }


def cluster_trace(process: Process) -> list[dict[str, Any]]:
    """The attempts that a cluster knows, as complete events: of all its drivers, the times those of the workers and owners."""
    addresses = {one["node_id"]: one["node_manager_address"] for one in tables.ask(process, "NODES", tables.MOST)}
    found = [complete_of_cluster(one, addresses) for one in tables.ask(process, "TASKS", tables.MOST)]
    return sorted((event for event in found if event is not None), key=lambda event: float(event["ts"]))


def complete_of_cluster(attempt: dict[str, Any], addresses: dict[str, str]) -> dict[str, Any] | None:
    """One attempt of a cluster as a complete event; None where it did not run, or nobody has told yet that it began or ended."""
    when = dict(tables.times(attempt))
    info, fared = attempt.get("task_info"), attempt.get("state_updates", {})
    ended = when.get("FAILED", when.get("FINISHED"))
    if info is None or ended is None or "RUNNING" not in when:
        return None
    began, name = when["RUNNING"], info["func_or_class_name"]
    args: dict[str, Any] = {"name": name, "task_id": attempt["task_id"], "job_id": attempt["job_id"]}
    if "FAILED" in when:
        error = fared.get("error_info", {})
        args |= {"state": "FAILED", "error": error.get("error_message", ""), "error_type": error.get("error_type", "")}
    if attempt["attempt_number"]:
        args["attempt_number"] = attempt["attempt_number"]
    node = fared.get("node_id", "")
    return {
        "cat": f"task::{info['name']}",
        "name": name,
        "pid": addresses.get(node, node),
        "tid": f"worker:{fared.get('worker_id', '')}",
        "ts": began / 1000,
        "dur": max(ended - began, 0) / 1000,  # two clocks, where owner and worker are on two machines
        "ph": "X",
        "cname": "generic_work",
        "args": args,
    }


def _function_name(process: Process, event: pb.TaskEvent, known: dict[bytes, str]) -> str:
    """The method, or the function with its module as it was exported."""
    from mobula._core.pb import boundary_pb2 as pb

    if event.type == pb.ACTOR_TASK:
        return event.method
    if event.type == pb.ACTOR_CREATION_TASK:
        return "__init__"
    found = known.get(event.function_id)
    if found is None:
        export = process.request(pb.Request(kv_get=pb.KvGet(namespace="fun", key=event.function_id))).kv
        if export.found:
            table = pickle.loads(export.value)
            found = f"{table['module']}.{table['function_name']}"
        else:
            found = event.name
        known[event.function_id] = found
    return found
