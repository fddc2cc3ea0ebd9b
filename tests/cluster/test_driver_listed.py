"""What the cluster's own tools say of a driver's tasks: they are listed as those of a driver of Ray's."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator

import cloudpickle
import pytest

import mobula
from conftest import Cluster, stock_cluster

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


@pytest.fixture
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
