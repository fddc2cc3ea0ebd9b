"""`list_*` and `get_*`: rows of the state of a session or of the cluster that it has joined, filtered as Ray filters them."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from mobula import api, session
from mobula.util.state import rows

if TYPE_CHECKING:
    from mobula._core.look import Watch
    from mobula._core.process import Process
    from mobula.util.state.rows import ActorState, JobState, NodeState, ObjectState, PlacementGroupState, TaskState, WorkerState

__all__ = [
    "get_actor",
    "get_job",
    "get_node",
    "get_objects",
    "get_placement_group",
    "get_task",
    "get_worker",
    "list_actors",
    "list_jobs",
    "list_nodes",
    "list_objects",
    "list_placement_groups",
    "list_tasks",
    "list_workers",
]

R = TypeVar("R", bound=rows.Row)

#: (field, "=" or "!=", value), all of which must hold.
Filters = Sequence[tuple[str, str, Any]]

LIMIT = 100  # rows, Ray's default
MOST = 10_000  # rows, Ray's limit and the core's


def watch(address: str | None = None) -> Watch:
    """The session to ask: of the folder or the driver's pid given, else this process's, else the only one that runs.

    Raises ConnectionError where there is none, or several to choose from; NotImplementedError in a Ray cluster, whose nodes would
    have to be asked for their objects.
    """
    from mobula._core import look

    attached = session.current()
    if address is None and attached is not None:
        session.refuse_in_cluster("list_objects() of mobula.util.state")
        # The question goes by a connection of its own. What this process has done before must have arrived: this asks behind it.
        api.cluster_resources()
        return look.Watch(os.path.dirname(attached.session.socket_path))
    return look.find(address)


def cluster(address: str | None) -> Process | None:
    """The driver to ask for the state of the cluster that it has joined; None where the session to ask is one on this machine."""
    return session.current() if address is None and session.in_cluster() else None


def list_tasks(address: str | None = None, filters: Filters | None = None, limit: int = LIMIT, **rest: Any) -> list[TaskState]:
    """Tasks without an outcome, the oldest first, then those that have ended, the newest first.

    `filters` are triples such as `("state", "=", "RUNNING")`; `limit` is a number of rows, at most 10,000. Raises ValueError for
    a wrong filter or limit, ConnectionError where no session runs.

    >>> import mobula
    >>> from mobula.util.state import list_tasks
    >>> @mobula.remote
    ... def f() -> None: ...
    >>> mobula.get(f.options(name="one").remote())
    >>> [task.state for task in list_tasks(filters=[("name", "=", "one")])]
    ['FINISHED']
    """
    _accept(rest)
    driver = cluster(address)
    if driver is not None:
        from mobula.util.state import of_cluster

        return chosen(of_cluster.tasks(driver, filters or ()), filters, limit)
    from mobula._core.pb import boundary_pb2 as pb

    core = watch(address)
    reply = core.state(pb.STATE_TASKS, MOST)
    pending = [rows.of_task(one) for one in reply.tasks]
    attempts = [rows.of_attempt(event) for event in core.attempts()]
    return chosen([*pending, *reversed(attempts)], filters, limit)


def list_actors(address: str | None = None, filters: Filters | None = None, limit: int = LIMIT, **rest: Any) -> list[ActorState]:
    """Actors, dead ones included. Arguments and errors as of `list_tasks`."""
    _accept(rest)
    driver = cluster(address)
    if driver is not None:
        from mobula.util.state import of_cluster

        return chosen(of_cluster.actors(driver, filters or ()), filters, limit)
    from mobula._core.pb import boundary_pb2 as pb

    return chosen(map(rows.of_actor, watch(address).state(pb.STATE_ACTORS).actors), filters, limit)


def list_objects(address: str | None = None, filters: Filters | None = None, limit: int = LIMIT, **rest: Any) -> list[ObjectState]:
    """Objects, the largest first. Arguments and errors as of `list_tasks`."""
    _accept(rest)
    from mobula._core.pb import boundary_pb2 as pb

    return chosen(map(rows.of_object, watch(address).state(pb.STATE_OBJECTS).objects), filters, limit)


def list_workers(address: str | None = None, filters: Filters | None = None, limit: int = LIMIT, **rest: Any) -> list[WorkerState]:
    """Worker processes, in the order in which they were started. Arguments and errors as of `list_tasks`."""
    _accept(rest)
    driver = cluster(address)
    if driver is not None:
        from mobula.util.state import of_cluster

        return chosen(of_cluster.workers(driver, filters or ()), filters, limit)
    from mobula._core.pb import boundary_pb2 as pb

    return chosen(map(rows.of_worker, watch(address).state(pb.STATE_WORKERS).workers), filters, limit)


def list_nodes(address: str | None = None, filters: Filters | None = None, limit: int = LIMIT, **rest: Any) -> list[NodeState]:
    """The one machine of a session, or the nodes of a cluster. Arguments and errors as of `list_tasks`."""
    _accept(rest)
    driver = cluster(address)
    if driver is not None:
        from mobula.util.state import of_cluster

        return chosen(of_cluster.nodes(driver, filters or ()), filters, limit)
    from mobula._core.pb import boundary_pb2 as pb

    return chosen([rows.of_node(watch(address).state(pb.STATE_SESSION).session)], filters, limit)


def list_placement_groups(
    address: str | None = None, filters: Filters | None = None, limit: int = LIMIT, **rest: Any
) -> list[PlacementGroupState]:
    """Placement groups as they were asked for, removed ones included. Arguments and errors as of `list_tasks`.

    >>> import mobula
    >>> from mobula.util.state import list_placement_groups
    >>> group = mobula.util.placement_group([{"CPU": 1}], name="pair")
    >>> group.wait(60)
    True
    >>> [(one.name, one.state, one.bundles) for one in list_placement_groups()]
    [('pair', 'CREATED', [{'CPU': 1.0}])]
    """
    _accept(rest)
    driver = cluster(address)
    if driver is not None:
        from mobula.util.state import of_cluster

        return chosen(of_cluster.groups(driver, filters or ()), filters, limit)
    from mobula._core.pb import boundary_pb2 as pb

    return chosen(map(rows.of_group, watch(address).state(pb.STATE_GROUPS).groups), filters, limit)


def get_task(id: str, address: str | None = None, **rest: Any) -> TaskState | list[TaskState] | None:
    """The task with this id (hexadecimal); a list of its attempts where there were several; None where nothing is known."""
    _accept(rest)
    found = list_tasks(address, [("task_id", "=", _hex(id))], MOST)
    return found if len(found) > 1 else found[0] if found else None


def get_actor(id: str, address: str | None = None, **rest: Any) -> ActorState | None:
    """The actor with this id (hexadecimal), or None."""
    _accept(rest)
    return _first(list_actors(address, [("actor_id", "=", _hex(id))], MOST))


def list_jobs(address: str | None = None, filters: Filters | None = None, limit: int = LIMIT, **rest: Any) -> list[JobState]:
    """The jobs of a session: its drivers that have not left; of a cluster all that it remembers.

    Arguments and errors as of `list_tasks`.

    >>> import mobula
    >>> from mobula.util.state import list_jobs
    >>> started = mobula.init(ignore_reinit_error=True)
    >>> [(job.job_id, job.status) for job in list_jobs()]
    [('01000000', 'RUNNING')]
    """
    _accept(rest)
    driver = cluster(address)
    if driver is not None:
        from mobula.util.state import of_cluster

        return chosen(of_cluster.jobs(driver, filters or ()), filters, limit)
    from mobula._core.pb import boundary_pb2 as pb

    told = watch(address).state(pb.STATE_SESSION, 1).session
    return chosen([rows.JobState(job.hex()) for job in told.job_ids], filters, limit)


def get_job(id: str, address: str | None = None, **rest: Any) -> JobState | None:
    """The job with this id (hexadecimal), or None."""
    _accept(rest)
    return _first(list_jobs(address, [("job_id", "=", _hex(id))], MOST))


def get_node(id: str, address: str | None = None, **rest: Any) -> NodeState | None:
    """The machine with this id (hexadecimal), or None."""
    _accept(rest)
    return _first(list_nodes(address, [("node_id", "=", _hex(id))], MOST))


def get_placement_group(id: str, address: str | None = None, **rest: Any) -> PlacementGroupState | None:
    """The placement group with this id (hexadecimal), or None."""
    _accept(rest)
    return _first(list_placement_groups(address, [("placement_group_id", "=", _hex(id))], MOST))


def get_worker(id: str, address: str | None = None, **rest: Any) -> WorkerState | None:
    """The worker process with this id (hexadecimal), or None."""
    _accept(rest)
    return _first(list_workers(address, [("worker_id", "=", _hex(id))], MOST))


def get_objects(id: str, address: str | None = None, **rest: Any) -> list[ObjectState]:
    """The object with this id (hexadecimal), in a list as Ray has it; empty where nothing is known."""
    _accept(rest)
    return list_objects(address, [("object_id", "=", _hex(id))], MOST)


def chosen(found: Iterable[R], filters: Filters | None, limit: Any) -> list[R]:
    """The first `limit` rows that pass every filter. Raises ValueError for a filter or limit that makes no sense."""
    if isinstance(limit, bool) or not isinstance(limit, int) or not 0 < limit <= MOST:
        raise ValueError(f"limit takes a number of rows from 1 to {MOST}, not {limit!r}")
    tests = [_test(one) for one in filters or ()]
    out = []
    for row in found:
        if all(test(row) for test in tests):
            out.append(row)
            if len(out) == limit:
                break
    return out


def _test(given: tuple[str, str, Any]) -> Callable[[rows.Row], bool]:
    shape: Any = given
    if not isinstance(shape, (tuple, list)) or len(shape) != 3:
        raise ValueError(f"a filter is (field, '=' or '!=', value), not {given!r}")
    field, sign, value = given
    if sign not in ("=", "!="):
        raise ValueError(f"a filter compares with '=' or '!=', not {sign!r}: {given!r}")

    def test(row: rows.Row) -> bool:
        missing = object()
        has = row.get(field, missing)
        if has is missing:
            names = ", ".join(row.asdict())
            raise ValueError(f"a {type(row).__name__} has no field {field!r}; it has {names}")
        # As Ray: words without regard to case, and numbers may be given as words.
        same = str(has).lower() == str(value).lower()
        return same if sign == "=" else not same

    return test


def _accept(rest: dict[str, Any]) -> None:
    """Ray's arguments that ask for nothing here: the core answers at once and whole."""
    for name in rest:
        if name not in ("timeout", "detail", "raise_on_missing_output", "_explain"):
            raise TypeError(f"the state API has no argument {name!r}; it takes address, filters, limit, timeout and detail")


def _first(found: list[R]) -> R | None:
    return found[0] if found else None


def _hex(id: Any) -> str:
    return str(id if isinstance(id, str) else id.hex())
