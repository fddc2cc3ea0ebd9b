"""The runtime context: what it says in a driver, in a task, and about the process that asks."""

from __future__ import annotations

import timeit
from typing import Any

import pytest
from api_kit import JOB, NODE, Unattached, attached

import mobula
from mobula import runtime_context
from mobula._core import context as task_context
from mobula._core import ids

__all__ = ["attached"]

TASK = b"t" * 8 + b"\xff" * 12 + JOB


@pytest.fixture(autouse=True)
def _forget() -> Any:
    yield
    runtime_context.forget()


@pytest.fixture
def in_task(attached: Unattached, monkeypatch: pytest.MonkeyPatch) -> Any:
    attached.mode = "worker"
    task = task_context.TaskContext(task_id=TASK, task_name="named", function_name="m.f", slot=1, epoch=5, resources={"CPU": 1.0})
    token = task_context.current.set(task)
    words = memoryview(bytearray(64)).cast("Q")
    monkeypatch.setattr(task_context, "_words", words)
    monkeypatch.setattr(task_context, "_is_worker", True)
    yield words
    task_context.current.reset(token)


def test_a_driver(attached: Unattached) -> None:
    context = mobula.get_runtime_context()
    assert (context.get_job_id(), context.get_node_id()) == (JOB.hex(), NODE.hex())
    assert context.get_worker_id() == ids.driver_worker_id(JOB).hex()
    assert context.namespace == "tests"
    nothing = (context.get_task_id(), context.get_actor_id(), context.get_task_name(), context.get_task_function_name())
    assert nothing == (None, None, None, None)
    assert context.get_actor_name() is None
    assert set(context.get()) == {"job_id", "node_id", "namespace"}
    assert context.get_placement_group_id() is None
    assert context.current_placement_group_id.is_nil()
    for question in (
        context.get_assigned_resources,
        lambda: context.task_id,
        lambda: context.actor_id,
        lambda: context.was_current_actor_reconstructed,
    ):
        with pytest.raises(AssertionError, match="worker"):
            question()
    with pytest.raises(RuntimeError, match="only available in an actor"):
        _ = context.current_actor
    with pytest.raises(RuntimeError, match="only available when the process is a worker"):
        context.is_canceled()


def test_a_task(in_task: Any) -> None:
    context = mobula.get_runtime_context()
    assert context.get_task_id() == TASK.hex()
    assert context.task_id == mobula.TaskID(TASK)
    assert (context.get_task_name(), context.get_task_function_name()) == ("named", "m.f")
    assert context.get_assigned_resources() == {"CPU": 1.0}
    assert context.actor_id is None
    assert context.get_actor_id() is None
    assert set(context.get()) == {"job_id", "node_id", "namespace", "task_id"}
    assert context.get_accelerator_ids() == {"GPU": []}
    assert mobula.get_gpu_ids() == []
    assert context.is_canceled() is False
    in_task[1] = 5 << 1 | 1
    assert context.is_canceled() is True
    in_task[1] = 4 << 1 | 1
    assert context.is_canceled() is False


def test_gpus(in_task: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from mobula._worker import environment

    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3,GPU-af03")
    worker = environment.Environment()
    worker.apply({"GPU": 2.0}, [0, 1])
    assert mobula.get_gpu_ids() == [3, "GPU-af03"]
    assert mobula.get_runtime_context().get_accelerator_ids() == {"GPU": ["3", "GPU-af03"]}
    worker.apply({})
    assert mobula.get_gpu_ids() == []


def test_the_context_is_one_object_and_looks_again_after_a_session(attached: Unattached, monkeypatch: pytest.MonkeyPatch) -> None:
    assert mobula.get_runtime_context() is mobula.get_runtime_context()
    runtime_context.forget()
    started = []
    monkeypatch.setattr(runtime_context.session, "process", lambda: started.append(1))
    mobula.get_runtime_context()
    assert started


def test_asking_whether_it_is_canceled_makes_few_calls(in_task: Any) -> None:
    # The gate is 150 ns, measured by the benchmark; here only that nobody made it a hundred times dearer.
    mobula.get_runtime_context()
    took = min(timeit.repeat("ask().is_canceled()", globals={"ask": mobula.get_runtime_context}, number=2000, repeat=5)) / 2000
    assert took < 15e-6
