"""The public names, and what importing them costs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import mobula

# Modules a bare `import mobula` may load. The count is the budget: milliseconds depend on the machine.
IMPORT_BUDGET = 130
NOT_AT_IMPORT = (
    "numpy",
    "google.protobuf",
    "cloudpickle",
    "asyncio",
    "grpc",
    "mobula._worker",
    "mobula._lane",
    "mobula._core.process",
)


def test_all_names_what_there_is() -> None:
    assert sorted(mobula.__all__) == mobula.__all__ or set(mobula.__all__) == set(dict.fromkeys(mobula.__all__))
    for name in mobula.__all__:
        assert getattr(mobula, name) is not None


def test_nothing_but_names_and_submodules_is_visible() -> None:
    package = Path(mobula.__file__).parent
    submodules = {path.stem for path in package.iterdir() if path.suffix == ".py" or path.is_dir()}
    visible = {name for name in vars(mobula) if not name.startswith("_")}
    assert visible - submodules - set(mobula.__all__) == set()


def test_the_names_of_ray_that_stand_for_what_there_is() -> None:
    # From ray.__all__ of 2.60: those left out stand for features that mobula does not have (yet).
    missing = {
        "_config", "autoscaler", "client", "ClientBuilder", "java_actor_class", "java_function", "cpp_function", "Language",
        "SCRIPT_MODE", "WORKER_MODE", "LoggingConfig", "data", "internal", "widgets", "workflow",
    }  # fmt: skip
    rays = {
        "__version__", "_config", "get_runtime_context", "autoscaler", "available_resources", "cancel", "client",
        "ClientBuilder", "cluster_resources", "get", "get_actor", "get_gpu_ids", "init", "is_initialized", "java_actor_class",
        "java_function", "cpp_function", "kill", "Language", "method", "nodes", "put", "remote", "shutdown", "timeline", "wait",
        "SCRIPT_MODE", "WORKER_MODE", "LoggingConfig", "actor", "data", "internal", "util", "widgets", "workflow",
        "ActorClassID", "ActorID", "NodeID", "JobID", "WorkerID", "FunctionID", "ObjectID", "ObjectRef", "ObjectRefGenerator",
        "DynamicObjectRefGenerator", "TaskID", "UniqueID", "PlacementGroupID",
    }  # fmt: skip
    assert rays - missing <= set(mobula.__all__)
    assert not missing & set(mobula.__all__), "it is there now: take it off the list"


def test_importing_is_cheap() -> None:
    code = f"""
import sys
before = set(sys.modules)
import mobula
loaded = set(sys.modules) - before
print(len(loaded), *[name for name in {NOT_AT_IMPORT!r} if name in loaded])
"""
    done = subprocess.run(
        [sys.executable, "-S", "-c", f"import sys; sys.path[:] = {sys.path!r}\n{code}"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    count, *heavy = done.stdout.split()
    assert not heavy
    assert int(count) <= IMPORT_BUDGET
