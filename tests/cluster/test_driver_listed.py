"""What the cluster's own tools say of a driver's tasks, and that `mobula.util.state` and `timeline()` say the same."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cloudpickle
import pytest

import mobula
from conftest import Cluster, stock_cluster
from mobula.util import state

PATIENCE_S = 120.0
# The cluster is a child of this process, with a pipe to each side, and starts and ends workers as it likes.
pytestmark = pytest.mark.mobula_leaves("process", "descriptor pipe")

#: Lists this job's tasks with Ray's own state API until all are as they are wanted, or the time is over.
LIST = """
import json, sys, time
from ray.util.state import list_tasks
job, wanted, until = sys.argv[1], json.loads(sys.argv[2]), time.monotonic() + 90
while True:
    found = [t for t in list_tasks(detail=True, limit=1000) if t.job_id == job]
    states = {}
    for t in found:
        states.setdefault(t.name, []).append([t.attempt_number, t.state])
    if {name: sorted(all) for name, all in states.items()} == wanted or time.monotonic() > until:
        break
    time.sleep(0.2)
rows = [[t.name, t.attempt_number, t.state, t.type, t.func_or_class_name, t.error_type, bool(t.node_id and t.worker_id),
         [e["state"] for e in t.events], t.required_resources, t.actor_id] for t in found]
print("FOUND" + json.dumps(rows))
"""


#: Prints all that Ray's own state API lists, with every column.
STATE = """
import json
from ray.util import state
kinds = ("tasks", "actors", "nodes", "placement_groups", "jobs", "workers")
found = {kind: [one.asdict() for one in getattr(state, f"list_{kind}")(detail=True, limit=1000)] for kind in kinds}
print("FOUND" + json.dumps(found, default=lambda one: one.value if hasattr(one, "value") else one.dict()))
"""
#: What names a row, and the columns that are not compared: Ray has other bytes than hexadecimal inside, large numbers as text, or
#: fields of messages that mobula does not read; or they tell of what goes on.
KINDS: dict[str, tuple[str, set[str]]] = {
    "tasks": ("task_id", {"profiling_data", "runtime_env_info"}),
    "actors": ("actor_id", {"death_cause"}),
    "nodes": ("node_id", set()),
    "placement_groups": ("placement_group_id", {"stats", "bundles"}),
    "jobs": ("job_id", {"runtime_env"}),
    "workers": ("worker_id", {"is_alive", "end_time_ms", "exit_type", "exit_detail"}),
}


@pytest.fixture(scope="module")
def joined() -> Iterator[Cluster]:
    with stock_cluster({"num_cpus": 2}, dashboard=True) as cluster, pytest.MonkeyPatch.context() as patch:
        for name, value in cluster.environment.items():
            patch.setenv(name, value)
        cloudpickle.register_pickle_by_value(sys.modules[__name__])  # the workers cannot import this module
        mobula.init(address=cluster.address)
        try:
            yield cluster
        finally:
            mobula.shutdown()
            cloudpickle.unregister_pickle_by_value(sys.modules[__name__])


@mobula.remote
def same(x: int) -> int:
    return x


@mobula.remote(max_retries=1, retry_exceptions=True)
def bad() -> None:
    raise ValueError("on purpose")


@mobula.remote
class Actor:
    def method(self) -> int:
        return 1


def test_tasks_are_listed(joined: Cluster) -> None:
    actor = Actor.remote()
    assert mobula.get([same.remote(1), actor.method.remote()], timeout=PATIENCE_S) == [1, 1]
    never = same.options(name="never", resources={"nowhere": 1}).remote(1)
    after = same.options(name="after").remote(never)
    unseen = same.options(name="unseen", enable_task_events=False).remote(1)
    with pytest.raises(ValueError, match="on purpose"):
        mobula.get(bad.remote(), timeout=PATIENCE_S)
    canceled = same.options(name="canceled", resources={"nowhere": 1}).remote(1)
    mobula.cancel(canceled)
    assert mobula.get(unseen, timeout=PATIENCE_S) == 1
    wanted = {
        "same": [[0, "FINISHED"]],
        "Actor.__init__": [[0, "FINISHED"]],
        "Actor.method": [[0, "FINISHED"]],
        "never": [[0, "PENDING_NODE_ASSIGNMENT"]],
        "after": [[0, "PENDING_ARGS_AVAIL"]],
        "bad": [[0, "FAILED"], [1, "FAILED"]],
        "canceled": [[0, "FAILED"]],
    }
    job = mobula.get_runtime_context().get_job_id()
    said = joined.stock_driver(LIST, job, json.dumps(wanted), timeout=180).split("FOUND")[1]
    rows = {(row[0], row[1]): row[2:] for row in json.loads(said)}
    assert {key: row[0] for key, row in rows.items()} == {(name, n): state for name, all in wanted.items() for n, state in all}
    assert rows["same", 0] == [
        "FINISHED",
        "NORMAL_TASK",
        "same",
        None,
        True,
        ["PENDING_ARGS_AVAIL", "PENDING_NODE_ASSIGNMENT", "SUBMITTED_TO_WORKER", "RUNNING", "FINISHED"],
        {"CPU": 1.0},
        None,
    ]
    assert rows["Actor.method", 0][1:3] == ["ACTOR_TASK", "Actor.method"]
    assert rows["Actor.method", 0][-1] == rows["Actor.__init__", 0][-1] is not None
    assert rows["Actor.__init__", 0][1] == "ACTOR_CREATION_TASK"
    assert rows["bad", 0][3] == rows["bad", 1][3] == "TASK_EXECUTION_EXCEPTION"
    assert rows["canceled", 0][3] == "TASK_CANCELLED"
    mobula.cancel(never)
    with pytest.raises(mobula.exceptions.RayError):
        mobula.get(after, timeout=PATIENCE_S)


def eventually(holds: Callable[[], bool]) -> None:
    until = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < until
        time.sleep(0.1)


def is_same(ours: Any, rays: Any) -> bool:
    """Ray's API gives numbers of 64 bits as text."""
    if isinstance(ours, int) and isinstance(rays, str):
        return ours == int(rays)
    return bool(ours == rays)


