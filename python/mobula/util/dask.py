"""`ray_dask_get`: a Dask scheduler that runs each node of a graph as a mobula task.

Owns the translation only: a node becomes a task, an edge a ref among its arguments, so intermediate results stay in the object
store and move between workers without passing the driver. Follows `ray.util.dask`.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

from mobula import api
from mobula.object_ref import ObjectRef
from mobula.remote import remote

try:
    import dask
    from dask._task_spec import Alias, DataNode, GraphNode, convert_legacy_graph
    from dask.order import order
except ImportError as error:
    raise ImportError("mobula.util.dask needs dask, 2024.12 or newer: pip install dask") from error

__all__ = ["disable_dask_on_ray", "enable_dask_on_ray", "ray_dask_get", "ray_dask_get_sync"]


def ray_dask_get(dsk: Any, keys: Any, *, ray_remote_args: dict[str, Any] | None = None, **_: Any) -> Any:
    """Compute `keys` of a Dask graph (a mapping or an expression) with mobula tasks: `x.compute(scheduler=ray_dask_get)`.

    `keys` is one key or nested lists of keys; what comes back has the same shape. `ray_remote_args` are options of the tasks.
    Raises what the graph's own functions raise (wrapped as every task's error), and KeyError for a key that is not there.

    >>> import operator
    >>> from mobula.util.dask import ray_dask_get
    >>> ray_dask_get({"a": 1, "b": (operator.add, "a", 2)}, ["b", "a"])
    [3, 1]
    """
    if not isinstance(dsk, Mapping):
        dsk = dsk.__dask_graph__()  # an expression: how dask's own collections come since 2025
    nodes: dict[Any, GraphNode] = convert_legacy_graph(dsk)
    needed = _reachable(nodes, keys)
    ranks = order({key: nodes[key] for key in needed})
    task = remote(_evaluate)
    options = ray_remote_args or {}
    values: dict[Any, Any] = {}
    for key in sorted(needed, key=ranks.__getitem__):
        node = nodes[key]
        if isinstance(node, DataNode):
            values[key] = node.value
        elif isinstance(node, Alias):
            values[key] = values[node.target]
        else:
            dependencies = list(node.dependencies)
            call = task.options(name=f"dask:{key}", **options)
            values[key] = call.remote(node, dependencies, *[values[one] for one in dependencies])
    return _gather(values, keys)


def ray_dask_get_sync(dsk: Any, keys: Any, **_: Any) -> Any:
    """The same graph in this thread, without tasks: for debugging."""
    import dask.local

    return dask.local.get_sync(dsk, keys)


def enable_dask_on_ray(**settings: Any) -> Any:
    """Make `ray_dask_get` Dask's scheduler, for good or as a context manager; `settings` go to `dask.config.set`.

    >>> import dask
    >>> from mobula.util.dask import enable_dask_on_ray
    >>> with enable_dask_on_ray():
    ...     dask.delayed(sum)([1, 2]).compute()
    3
    """
    return dask.config.set(scheduler=ray_dask_get, **settings)


def disable_dask_on_ray() -> Any:
    """Give Dask its own choice of scheduler back."""
    return dask.config.set(scheduler=None)


def _evaluate(node: Any, keys: list[Hashable], *values: Any) -> Any:
    return node(dict(zip(keys, values, strict=True)))


def _reachable(nodes: Mapping[Any, GraphNode], keys: Any) -> set[Any]:
    found: set[Any] = set()
    waiting = list(_flat(keys))
    while waiting:
        key = waiting.pop()
        if key not in found:
            found.add(key)
            waiting.extend(nodes[key].dependencies)
    return found


def _flat(keys: Any) -> list[Hashable]:
    return [one for part in keys for one in _flat(part)] if isinstance(keys, list) else [keys]


def _gather(values: Mapping[Hashable, Any], keys: Any) -> Any:
    """The values of `keys`, in their shape, waited for all at once."""
    wanted = list(dict.fromkeys(_flat(keys)))
    refs: Sequence[ObjectRef[Any]] = [values[key] for key in wanted if isinstance(values[key], ObjectRef)]
    loaded = dict(zip(refs, api.get(list(refs)), strict=True))

    def shaped(part: Any) -> Any:
        if isinstance(part, list):
            return [shaped(one) for one in part]
        value = values[part]
        return loaded[value] if isinstance(value, ObjectRef) else value

    return shaped(keys)
