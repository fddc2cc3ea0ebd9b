"""What a driver of a cluster pickles for stock workers, without a cluster."""

from __future__ import annotations

import pickletools
import re
from collections.abc import Iterator
from typing import Any

import pytest

import mobula
from mobula._values import pickling, rayhandle, stock
from mobula.util import dask, metrics
from mobula.util.multiprocessing import pool
from mobula.util.queue import _QueueActor

OWNER = b"owner's address"


@pytest.fixture(autouse=True)
def stock_session() -> Iterator[None]:
    stock.enter(OWNER)
    yield
    stock.leave()


def texts(pickled: bytes) -> set[Any]:
    return {argument for _, argument, _ in pickletools.genops(pickled) if isinstance(argument, (str, bytes))}


def test_nothing_of_ours_is_named() -> None:
    def function(x: int) -> Any:
        return mobula.get(x), mobula.exceptions.RayError, add.options(num_cpus=1)

    @mobula.remote(num_cpus=2)
    def add(a: int) -> int:
        return a

    said = texts(pickling.dumps(function))
    assert {"ray", "ray:remote", "ray.cloudpickle.cloudpickle:_make_function"} <= said
    named = {text for text in said if isinstance(text, str) and re.match(r"(mobula|cloudpickle)\b", text)}
    assert named <= {"mobula"}  # the name of a global, not of a module


def test_what_was_written_is_read_back() -> None:
    for value in (mobula.exceptions.RayError, mobula.get, lambda: 5):
        found = pickling.loads(pickling.dumps(value), ())
        assert found is value or found() == 5
    stock.leave()
    assert b"resolve_name" not in pickling.dumps(lambda: 5)


def test_what_ray_has_not_travels_itself() -> None:
    for ours in (pool._Runner, dask._evaluate):
        said = texts(pickling.dumps(ours))
        assert not [text for text in said if isinstance(text, str) and text.startswith("ray.util")], ours
        assert said & {"ray.cloudpickle.cloudpickle:_make_function", "ray.cloudpickle.cloudpickle:_make_skeleton_class"}
    assert "ray.util.queue:_QueueActor" in texts(pickling.dumps(_QueueActor)), "Ray's own actor behind Ray's own queue"


def test_a_metric_is_made_anew_where_it_arrives() -> None:
    for metric in (
        metrics.Counter("pickled_count", "of what", ("k",)).set_default_tags({"k": "v"}),
        metrics.Histogram("pickled_times", "of what", [1.0, 2.0]),
    ):
        assert pickling.loads(pickling.dumps(metric), ()).info == metric.info
    assert "_kept" not in texts(pickling.dumps(metric)), "Ray's has attributes of its own"


def test_the_address_of_the_drivers_node() -> None:
    assert rayhandle.ip_address(b"\x0a\x02id\x12\x0810.0.0.7\x18\x10") == "10.0.0.7"


def test_references_carry_their_owner() -> None:
    mine, other = mobula.ObjectRef(b"m" * 28), mobula.ObjectRef(b"o" * 28)
    here = stock.current()
    assert here is not None
    here.owners[b"o" * 28] = b"another"
    assert {OWNER, "ray._private.serialization:_object_ref_deserializer"} <= texts(pickling.dumps(mine))
    pickled = pickling.dumps(other)
    assert b"another" in texts(pickled)
    here.owners.clear()
    assert pickling.loads(pickled, ()) == other
    assert here.owners == {b"o" * 28: b"another"}


def test_handles() -> None:
    fields: dict[str, Any] = {
        "actor_id": b"a" * 16, "caller": b"c" * 24, "owner": OWNER, "job_id": b"jjjj", "module": "m", "class_name": "C",
        "function_hash": "h", "cursor": b"o" * 28, "is_async": False, "max_task_retries": -1, "name": "n", "namespace": "s",
        "out_of_order": True, "max_pending_calls": -1, "events": True, "detached": True, "description": b"ours",
    }  # fmt: skip
    message = rayhandle.write(**fields)
    assert rayhandle.read(message) == (b"a" * 16, b"ours", b"jjjj", "C", "m", "h", -1, True, -1, True, 0)
    assert rayhandle.read(rayhandle.write(**{**fields, "description": b""})).ours == b""
    for broken in (message[:-10000] + b"\x0b", b"\x80" * 11):
        with pytest.raises(ValueError, match="no handle"):
            rayhandle.read(broken)
