"""What stays the same from call to call of one function with one set of options, encoded once.

Owns the way from options to TaskSpec fields: defaults, resources, retries. The result is bytes; a call appends its task id,
its parent and its arguments, which protobuf allows, and sends.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from mobula import runtime_env
from mobula._core.context import current as current_task
from mobula._core.context import knows_canceled
from mobula.strategies import spec_fields

if TYPE_CHECKING:
    from mobula._core.pb import boundary_pb2 as pb
    from mobula._core.process import Process
    from mobula.returns import Returns

DEFAULT_MAX_RETRIES = 3
# Ray reserves this much of a resource named after the accelerator, so that the task lands where there is one.
_ACCELERATOR_SHARE = 0.001

_NIL = b"\xff" * 20


def resources(options: Mapping[str, Any], *, default_cpus: float) -> dict[str, float]:
    """What the options ask for, without zeros. GPU, memory and custom names as Ray spells them."""
    wanted: dict[str, float] = dict(options.get("resources") or {})
    cpus = options.get("num_cpus")
    wanted["CPU"] = default_cpus if cpus is None else cpus
    for keyword, name in (("num_gpus", "GPU"), ("memory", "memory"), ("object_store_memory", "object_store_memory")):
        if options.get(keyword):
            wanted[name] = options[keyword]
    if options.get("accelerator_type"):
        wanted[f"accelerator_type:{options['accelerator_type']}"] = _ACCELERATOR_SHARE
    return {name: float(quantity) for name, quantity in wanted.items() if quantity}


def retries(options: Mapping[str, Any], *, keyword: str, default: int) -> int:
    """max_retries or max_task_retries; None counts as not given."""
    value = options.get(keyword)
    return default if value is None else int(value)


def retry_exceptions(value: object) -> tuple[bool, bytes]:
    """The two fields of TaskSpec that `retry_exceptions` becomes."""
    if not isinstance(value, (list, tuple)):
        return bool(value), b""
    if not value:
        return False, b""
    from mobula.serialization import dumps

    return True, dumps(tuple(value))


def task_template(options: Mapping[str, Any], *, name: str, function_id: bytes, returns: Returns) -> bytes:
    """The constant part of a normal task's spec."""
    from mobula._core.pb import boundary_pb2 as pb

    retry, allowlist = retry_exceptions(options.get("retry_exceptions", False))
    return pb.TaskSpec(
        type=pb.NORMAL_TASK,
        name=options.get("name") or name,
        code_name=name if options.get("name") else "",
        function_id=function_id,
        **returns.fields(),
        resources=resource_list(resources(options, default_cpus=1)),
        max_retries=retries(options, keyword="max_retries", default=DEFAULT_MAX_RETRIES),
        retry_exceptions=retry,
        retry_allowlist=allowlist,
        depth=1,
        runtime_env=runtime_env.encode(options.get("runtime_env")),
        **spec_fields(options),
        max_calls=options.get("max_calls") or 0,
        no_events=options.get("enable_task_events") is False,
    ).SerializeToString()


def resource_list(amounts: Mapping[str, float]) -> list[pb.Resource]:
    """Amounts as messages, in the order of their names."""
    from mobula._core.pb import boundary_pb2 as pb

    return [pb.Resource(name=name, amount=amount) for name, amount in sorted(amounts.items())]


def call_fields(process: Process, task_id: bytes) -> bytes:
    """The fields of TaskSpec that name a call: its own id and the task that makes it."""
    context = current_task.get()
    if context is None:
        return b"\x12\x18%b\x1a\x18%b%b" % (task_id, _NIL, process.job_id)
    # TaskSpec.told is field 61: a tag of two bytes. Read here, before the core can have seen anything of this call.
    told = b"\xe8\x03\x01" if knows_canceled(context) else b""
    return b"\x12\x18%b\x1a\x18%b%b" % (task_id, context.task_id, told)
