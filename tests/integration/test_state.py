"""The state of a session as rows, and as the command line shows it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import mobula
from mobula.util import state

PACKAGE = Path(mobula.__file__).parents[1]


@pytest.fixture(autouse=True)
def _session(place: str) -> Iterator[None]:
    mobula.init(num_cpus=1, log_to_driver=False)
    yield
    mobula.shutdown()


@mobula.remote(num_cpus=0)
class Gate:
    """Holds calls back until it is opened."""

    def __init__(self) -> None:
        import threading

        self.event = threading.Event()

    def pass_through(self) -> None:
        self.event.wait()

    def open(self) -> None:
        self.event.set()

    def relay(self, other: Any, back: Any) -> Any:
        return mobula.get(other.answer.remote(back))

    def answer(self, back: Any) -> Any:
        return mobula.get(back.ping.remote())

    def ping(self) -> int:
        return 1


@mobula.remote
def through(gate: Any) -> None:
    mobula.get(gate.pass_through.remote())


@mobula.remote
def after(one: Any) -> int:
    return 7


@mobula.remote
def fails() -> None:
    raise ValueError("on purpose")


def until(name: str, wanted: str) -> state.TaskState:
    """The task of this name, once it is in this state."""
    deadline = time.monotonic() + 30
    while True:
        found = state.list_tasks(filters=[("name", "=", name), ("state", "=", wanted)])
        if found:
            return found[0]
        assert time.monotonic() < deadline, state.list_tasks()
        time.sleep(0.01)


def mobula_says(*words: str, code: int = 0, session: int | None = None) -> str:
    """What the command line prints, on standard error where it fails. The session is named: others may be running."""
    done = subprocess.run(
        [sys.executable, "-m", "mobula", *words, f"--session={session or os.getpid()}"],
        env={**os.environ, "PYTHONPATH": str(PACKAGE)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout if code == 0 else done.stderr


def test_tasks_from_pending_to_their_end() -> None:
    gate = Gate.options(max_concurrency=2).remote()
    running = through.remote(gate)
    waiting = after.remote(running)
    row = until("through", "RUNNING_IN_RAY_GET")
    assert row.task_id == running.task_id().hex()
    assert row["worker_pid"] in {worker.pid for worker in state.list_workers(filters=[("state", "=", "blocked")])}
    assert row.required_resources == {"CPU": 1}
    assert row.running_ms is None or row.running_ms < 60_000
    pending = until("after", "PENDING_ARGS_AVAIL")
    assert state.get_task(pending.task_id) == pending
    method = until("Gate.pass_through", "RUNNING")
    assert (method.actor_id, method.parent_task_id) == (gate._actor_id.hex(), row.task_id)
    mobula.get(gate.open.remote())
    assert mobula.get(waiting) == 7
    ended = until("after", "FINISHED")
    assert ended.start_time_ms <= ended.end_time_ms
    with pytest.raises(ValueError, match="on purpose"):
        mobula.get(fails.remote())
    assert until("fails", "FAILED").error_type == "FAILED"
    counts = state.summarize_tasks()["cluster"]["summary"]["after"]["state_counts"]
    assert counts == {"FINISHED": 1}


def test_actors_objects_workers_and_the_node() -> None:
    gate = Gate.options(name="gate").remote()
    mobula.get(gate.ping.remote())
    (actor,) = state.list_actors(filters=[("name", "=", "gate")])
    assert (actor.class_name, actor.state, actor.is_detached) == ("Gate", "ALIVE", False)
    assert state.get_actor(actor.actor_id) == actor
    (worker,) = state.list_workers(filters=[("actor_id", "=", actor.actor_id)])
    assert worker.pid == actor.pid
    large = mobula.put(bytes(1_000_000))
    first = state.list_objects(limit=1)[0]
    assert (first.object_id, first.in_shared_memory, first.local_refs) == (large.hex(), True, 1)
    assert first.object_size >= 1_000_000
    assert state.get_objects(large) == [first]
    (node,) = state.list_nodes()
    assert node.resources_total["CPU"] == 1
    mobula.kill(gate)
    deadline = time.monotonic() + 30
    while state.get_actor(actor.actor_id).state != "DEAD":
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert state.summarize_actors()["cluster"]["summary"]["Gate"]["state_counts"] == {"DEAD": 1}
    assert state.summarize_objects()["cluster"]["in_shared_memory"] == 1


@pytest.mark.parametrize(
    ("filters", "limit", "words"),
    [
        ([("nothing", "=", 1)], 10, "has no field 'nothing'; it has worker_id, pid"),
        ([("pid", "<", 1)], 10, "'=' or '!='"),
        (["pid"], 10, "is \\(field, '=' or '!=', value\\), not 'pid'"),
        (None, 0, "from 1 to 10000, not 0"),
        (None, 10_001, "not 10001"),
    ],
)
def test_wrong_questions(filters: Any, limit: int, words: str) -> None:
    mobula.get(after.remote(1))  # there is a worker
    with pytest.raises(ValueError, match=words):
        state.list_workers(filters=filters, limit=limit)


def test_an_argument_that_is_not_there() -> None:
    with pytest.raises(TypeError, match="no argument 'limits'"):
        state.list_tasks(limits=1)
    assert state.list_tasks(timeout=5, detail=True, raise_on_missing_output=False) == []


def test_a_worker_sees_the_state_too() -> None:
    @mobula.remote
    def seen() -> list[str]:
        return [task.state for task in state.list_tasks()]

    assert mobula.get(seen.remote()) == ["RUNNING"]


def test_why_names_what_is_waited_for_and_a_circle() -> None:
    a, b = Gate.remote(), Gate.remote()
    meeting = a.relay.remote(b, a)
    until("Gate.ping", "SUBMITTED_TO_WORKER")
    told = mobula_says("why", "Gate.relay")
    lines = told.splitlines()
    assert "waits in get() or wait() for:" in lines[0]
    assert "and so a circle is closed, which nothing but a cancel will open: Gate.relay [" in lines[-1]
    assert mobula_says("why", meeting.task_id().hex()[:8]).splitlines()[-1] == lines[-1]
    huge = fails.options(num_cpus=9, name="huge").remote()
    assert "waits for {CPU: 9}, and the session has {CPU: 1} in all: it will wait for ever" in mobula_says("why", "huge")
    assert json.loads(mobula_says("why", "huge", "--json"))[0]["depth"] == 0
    assert "no pending task has the name 'nobody'" in mobula_says("why", "nobody", code=1)
    mobula.cancel(huge)
    mobula.kill(a)
    mobula.kill(b)


def test_the_command_line_lists_and_shows(tmp_path: Path) -> None:
    large = mobula.put(bytes(3 << 20))
    mobula.get(after.remote(1))
    until("after", "FINISHED")
    status = mobula_says("status")
    assert "CPU       0 of 1 in use" in status
    assert "store     3.0 MiB of" in status
    assert json.loads(mobula_says("status", "--json"))["objects"] == 1
    assert mobula_says("list", "objects").split("\t")[:2] == [large.hex(), str(state.list_objects()[0].object_size)]
    (row,) = json.loads(mobula_says("list", "tasks", "--json", "--filter", "state=FINISHED", "--filter", "name!=nobody"))
    assert row["name"] == "after"
    assert mobula_says("list", "tasks", "--filter", "name=nobody") == ""
    assert "has no field 'nme'" in mobula_says("list", "tasks", "--filter", "nme=x", code=1)
    assert mobula_says("list", "workers").split("\t")[2] == "IDLE"
    folder = json.loads(mobula_says("status", "--json"))["session"]
    file = tmp_path / "trace.json"
    mobula_says("timeline", "-o", str(file))
    drawn = [(one["ph"], one["name"]) for one in json.loads(file.read_text())["traceEvents"] if one["ph"] != "M"]
    run_call_get = [("X", "after"), ("X", "after.remote()"), ("X", "get(after)")]
    assert drawn == [*run_call_get, ("s", "call"), ("t", "call"), ("f", "call")]
    assert "no session of this user has the driver 1; running are" in mobula_says("status", session=1, code=1)
    assert folder.startswith(os.environ["XDG_RUNTIME_DIR"])
    mobula.shutdown()
    assert f"no session of this user has the driver {os.getpid()}" in mobula_says("status", code=1)


def test_looking_needs_no_token_and_anything_else_does() -> None:
    from mobula._core import transport
    from mobula._core.pb import boundary_pb2 as pb
    from mobula._core.unary import ask
    from mobula.exceptions import RaySystemError

    process = mobula.session.process()
    assert pb.InspectReply.FromString(ask(transport.opener(), process.session.socket_path, "Inspect", b"")).processes >= 1
    question = pb.IsTaskCanceledRequest(worker_id=process.worker_id, task_id=bytes(24)).SerializeToString()
    with pytest.raises(RaySystemError, match="carries no token"):
        ask(transport.opener(), process.session.socket_path, "IsTaskCanceled", question)
