"""Pickles written by Ray, read where Ray is not installed: its names stand for ours.

Ray carries cloudpickle inside itself, so functions and classes name ``ray.cloudpickle``; references name a function of
``ray._private.serialization``; exceptions and ids have homes of their own.
"""

from __future__ import annotations

import importlib
import io
import pickle
import pkgutil
from collections.abc import Iterable
from typing import Any

from mobula import as_ray


class RayUnpickler(pickle.Unpickler):
    """Finds ours where a pickle names Ray's."""

    def find_class(self, module: str, name: str) -> Any:
        if module == "pkgutil" and name == "resolve_name":
            return self._resolve
        if module == "ray._private.serialization" and name in _OF_CLUSTERS:
            module, name = _OF_CLUSTERS[name]
        elif module == "ray._private.object_ref_generator":
            module = "mobula.object_ref_generator"
        elif module == "ray.exceptions":
            module = "mobula.exceptions"
        elif module == "ray._raylet":
            module = "mobula.object_ref" if name == "ObjectRef" else "mobula._core.ids"
        elif module == "ray._private.serialization":
            module = "mobula.object_ref"
        elif module == "ray.cloudpickle" or module.startswith("ray.cloudpickle."):
            module = module[len("ray.") :]
            if module == "cloudpickle.cloudpickle_fast":
                module = "cloudpickle.cloudpickle"
            if name == "subimport":
                return self.module
        elif module == "ray" or module.startswith("ray."):
            module = as_ray.counterpart(module) or module
        return super().find_class(module, name)

    def module(self, name: str) -> Any:
        """The module of a name: what a function has among its globals."""
        if name == "ray" or name.startswith("ray."):
            name = as_ray.counterpart(name) or name
        return importlib.import_module(name)

    def _resolve(self, name: str) -> Any:
        """What `stock` has named for a worker, back at who wrote it."""
        module, _, attribute = name.partition(":")
        if module != "ray" and not module.startswith("ray."):
            return pkgutil.resolve_name(name)
        if not attribute:
            return self.module(module)
        return self.find_class(module, attribute)


#: Functions of Ray's that make handles again.
_OF_CLUSTERS = {
    "_object_ref_deserializer": ("mobula._values.stock", "restore_ref"),
    "_actor_handle_deserializer": ("mobula.actor_handle", "restore_stock"),
}


def loads(pickled: bytes | memoryview, buffers: Iterable[Any]) -> Any:
    """The value of a pickle that names Ray's modules."""
    return RayUnpickler(io.BytesIO(pickled), buffers=buffers).load()
