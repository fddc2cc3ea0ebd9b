"""Shorthands of the session client's tests: submit, put, refs."""

from __future__ import annotations

from typing import Any

from mobula._core.pb import boundary_pb2 as pb
from mobula._core.process import Process
from mobula.object_ref import ObjectRef
from mobula.serialization import error_value, serialize


def inline(value: Any) -> pb.Value:
    """A small value as a message."""
    serialized = serialize(value)
    return pb.Value(data=serialized.to_bytes(), metadata=serialized.metadata)


def failure(error: Exception) -> pb.Value:
    """An error value as a message."""
    serialized = error_value(error, function_name="f")
    return pb.Value(data=serialized.to_bytes(), metadata=serialized.metadata)


def submit(process: Process, value: Any = None, name: str = "f") -> ObjectRef[Any]:
    """A task whose result the fake core makes of its argument."""
    given = value if isinstance(value, pb.Value) else process.store(serialize(value))
    return submit_value(process, given, name)


def submit_value(process: Process, value: pb.Value, name: str = "f") -> ObjectRef[Any]:
    task_id = process.new_task_id()
    spec = pb.TaskSpec(task_id=task_id, name=name, num_returns=1, args=[pb.Arg(value=value)])
    ref = ObjectRef._called(task_id + b"\1\0\0\0")
    process.mutate(pb.Mutation(submit=spec))
    ref._counted()
    return ref


def put(process: Process, value: Any) -> ObjectRef[Any]:
    object_id = process.next_put_id()
    ref = ObjectRef._called(object_id)
    ref._value = process.put(serialize(value), object_id)
    ref._counted()
    return ref
