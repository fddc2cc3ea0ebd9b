"""How rows of a cluster's tables become those of the state API, and events of a timeline."""

from __future__ import annotations

from typing import Any

import pytest

from mobula import events
from mobula.util.state import of_cluster
from mobula.util.state.listing import chosen
from mobula.util.state.rows import TaskState

INFO = {
    "type": "ACTOR_TASK",
    "name": "A.f",
    "func_or_class_name": "A.f",
    "language": "PYTHON",
    "actor_id": "aa",
    "required_resources": {},
}
NOTHING: dict[str, Any] = {"task_id": "01", "attempt_number": 0, "job_id": "02"}


def attempt(when: dict[int, int], **fared: Any) -> dict[str, Any]:
    """An attempt that came into states (by their numbers) at these milliseconds."""
    stamps = {str(state): at * 1_000_000 for state, at in when.items()}
    return {**NOTHING, "task_info": INFO, "state_updates": {"state_ts_ns": stamps, **fared}}


def row(told: dict[str, Any]) -> of_cluster.ClusterTaskState:
    return of_cluster._row(of_cluster.ClusterTaskState, of_cluster.TASK, of_cluster.task_fields(told))


def test_an_attempt_that_finished() -> None:
    one = row(attempt({11: 30, 1: 10, 8: 20}, node_id="cc", worker_pid=7))
    assert (one.state, one["creation_time_ms"], one.start_time_ms, one.end_time_ms) == ("FINISHED", 10, 20, 30)
    assert [event["state"] for event in one["events"]] == ["PENDING_ARGS_AVAIL", "RUNNING", "FINISHED"]
    assert (one["node_id"], one.worker_pid, one["worker_id"], one.error_type) == ("cc", 7, None, None)
    assert isinstance(one, TaskState)
    assert list(one.asdict()) == of_cluster.TASK
    assert one == row(attempt({11: 30, 1: 10, 8: 20}, node_id="cc", worker_pid=7)) != row(NOTHING)
    with pytest.raises(AttributeError, match="Ray's fields, and 'nonsense' is none of task_id"):
        _ = one.nonsense


def test_one_that_failed_has_its_error_without_colors() -> None:
    told = attempt({8: 20, 12: 30}, error_info={"error_type": "TASK_CANCELLED", "error_message": "\x1b[31mno\x1b[0m more"})
    one = row(told)
    assert (one.state, one.error_type, one.error_message, one.is_canceled, one.end_time_ms) == (
        "FAILED",
        "TASK_CANCELLED",
        "no more",
        True,
        30,
    )
    # Its worker tries it again: what was told of the attempt before is no error of this one.
    assert row(attempt({8: 20}, error_info=told["state_updates"]["error_info"])).error_type is None


def test_of_what_nobody_told_nothing_is_said() -> None:
    one = row(NOTHING)
    assert (one.task_id, one.state, one.name, one["events"], one["profiling_data"]) == ("01", "NIL", None, [], {})


def test_an_actor_that_says_how_it_is_shown() -> None:
    assert row(attempt({8: 1}, actor_repr_name="The A")).name == "The A.f"
    named = {**attempt({8: 1}, actor_repr_name="The A"), "task_info": {**INFO, "name": "mine"}}
    assert row(named).name == "mine"


def test_rows_are_filtered_by_what_a_cluster_told() -> None:
    found = [row(attempt({8: 1}, node_id="CC")), row(NOTHING)]
    assert chosen(found, [("node_id", "=", "cc")], 10) == found[:1]
    assert chosen(found, [("state", "!=", "running")], 10) == found[1:]
    with pytest.raises(ValueError, match="no field 'running_ms'; it has task_id"):
        chosen(found, [("running_ms", "=", 1)], 10)


def test_a_wrong_filter_is_refused_before_anybody_is_asked() -> None:
    with pytest.raises(ValueError, match="a filter is"):
        chosen(of_cluster.tasks(None, [("state",)]), [("state",)], 10)  # type: ignore[arg-type,list-item]


def test_why_a_node_is_gone() -> None:
    node = {"node_manager_address": "10.0.0.1"}
    said = [
        of_cluster.node_fields(node | more)["state_message"]
        for more in (
            {},
            {"death_info": {"reason": "UNSPECIFIED", "reason_message": ""}},
            {"death_info": {"reason": "EXPECTED_TERMINATION", "reason_message": ""}},
            {"death_info": {"reason": "UNEXPECTED_TERMINATION", "reason_message": "no answer"}},
            {"death_info": {"reason": "UNSPECIFIED", "reason_message": "no answer"}},
        )
    ]
    assert said == [None, None, "Expected termination", "Unexpected termination: no answer", "no answer"]


def test_a_job_that_was_handed_in() -> None:
    job = {"job_id": "01", "is_dead": True, "driver_pid": 7, "entrypoint": "", "start_time": 1, "end_time": 2}
    plain = of_cluster.job_fields(job)
    assert (plain["type"], plain["status"], plain.get("submission_id")) == ("DRIVER", "SUCCEEDED", None)
    config = {"metadata": {"job_submission_id": "raysubmit_1"}}
    handed = of_cluster.job_fields(
        {**job, "config": config, "job_info": {"status": "FAILED", "entrypoint": "python a.py", "metadata": {}}}
    )
    assert (handed["type"], handed["status"], handed["entrypoint"], handed["submission_id"]) == (
        "SUBMISSION",
        "FAILED",
        "python a.py",
        "raysubmit_1",
    )


def test_an_event_of_a_timeline() -> None:
    told = attempt({8: 20, 12: 31}, node_id="cc", worker_id="ee", error_info={"error_type": "WORKER_DIED", "error_message": "gone"})
    assert events.complete_of_cluster({**told, "attempt_number": 2}, {"cc": "10.0.0.1"}) == {
        "cat": "task::A.f",
        "name": "A.f",
        "pid": "10.0.0.1",
        "tid": "worker:ee",
        "ts": 20_000.0,
        "dur": 11_000.0,
        "ph": "X",
        "cname": "generic_work",
        "args": {
            "name": "A.f",
            "task_id": "01",
            "job_id": "02",
            "state": "FAILED",
            "error": "gone",
            "error_type": "WORKER_DIED",
            "attempt_number": 2,
        },
    }
    assert events.complete_of_cluster(attempt({8: 20}), {}) is None  # it runs
    assert events.complete_of_cluster(attempt({1: 20, 12: 31}), {}) is None  # it never ran
    assert events.complete_of_cluster(NOTHING, {}) is None
