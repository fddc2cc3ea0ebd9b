"""Pickles written by Ray, read where Ray is not installed: its names stand for ours.

Ray carries cloudpickle inside itself, so functions and classes name ``ray.cloudpickle``; references name a function of
``ray._private.serialization``; exceptions and ids have homes of their own.
"""

from __future__ import annotations

import io
import pickle
from collections.abc import Iterable
from typing import Any


class _RayUnpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if module == "ray.exceptions":
            module = "mobula.exceptions"
        elif module == "ray._raylet":
            module = "mobula.object_ref" if name == "ObjectRef" else "mobula._core.ids"
        elif module == "ray._private.serialization":
            module, name = "mobula.object_ref", {"_object_ref_deserializer": "restore"}.get(name, name)
        elif module == "ray.cloudpickle" or module.startswith("ray.cloudpickle."):
            module = module[len("ray.") :]
            if module == "cloudpickle.cloudpickle_fast":
                module = "cloudpickle.cloudpickle"
        return super().find_class(module, name)


def loads(pickled: bytes | memoryview, buffers: Iterable[Any]) -> Any:
    """The value of a pickle that names Ray's modules."""
    return _RayUnpickler(io.BytesIO(pickled), buffers=buffers).load()
