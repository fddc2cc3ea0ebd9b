"""The functions of the API: get, put, wait, cancel, kill, get_actor, and what the cluster has.

Owns the checks of arguments, with Ray's exception types; what is right goes to the session client.
"""

from __future__ import annotations

import json
import operator
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar, overload

from mobula import arguments, resources, session
from mobula._core import ids
from mobula.actor_handle import ActorHandle, requested
from mobula.init_options import check_namespace
from mobula.object_ref import ObjectRef
from mobula.object_ref_generator import ObjectRefGenerator, wait_for
from mobula.runtime_context import gpu_ids
from mobula.serialization import serialize

if TYPE_CHECKING:
    from mobula._core.process import Process

T = TypeVar("T")
W = TypeVar("W", bound=ObjectRef[Any] | ObjectRefGenerator[Any])


@overload
def get(object_refs: ObjectRef[T], *, timeout: float | None = None, _use_object_store: bool = False) -> T: ...
@overload
def get(
    object_refs: ObjectRefGenerator[T], *, timeout: float | None = None, _use_object_store: bool = False
) -> ObjectRefGenerator[T]: ...
@overload
def get(object_refs: Sequence[ObjectRef[T]], *, timeout: float | None = None, _use_object_store: bool = False) -> list[T]: ...
def get(object_refs: Any, *, timeout: float | None = None, _use_object_store: bool = False) -> Any:
    """The value of a ref, or a list of values of a list of refs; waits until they are there.

    `timeout` in seconds: None waits for ever, 0 only looks. Raises GetTimeoutError when it is over, the task's own error when
    it failed, TaskCancelledError when it was canceled, ValueError for what is neither a ref nor a list and for a negative
    timeout, TypeError for a list that holds something else.

    >>> import mobula
    >>> mobula.get([mobula.put(1), mobula.put(2)], timeout=10)
    [1, 2]
    """
    if timeout is not None:
        _check_timeout(timeout)
    if isinstance(object_refs, ObjectRef):
        values: list[Any] = session.process().get((object_refs,), timeout)
        return values[0]
    if isinstance(object_refs, ObjectRefGenerator):
        return object_refs  # as Ray: its items are what there is to get
    if not isinstance(object_refs, list):
        raise ValueError(f"get() takes an ObjectRef or a list of ObjectRefs, not {object_refs!r} of type {_type_name(object_refs)}")
    for one in object_refs:
        if not isinstance(one, ObjectRef):
            raise TypeError(f"get() takes a list of ObjectRefs, and this list holds {one!r} of type {_type_name(one)}")
    return session.process().get(object_refs, timeout)


def put(value: T, *, _owner: Any = None, _tensor_transport: str | None = None) -> ObjectRef[T]:
    """Stores a value and returns a ref to it, which tasks and actors may be given.

    Raises TypeError for an ObjectRef (put it inside a list if that is meant) and for what cannot be pickled,
    ObjectStoreFullError when there is no room.
    """
    if isinstance(value, ObjectRef):
        raise TypeError("put() of an ObjectRef would make a ref to a ref: pass the ref itself, or put it inside a list")
    if _owner is not None:
        raise ValueError("put(_owner=) was removed in Ray 2.56: the process that puts owns the object")
    if _tensor_transport not in (None, "", "object_store", "OBJECT_STORE"):
        raise NotImplementedError("put(_tensor_transport=): only the object store carries values in mobula")
    process = session.process()
    try:
        serialized = serialize(value)
    except TypeError as error:
        raise TypeError(arguments.unpicklable("value", "", value, "put()", error)) from error
    return arguments.process_put(process, serialized)


def wait(
    ray_waitables: list[W],
    *,
    num_returns: int = 1,
    timeout: float | None = None,
    fetch_local: bool = True,
) -> tuple[list[W], list[W]]:
    """Waits until `num_returns` of the refs are ready (or failed); returns (ready, not ready), each in the given order.

    `timeout` in seconds: None waits for ever, 0 only looks. Never more than `num_returns` are in the first list. Raises
    TypeError for what is not a list of refs, ValueError for duplicates, an impossible `num_returns` or a negative timeout.
    """
    only_refs = _check_waitables(ray_waitables)
    if timeout is not None:
        _check_timeout(timeout)
    if not ray_waitables:
        return [], []
    if len(set(map(_id_of, ray_waitables)) if only_refs else set(ray_waitables)) != len(ray_waitables):
        raise ValueError("wait() takes each ref once, and this list holds one twice")
    if num_returns <= 0:
        raise ValueError(f"wait(num_returns=) takes a number from 1 on, not {num_returns}")
    if num_returns > len(ray_waitables):
        raise ValueError(f"wait(num_returns={num_returns}) is more than the {len(ray_waitables)} refs that were given")
    return wait_for(session.process(), ray_waitables, operator.index(num_returns), timeout)