def test_the_state_api_tells_what_rays_own_does(joined: Cluster, tmp_path: Path) -> None:
    actor = Actor.options(name="listed").remote()
    group = mobula.util.placement_group([{"CPU": 0.1}], name="pair")
    assert group.wait(PATIENCE_S)
    ref = same.options(name="seen").remote(1)
    assert mobula.get([ref, actor.method.remote()], timeout=PATIENCE_S) == [1, 1]
    with pytest.raises(ValueError, match="on purpose"):
        mobula.get(bad.options(name="fails").remote(), timeout=PATIENCE_S)
    job = mobula.get_runtime_context().get_job_id()
    names = ("seen", "fails", "Actor.method")

    # What the driver knows is there at once.
    [seen] = state.list_tasks(filters=[("job_id", "=", job), ("name", "=", "seen")])
    assert (seen.task_id, seen.state) == (ref.task_id().hex(), "FINISHED")
    assert state.get_task(ref.task_id().hex()) is not None
    assert state.list_tasks(filters=[("job_id", "!=", job), ("name", "=", "seen")]) == []
    assert state.list_tasks(filters=[("task_id", "=", "nonsense")]) == []

    def all_told() -> bool:  # by the workers, too
        found = [one for one in state.list_tasks(filters=[("job_id", "=", job)]) if one.name in names]
        return len(found) >= 4 and all(one.start_time_ms and one.end_time_ms for one in found)

    eventually(all_told)
    theirs = json.loads(joined.stock_driver(STATE, timeout=180).split("FOUND")[1])
    ours = {kind: [one.asdict() for one in getattr(state, f"list_{kind}")(limit=1000)] for kind in KINDS}
    for kind, (key, apart) in KINDS.items():
        known = {(one[key], one.get("attempt_number")): one for one in ours[kind]}
        assert known, kind
        for row in theirs[kind]:
            same_row = known.get((row[key], row.get("attempt_number")))
            # The stock program was a driver itself, of which Ray's list tells otherwise while it runs.
            if kind == "jobs" and same_row is not None and same_row["status"] != row["status"]:
                continue
            assert same_row is not None, (kind, row)
            assert list(same_row) == list(row), kind
            differ = {name: (value, row[name]) for name, value in same_row.items() if not is_same(value, row[name])}
            assert set(differ) <= apart, (kind, differ)
        assert theirs[kind], kind
    assert {one["name"] for one in ours["tasks"] if one["job_id"] == job} >= set(names)
    assert [one.state for one in state.list_actors(filters=[("name", "=", "listed")])] == ["ALIVE"]
    assert [one["bundles"][0]["unit_resources"] for one in state.list_placement_groups(filters=[("name", "=", "pair")])] == [
        {"CPU": 0.1}
    ]
    [mine] = state.list_jobs(filters=[("job_id", "=", job)])
    assert (mine.status, mine.type) == ("RUNNING", "DRIVER")
    assert state.summarize_tasks()["cluster"]["summary"]["fails"]["state_counts"] == {"FAILED": 2}
    assert state.summarize_actors()["cluster"]["summary"]["Actor"]["state_counts"]["ALIVE"] >= 1

    events = mobula.timeline()
    assert events is not None
    [event] = [one for one in events if one["cat"] == "task::seen" and one["args"]["job_id"] == job]
    assert (event["name"], event["ph"], event["pid"]) == ("same", "X", state.list_nodes()[0].node_ip)
    assert event["dur"] >= 0
    assert [one["args"]["error_type"] for one in events if one["cat"] == "task::fails"] == ["TASK_EXECUTION_EXCEPTION"] * 2
    mobula.timeline(str(tmp_path / "timeline.json"))
    assert len(json.loads((tmp_path / "timeline.json").read_text())) >= len(events)
    mobula.util.remove_placement_group(group)
