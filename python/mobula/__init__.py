"""mobula: Ray's Python API on a core worker written in Go.

    import mobula as ray

runs functions and classes in worker processes, with cancellation that reaches running methods of threaded actors. The names
are Ray's; what differs is in docs/differences.md.

PYTEST_DONT_REWRITE: a package that brings a pytest plugin has its modules rewritten otherwise, and names put into them.
"""

from mobula import actor, exceptions, remote_function, runtime_context, util
from mobula._core.ids import (
    ActorClassID,
    ActorID,
    FunctionID,
    JobID,
    NodeID,
    PlacementGroupID,
    TaskID,
    UniqueID,
    WorkerID,
)
from mobula._version import __version__
from mobula.api import (
    available_resources,
    cancel,
    cluster_resources,
    get,
    get_actor,
    get_gpu_ids,
    kill,
    nodes,
    put,
    timeline,
    wait,
)
from mobula.as_ray import install_as_ray
from mobula.method import method
from mobula.object_ref import ObjectRef
from mobula.object_ref_generator import DynamicObjectRefGenerator, ObjectRefGenerator
from mobula.remote import remote
from mobula.runtime_context import get_runtime_context
from mobula.session import init, is_initialized, shutdown


def __getattr__(name: str) -> object:
    from mobula import missing

    if name.startswith("__") or name not in missing.HINTS:
        raise AttributeError(f"module 'mobula' has no attribute {name!r}")
    raise AttributeError(missing.sentence(name))


#: Ray's other name of ObjectRef.
ObjectID = ObjectRef

__all__ = [
    "ActorClassID",
    "ActorID",
    "DynamicObjectRefGenerator",
    "FunctionID",
    "JobID",
    "NodeID",
    "ObjectID",
    "ObjectRef",
    "ObjectRefGenerator",
    "PlacementGroupID",
    "TaskID",
    "UniqueID",
    "WorkerID",
    "__version__",
    "actor",
    "available_resources",
    "cancel",
    "cluster_resources",
    "exceptions",
    "get",
    "get_actor",
    "get_gpu_ids",
    "get_runtime_context",
    "init",
    "install_as_ray",
    "is_initialized",
    "kill",
    "method",
    "nodes",
    "put",
    "remote",
    "remote_function",
    "runtime_context",
    "shutdown",
    "timeline",
    "util",
    "wait",
]
