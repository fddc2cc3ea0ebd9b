"""Ids: Ray's layouts, byte for byte. The literal ids were made by Ray 2.60."""

from __future__ import annotations

import hashlib
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mobula._core import ids

JOB = b"\x01\0\0\0"
FIRST_PUT_OF_A_DRIVER = "00ffffffffffffffffffffffffffffffffffffff0100000001e1f505"
DRIVER_TASK = "ffffffffffffffffffffffffffffffffffffffff01000000"

CLASSES = [ids.JobID, ids.ActorID, ids.TaskID, ids.ObjectID, ids.WorkerID, ids.NodeID, ids.FunctionID, ids.PlacementGroupID]


def test_the_first_put_of_a_driver() -> None:
    assert ids.driver_task_id(JOB).hex() == DRIVER_TASK
    assert ids.put_id(ids.driver_task_id(JOB), 1).hex() == FIRST_PUT_OF_A_DRIVER


def test_an_object_id_tells_its_task_and_job() -> None:
    ref = ids.ObjectID.from_hex(FIRST_PUT_OF_A_DRIVER)
    assert ref.task_id().hex() == "00" + DRIVER_TASK[2:]
    assert ref.job_id() == ids.JobID.from_int(1)
    assert ref.index() == ids.PUT_INDEX_BASE + 1


@pytest.mark.parametrize("cls", CLASSES, ids=lambda c: c.__name__)
def test_the_value_classes(cls: type[ids.BaseID]) -> None:
    one = cls.from_random()
    assert cls(one.binary()) == one == cls.from_hex(one.hex()) == cls.from_binary(one.binary())
    assert hash(cls(one.binary())) == hash(one)
    assert pickle.loads(pickle.dumps(one)) == one
    assert len(one.binary()) == cls.size()
    assert repr(one) == f"{cls.__name__}({one.hex()})"
    assert cls.nil().is_nil()
    assert not one.is_nil()
    assert one != one.binary()
    with pytest.raises(ValueError, match="bytes"):
        cls(b"x")
    with pytest.raises(TypeError, match="str"):
        cls("x" * cls.size())  # type: ignore[arg-type]


def test_ids_of_different_classes_are_never_equal() -> None:
    assert ids.WorkerID(b"a" * 28) != ids.NodeID(b"a" * 28)
    assert len({ids.WorkerID(b"a" * 28), ids.NodeID(b"a" * 28)}) == 2


@given(parent=st.binary(min_size=24, max_size=24), counter=st.integers(1, 2**63), job=st.binary(min_size=4, max_size=4))
def test_derivations_carry_their_parents(parent: bytes, counter: int, job: bytes) -> None:
    actor = ids.new_actor_id(job, parent, counter, 123)
    assert ids.ActorID(actor).job_id().binary() == job
    assert actor != ids.new_actor_id(job, parent, counter, 124)
    creation = ids.actor_creation_task_id(actor)
    call = ids.actor_task_id(actor, job, parent, counter)
    task = ids.normal_task_id(job, parent, counter)
    assert task[:8] == call[:8] == hashlib.sha256(job + parent + counter.to_bytes(8, "little")).digest()[:8]
    assert ids.actor_of_task(creation) == ids.actor_of_task(call) == actor
    assert ids.has_actor(creation)
    assert ids.has_actor(call)
    assert not ids.has_actor(task)
    assert ids.job_of_task(task) == ids.job_of_task(call) == job
    assert ids.actor_of_handle(ids.actor_handle_id(actor)) == actor
    assert ids.task_of_object(ids.return_id(task, 1)) == task


def test_returns_puts_and_generator_items_of_a_task_never_meet() -> None:
    task = ids.normal_task_id(JOB, ids.driver_task_id(JOB), 1)
    assert ids.generator_item_id(task, 0) == ids.return_id(task, 2)
    assert ids.put_id(task, 1, attempt=2)[0] == 2
    assert ids.put_id(task, 1, attempt=2)[1:24] == task[1:]
    assert ids.put_id(task, 1)[24:] == (100_000_001).to_bytes(4, "little")


def test_other_layouts() -> None:
    assert ids.driver_worker_id(JOB) == JOB + b"\xff" * 24
    assert ids.JobID.from_int(7).int() == 7
    assert len(ids.function_id("m", "f", "", "h")) == 28
    assert ids.function_id("m", "f", "", "h") == hashlib.shake_128(b"mfh").digest(28)


def test_ids_of_many_children_are_those_of_one() -> None:
    job, parent, actor = ids.job_id(7), bytes(range(24)), bytes(range(16))
    family = ids.family(job, parent)
    for counter in (1, 2, 255, 256, 1 << 40):
        assert ids.child_unique(family, counter) + ids.no_actor(job) == ids.normal_task_id(job, parent, counter)
        assert ids.child_unique(family, counter) + actor == ids.actor_task_id(actor, job, parent, counter)
