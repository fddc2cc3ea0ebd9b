"""Helpers around the core API, under Ray's names.

Owns the names only; each helper is a module of its own and is imported when it is first asked for, so that `import mobula`
pays for none of them. What else Ray has under `ray.util` is an AttributeError that says so.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

# Not on first use: the module has the function's name, and whoever imports the module first would find that instead.
from mobula.serialization import deregister_serializer, register_serializer
from mobula.util.placement_group import (
    get_current_placement_group,
    get_placement_group,
    placement_group,
    placement_group_table,
    remove_placement_group,
)

if TYPE_CHECKING:
    from mobula.util.actor_pool import ActorPool
    from mobula.util.check_serialize import inspect_serializability
    from mobula.util.completion import as_completed, map_unordered
    from mobula.util.debug import disable_log_once_globally, enable_periodic_logging, log_once
    from mobula.util.node import get_node_instance_id, get_node_ip_address, list_named_actors

__all__ = [
    "ActorPool",
    "as_completed",
    "deregister_serializer",
    "disable_log_once_globally",
    "enable_periodic_logging",
    "get_current_placement_group",
    "get_node_instance_id",
    "get_node_ip_address",
    "get_placement_group",
    "inspect_serializability",
    "list_named_actors",
    "log_once",
    "map_unordered",
    "placement_group",
    "placement_group_table",
    "register_serializer",
    "remove_placement_group",
]

#: Where each name is that is imported on first use.
_HOME = {
    "ActorPool": "actor_pool",
    "DeveloperAPI": "annotations",
    "PublicAPI": "annotations",
    "as_completed": "completion",
    "disable_log_once_globally": "debug",
    "enable_periodic_logging": "debug",
    "get_node_instance_id": "node",
    "get_node_ip_address": "node",
    "inspect_serializability": "check_serialize",
    "list_named_actors": "node",
    "log_once": "debug",
    "map_unordered": "completion",
}

_MODULES = (
    "accelerators",
    "actor_pool",
    "annotations",
    "check_serialize",
    "completion",
    "dask",
    "debug",
    "joblib",
    "metrics",
    "multiprocessing",
    "node",
    "queue",
    "scheduling_strategies",
    "state",
)


def __getattr__(name: str) -> Any:
    if name in _HOME:
        found = getattr(importlib.import_module(f"mobula.util.{_HOME[name]}"), name)
        globals()[name] = found
        return found
    if name in _MODULES:
        return importlib.import_module(f"mobula.util.{name}")
    from mobula import missing

    if f"util.{name}" in missing.HINTS:
        raise AttributeError(missing.sentence(f"util.{name}", asked_of="mobula"))
    raise AttributeError(
        f"mobula.util has no {name!r}: of ray.util it has {', '.join(__all__)}, and the modules {', '.join(_MODULES)}; "
        "docs/differences.md lists what is missing"
    )


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__, *_MODULES})
