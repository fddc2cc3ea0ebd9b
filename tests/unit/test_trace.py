"""The file of `mobula timeline`: valid trace events, whatever ran, and every arrow ends where something is drawn."""

from __future__ import annotations

import itertools
import json
from collections import Counter, defaultdict
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from mobula import trace
from mobula._core.pb import boundary_pb2 as pb

DRIVER = bytes(28)


def attempt(number: int, begin: int, end: int, **fields: Any) -> pb.TaskEvent:
    told = {"name": "f", "worker_id": b"w" * 28, "caller_id": DRIVER, "called_ns": begin - 10, "pid": 7, **fields}
    return pb.TaskEvent(task_id=bytes([number]) * 24, started_ns=begin, ended_ns=end, **told)


def got(number: int, asked: int, answered: int, in_task: bytes = b"", by: bytes = DRIVER) -> pb.TaskGet:
    return pb.TaskGet(task_id=bytes([number]) * 24, worker_id=by, in_task_id=in_task, asked_ns=asked, answered_ns=answered)


def checked(attempts: list[pb.TaskEvent], gets: list[pb.TaskGet]) -> list[dict[str, Any]]:
    """The events, after what holds of any file."""
    written = json.loads(json.dumps(trace.perfetto(attempts, gets), allow_nan=False))
    events = written["traceEvents"]
    assert {event["ph"] for event in events} <= {"M", "X", "s", "t", "f"}
    slices = defaultdict(list)
    for event in events:
        assert {"name", "pid", "tid"} <= event.keys()
        if event["ph"] == "X":
            assert event["ts"] >= 0
            assert event["dur"] >= 0
            slices[event["tid"]].append((event["ts"], event["ts"] + event["dur"]))
    for row in slices.values():
        row.sort()
        assert all(first[1] <= second[0] for first, second in itertools.pairwise(row)), "they overlap on one track"
    assert {event["tid"] for event in events if event["name"] == "thread_name"} == slices.keys()
    flows = defaultdict(list)
    for event in events:
        if event["ph"] in "stf":
            flows[event["id"]].append(event)
            assert any(begin <= event["ts"] <= end for begin, end in slices[event["tid"]]), "an arrow from or to nowhere"
    for flow in flows.values():
        kinds = Counter(event["ph"] for event in flow)
        assert kinds["s"] == kinds["f"] == 1
        assert (flow[0]["ph"], flow[-1]["ph"]) == ("s", "f")
    return list(events)


def arrow(events: list[dict[str, Any]], number: int) -> list[tuple[str, str]]:
    """The points of an arrow: its kind, and the track's name."""
    names = {event["tid"]: event["args"]["name"] for event in events if event["name"] == "thread_name"}
    return [(event["ph"], names[event["tid"]]) for event in events if event.get("id") == number]


def test_from_the_call_over_the_run_to_the_get() -> None:
    one = attempt(1, 10_000, 20_000, name="by hand", code_name="f")
    events = checked([one], [got(1, 5_000, 21_000), got(1, 30_000, 30_000)])
    assert arrow(events, 1) == [("s", "driver: calls"), ("t", "worker 7"), ("f", "driver: get")]
    assert [event["name"] for event in events if event["ph"] == "X"] == ["f", "f.remote()", "get(f)", "get(f)"]
    assert next(event["cat"] for event in events if event["name"] == "f") == "task::by hand"


def test_calls_and_gets_of_a_task_are_drawn_in_it() -> None:
    other = b"v" * 28
    parent = attempt(1, 1_000, 9_000)
    child = attempt(2, 3_000, 4_000, parent_id=parent.task_id, caller_id=parent.worker_id, called_ns=2_000, worker_id=other, pid=8)
    events = checked([child, parent], [got(2, 2_500, 5_000, parent.task_id, parent.worker_id)])
    number = next(event["id"] for event in events if event["ph"] == "t")
    assert arrow(events, number) == [("s", "worker 7"), ("t", "worker 8"), ("f", "worker 7")]


def test_a_call_that_was_tried_again_and_never_got() -> None:
    events = checked([attempt(1, 1_000, 2_000), attempt(1, 3_000, 4_000, attempt=1, called_ns=990)], [])
    assert [kind for kind, _ in arrow(events, 1)] == ["s", "t", "f"]


def test_what_one_get_brought_is_one_slice() -> None:
    attempts = [attempt(1, 1_000, 2_000), attempt(2, 2_000, 3_000, called_ns=1_500)]
    events = checked(attempts, [got(1, 500, 4_000), got(2, 500, 4_000)])
    assert [event["name"] for event in events if event["name"].startswith("get(")] == ["get(2 objects)"]


@given(st.lists(st.tuples(st.integers(1, 9), *[st.integers(0, 5_000)] * 4), max_size=12))
def test_any_session(drawn: list[tuple[int, int, int, int, int]]) -> None:
    attempts, gets = [], []
    for at, (parent, wait, length, rest, gap) in enumerate(drawn, 10):
        called = 200 * at
        begin = called + 100 + wait
        task = bytes([parent]) * 24
        attempts.append(attempt(at, begin, begin + length, called_ns=called, parent_id=task, worker_id=bytes([gap % 3]) * 28))
        gets.append(got(at, begin, begin + length + rest, task))
    checked(attempts, gets)
    checked(attempts, [])
    checked([], gets)
