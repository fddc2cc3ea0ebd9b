"""Runs are read quickly from bytes that look as usual, by protobuf from all others: both ways mean the same."""

from __future__ import annotations

import random
from typing import Any

import pytest

from mobula._core import runs
from mobula._core.pb import boundary_pb2 as pb
from mobula._core.runs import Run

ACTOR = bytes(range(16))
CPU = pb.Resource(name="CPU", amount=1)


def method(number: int = 1, name: str = "method", **fields: Any) -> pb.TaskSpec:
    task_id = number.to_bytes(8, "big") + ACTOR
    fields = {"num_returns": 1, "parent_task_id": b"p" * 24, "depth": 1, **fields}
    return pb.TaskSpec(type=pb.ACTOR_TASK, task_id=task_id, name=f"A.{name}", method=name, actor_id=ACTOR, **fields)


def task(number: int = 1, **fields: Any) -> pb.TaskSpec:
    fields = {"num_returns": 1, "function_id": b"f" * 28, "resources": [CPU], "max_retries": 3, **fields}
    return pb.TaskSpec(task_id=number.to_bytes(24, "big"), parent_task_id=b"p" * 24, name="f", **fields)


MESSAGES = {
    "method": pb.RunTask(spec=method(), epoch=7, generation=1, ticket=True),
    "large numbers": pb.RunTask(spec=method(), epoch=1 << 63, generation=(1 << 64) - 1, attempt=300, ticket=True),
    "no numbers": pb.RunTask(spec=method()),
    "no parent": pb.RunTask(spec=method(parent_task_id=b""), epoch=1),
    "other parent": pb.RunTask(spec=method(parent_task_id=b"q" * 24), epoch=1),
    "task": pb.RunTask(spec=task(), epoch=9, generation=2, ticket=True),
    "function": pb.RunTask(spec=task(), epoch=9, function=pb.Value(data=b"bytes")),
    "gpus": pb.RunTask(spec=task(), epoch=9, gpus=[0, 2]),
    "name": pb.RunTask(spec=method(), epoch=9, actor_name="named"),
    "arguments": pb.RunTask(spec=method(args=[pb.Arg(value=pb.Value(data=b"1", metadata=b"RAW"))]), epoch=3),
    "keyword": pb.RunTask(spec=method(args=[pb.Arg(keyword="k", has_keyword=True, ref=b"r" * 28)]), epoch=3),
    "stream": pb.RunTask(spec=method(streaming=True, backpressure=5), epoch=3),
    "dynamic": pb.RunTask(spec=task(dynamic=True, placement=pb.Placement(group_id=b"g" * 18, bundle=-1, capture=True)), epoch=3),
    "environment": pb.RunTask(spec=task(runtime_env=b'{"env_vars": {}}'), epoch=3),
    "long": pb.RunTask(spec=method(name="m" * 2000), epoch=3),
    "short id": pb.RunTask(spec=pb.TaskSpec(task_id=b"short", name="f"), epoch=3),
}


@pytest.fixture(autouse=True)
def nothing_known() -> None:
    runs._shapes.clear()


def facts(run: Run) -> dict[str, Any]:
    numbers = (run.task_id, run.epoch, run.generation, run.attempt, run.ticket, run.bare, list(run.gpus))
    return {"numbers": numbers, "message": run.message} | {name: getattr(run.shape, name) for name in runs.Shape.__slots__}


@pytest.mark.parametrize("name", MESSAGES)
def test_a_run_is_the_same_at_first_sight_and_later(name: str) -> None:
    message = MESSAGES[name]
    expected = facts(Run.of(message))
    for _ in range(3):
        found = runs.read(pb.ToShim(run=[message]).SerializeToString())
        assert found is not None
        assert [facts(one) for one in found[1]] == [expected]


@pytest.mark.parametrize("seed", range(10))
def test_any_mixture_in_one_message(seed: int) -> None:
    dice = random.Random(seed)
    messages = [dice.choice(list(MESSAGES.values())) for _ in range(100)]
    found = runs.read(pb.ToShim(run=messages).SerializeToString())
    assert found is not None
    assert [facts(one) for one in found[1]] == [facts(Run.of(one)) for one in messages]


@pytest.mark.parametrize("applied", [0, 1, 127, 128, 300, 1 << 40, (1 << 64) - 1])
def test_an_ack_goes_with_the_runs(applied: int) -> None:
    messages = [MESSAGES["method"], MESSAGES["task"]]
    found = runs.read(pb.ToShim(applied=applied, run=messages).SerializeToString())
    assert found is not None
    assert found[0] == applied
    assert [facts(one) for one in found[1]] == [facts(Run.of(one)) for one in messages]


def test_calls_of_a_method_share_one_shape_and_keep_their_ids() -> None:
    for number in range(1, 50):
        message = pb.RunTask(spec=method(number, parent_task_id=number.to_bytes(24, "big")), epoch=number)
        _, (run,) = runs.read(pb.ToShim(run=[message]).SerializeToString()) or (0, ())
        assert run.message == message
        assert run.task_id == message.spec.task_id
    assert len(runs._shapes) == 1


def test_shapes_do_not_pile_up() -> None:
    for number in range(3 * runs._KEPT):
        runs.read(pb.ToShim(run=[pb.RunTask(spec=method(name=f"m{number}"))]).SerializeToString())
    assert len(runs._shapes) <= runs._KEPT
    for number in range(100):
        args = [pb.Arg(value=pb.Value(data=b"%d" % number, metadata=b"RAW"))]
        runs.read(pb.ToShim(run=[pb.RunTask(spec=method(args=args))]).SerializeToString())
    assert len(runs._shapes) <= runs._KEPT


@pytest.mark.parametrize(
    "message",
    [
        pb.ToShim(applied=5),
        pb.ToShim(run=[MESSAGES["method"]], cancel=[pb.CancelRun(task_id=b"t" * 24)]),
        pb.ToShim(reply=pb.Reply(id=1)),
        pb.ToShim(exit=pb.Exit(now=True)),
    ],
    ids=["ack", "cancel", "reply", "exit"],
)
def test_what_brings_more_than_runs_is_left_to_the_reader_of_messages(message: pb.ToShim) -> None:
    assert runs.read(message.SerializeToString()) is None


def test_a_message_cut_anywhere_is_no_run_and_no_crash() -> None:
    whole = pb.ToShim(applied=300, run=[MESSAGES["method"]]).SerializeToString()
    assert runs.read(whole)
    for size in range(1, len(whole)):
        assert runs.read(whole[:size]) is None