def cancel(ray_waitable: ObjectRef[Any] | ObjectRefGenerator[Any], *, force: bool = False, recursive: bool = True) -> None:
    """Cancels the task that makes this object, or a generator's items; does not wait for it to stop.

    A task that has not started never runs. A running task gets KeyboardInterrupt, or is killed with `force=True`. A running
    method of a sync or threaded actor is told through `get_runtime_context().is_canceled()`, one of an async actor through
    asyncio.CancelledError. `get` then raises TaskCancelledError. With `recursive`, what the task has submitted is canceled
    too. What is finished, or was put, stays as it is.

    Raises TypeError for what is not an ObjectRef, ValueError for `force=True` on an actor task.
    """
    if isinstance(ray_waitable, ObjectRefGenerator):
        ray_waitable = ray_waitable._generator_ref
    if not isinstance(ray_waitable, ObjectRef):
        raise TypeError(
            f"cancel() takes an ObjectRef, not {ray_waitable!r} of type {_type_name(ray_waitable)}; for actors there is kill()"
        )
    process = session.process()
    object_id = ray_waitable._id
    if force and ids.has_actor(ids.task_of_object(object_id)) and not ids.is_put(object_id):
        raise ValueError(
            "cancel(force=True) is not for actor tasks: it would take the actor's state with it; use kill() if that is meant"
        )
    process.cancel(ray_waitable, bool(force), bool(recursive))


def kill(actor: ActorHandle[Any] | type[Any], *, no_restart: bool = True) -> None:
    """Ends an actor at once: running and queued methods fail with ActorDiedError, `__init__`'s state is lost.

    With `no_restart=False` an actor with `max_restarts` comes back. Raises ValueError for what is not an actor handle.
    """
    if not isinstance(actor, ActorHandle):
        raise ValueError(f"kill() takes an actor handle, not {actor!r} of type {_type_name(actor)}; for tasks there is cancel()")
    from mobula._core.pb import boundary_pb2 as pb

    session.process().mutate(pb.Mutation(kill_actor=pb.KillActor(actor_id=actor._actor, no_restart=bool(no_restart))))


def get_actor(name: str, namespace: str | None = None) -> ActorHandle[Any]:
    """A handle of the named actor; of the current namespace when none is given.

    Raises ValueError when there is none of this name, or the name is empty, TypeError for what is not a text.
    """
    if not name:
        raise ValueError("get_actor() needs a name that is not empty")
    if not isinstance(name, str):
        raise TypeError(f"get_actor() takes a name, not {name!r} of type {_type_name(name)}")
    check_namespace(namespace)
    from mobula._core.pb import boundary_pb2 as pb

    process = session.process()
    where = namespace or process.namespace
    try:
        return requested(process, pb.Request(lookup_actor=pb.LookupActor(name=name, namespace=where)))
    except ValueError as error:
        raise ValueError(
            f"there is no actor named {name!r} in namespace {where!r}: it was never created there, or has ended"
        ) from error


def cluster_resources() -> dict[str, float]:
    """What the session has in all, by resource. Raises RaySystemError where no session runs.

    What placement groups have reserved is also listed under names of their own, like "CPU_group_<id>" and, for each bundle,
    "CPU_group_0_<id>".
    """
    info = _cluster_info()
    return {one.name: one.amount for one in (*info.total, *info.groups_total)}


def available_resources() -> dict[str, float]:
    """What is free now, by resource; what is used up is not listed. Raises RaySystemError where no session runs.

    What a placement group has reserved is free in it, under names of its own, and for nobody else.
    """
    info = _cluster_info()
    return {one.name: one.amount for one in (*info.available, *info.groups_available) if one.amount}


