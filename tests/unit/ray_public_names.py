"""The public names of Ray's core API, as an installed Ray has them; writes ray_public_names.json.

    .venv-ray/bin/python tests/unit/ray_public_names.py

Run it for a new release of Ray; test_api_coverage.py then says which names are neither there nor refused.
"""

from __future__ import annotations

import importlib
import inspect
import json
from pathlib import Path
from typing import Any

#: Modules with a list of their own, or whose own classes and functions are what they offer.
MODULES = (
    "ray",
    "ray.actor",
    "ray.exceptions",
    "ray.experimental",
    "ray.runtime_context",
    "ray.runtime_env",
    "ray.util",
    "ray.util.accelerators",
    "ray.util.check_serialize",
    "ray.util.debug",
    "ray.util.metrics",
    "ray.util.multiprocessing",
    "ray.util.placement_group",
    "ray.util.queue",
    "ray.util.scheduling_strategies",
    "ray.util.state",
)
CLASSES = (
    *(f"ray.{name}" for name in ("ObjectRef", "ObjectRefGenerator", "ActorID", "FunctionID", "JobID", "NodeID", "TaskID")),
    *(f"ray.{name}" for name in ("PlacementGroupID", "UniqueID", "WorkerID")),
    *(f"ray.actor.{name}" for name in ("ActorClass", "ActorHandle", "ActorMethod")),
    "ray.exceptions.RayTaskError",
    "ray.remote_function.RemoteFunction",
    "ray.runtime_context.RuntimeContext",
    "ray.runtime_env.RuntimeEnv",
    *(f"ray.util.metrics.{name}" for name in ("Counter", "Gauge", "Histogram")),
    "ray.util.actor_pool.ActorPool",
    "ray.util.multiprocessing.Pool",
    "ray.util.placement_group.PlacementGroup",
    "ray.util.queue.Queue",
)
#: What is public by its spelling alone: helpers of Ray's own code.
INNER = frozenset(
    [
        "DeveloperAPI",
        "PublicAPI",
        "Deprecated",
        "check_placement_group_index",
        "client_mode_convert_actor",
        "has_async_methods",
        "hex_to_binary",
        "is_class_method",
        "is_function_or_method",
        "is_static_method",
        "parse_pg_formatted_resources_to_original",
        "validate_label_selector",
        "validate_placement_group",
        "make_dual_exception_instance",
        "from_bytes",
        "from_ray_exception",
        "to_bytes",
        "Suspect",
        "tpu",
        "get_ray_doc_version",
        "add_note",
        "with_traceback",
        "args",
        "plugin_uris",
        "extensions_fields",
        "known_fields",
        "get_extension",
    ]
)


def names_of(module: Any) -> set[str]:
    """What a module offers."""
    listed = getattr(module, "__all__", None)
    if listed is not None:
        return set(listed)
    if module.__name__ == "ray.util.accelerators":
        return {name for name in dir(module) if name.isupper() or name.startswith("AMD_")}
    own = {name for name, value in vars(module).items() if getattr(value, "__module__", "").startswith(module.__name__)}
    return {name for name in own if inspect.isclass(getattr(module, name)) or inspect.isfunction(getattr(module, name))}


def main() -> None:
    found = {name: names_of(importlib.import_module(name)) for name in MODULES}
    for dotted in CLASSES:
        module, _, name = dotted.rpartition(".")
        found[dotted] = set(dir(getattr(importlib.import_module(module), name)))
    kept = {
        place: sorted(name for name in names if not name.startswith("_") and name not in INNER) for place, names in found.items()
    }
    Path(__file__).with_suffix(".json").write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