def nodes() -> list[dict[str, Any]]:
    """The machines of the session: one, described with Ray's keys. Raises RaySystemError where no session runs."""
    import socket

    process = _running()
    info = _cluster_info()
    if info.nodes:
        return [_node_of_cluster(one) for one in info.nodes]
    node_id = process.node_id.hex()
    return [
        {
            "NodeID": node_id,
            "Alive": True,
            "NodeManagerAddress": resources.NODE_ADDRESS,
            "NodeManagerHostname": socket.gethostname(),
            "NodeManagerPort": 0,
            "ObjectManagerPort": 0,
            "ObjectStoreSocketName": "",
            "RayletSocketName": process.session.socket_path,
            "MetricsExportPort": -1,
            "MetricsAgentPort": -1,
            "DashboardAgentListenPort": -1,
            "NodeName": info.node_name or resources.NODE_ADDRESS,
            "RuntimeEnvAgentPort": 0,
            "DeathReason": 0,
            "DeathReasonMessage": "",
            "alive": True,
            "Resources": {one.name: one.amount for one in info.total},
            "Labels": dict(info.labels),
        }
    ]


def _node_of_cluster(node: Any) -> dict[str, Any]:
    """A node of a cluster, with those of Ray's keys whose values are known."""
    return {
        "NodeID": node.node_id.hex(),
        "Alive": node.alive,
        "alive": node.alive,
        "NodeManagerAddress": node.address,
        "NodeManagerHostname": node.hostname,
        "NodeName": node.name or node.address,
        "Resources": dict(node.total) if node.alive else {},
        "Labels": dict(node.labels),
    }


def get_gpu_ids() -> list[Any]:
    """The GPUs that the calling task or actor holds; [] elsewhere."""
    return gpu_ids() if session.is_initialized() else []


def timeline(filename: str | None = None) -> list[dict[str, Any]] | None:
    """What ran when, as events of Chrome's trace viewer (chrome://tracing, ui.perfetto.dev): one for each attempt of a task that
    has ended, the last 100,000 of them. Without those of `enable_task_events=False`. In a Ray cluster they are those of all its
    drivers, and an attempt is there when its worker has told of it, a second later.

    With a `filename` it is written there as JSON, and the result is None. Raises RuntimeError where no session runs.
    """
    process = session.current()
    if process is None:
        raise RuntimeError("mobula has not been started: timeline() tells what happened in a session, call mobula.init() first")
    from mobula import events

    trace = events.cluster_trace(process) if session.in_cluster() else events.chrome_trace(process)
    if filename is None:
        return trace
    with open(filename, "w", encoding="utf-8") as out:
        json.dump(trace, out)
    return None


def _cluster_info() -> Any:
    from mobula._core.pb import boundary_pb2 as pb

    return _running().request(pb.Request(cluster_info=pb.ClusterInfo())).cluster_info


def _running() -> Process:
    process = session.current()
    if process is None:
        from mobula.exceptions import RaySystemError

        raise RaySystemError("mobula has not been started: call mobula.init() before asking about its resources")
    return process


_id_of: Callable[[Any], bytes] = operator.attrgetter("_id")


def _check_waitables(given: object) -> bool:
    """Whether there are plain refs alone: loops over wait() pay for each ref that is left, each time."""
    if isinstance(given, ObjectRef):
        raise TypeError(f"wait() takes a list of ObjectRefs, and got a single one: wait([{given!r}])")
    if not isinstance(given, list):
        raise TypeError(f"wait() takes a list of ObjectRefs, not {given!r} of type {_type_name(given)}")
    if set(map(type, given)) == {ObjectRef}:
        return True
    for one in given:
        if not isinstance(one, (ObjectRef, ObjectRefGenerator)):
            raise TypeError(f"wait() takes a list of ObjectRefs, and this list holds {one!r} of type {_type_name(one)}")
    return False


def _check_timeout(timeout: float) -> None:
    if isinstance(timeout, bool) or not isinstance(timeout, (int, float)):
        try:
            timeout = float(timeout)
        except (TypeError, ValueError):
            raise TypeError(f"timeout takes seconds as a number, or None, not {timeout!r}") from None
    if timeout < 0:
        raise ValueError(f"timeout takes None or a number of seconds from 0 on, not {timeout!r}")
    if timeout != timeout:
        raise ValueError("timeout takes None or a number of seconds, not nan")


def _type_name(value: object) -> str:
    return f"{type(value).__module__}.{type(value).__qualname__}".removeprefix("builtins.")
