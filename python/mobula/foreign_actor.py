"""Actors of a cluster that stock Ray made, as their callers here see them.

Ray's handle of an actor names its class and says nothing of the methods. Who is about to call one reads the class out of the
cluster's function table, as Ray's own driver does; here not before the first call, so that handles come out of values without a
question to anybody. A class that cannot be loaded here has the methods that its maker has listed, which take anything and return
one value.
"""

from __future__ import annotations

import hashlib
import json
import logging
import pickle
from typing import Any

from mobula import session
from mobula._values import classes, rayhandle, stock
from mobula.class_description import Description, Method, describe, takes_anything

_log = logging.getLogger("mobula")

#: What is not in the handle.
_OF_THE_CLASS = ("methods", "is_async")


class ForeignDescription(Description):
    """What Ray's handle says; the methods once somebody asks for them."""

    __slots__ = ("_said",)

    # Not Description's: what is not set is asked for below.
    def __init__(self, said: rayhandle.RayHandle) -> None:
        self._said = said
        self.class_name = said.class_name
        self.module = said.module
        self.max_task_retries = said.max_task_retries
        self.max_pending_calls = said.max_pending_calls
        self.groups = None
        self.events = said.events
        self.stream_limit = said.stream_limit
        self._fittings = {}
        self._encoded = None

    def __getattr__(self, name: str) -> Any:
        if name not in _OF_THE_CLASS:
            raise AttributeError(name)
        loaded = _class_of(self._said)
        self.is_async, self.methods = loaded.is_async, loaded.methods
        return getattr(self, name)


def _class_of(said: rayhandle.RayHandle) -> Description:
    """The description of an actor's class, read once a session.

    Raises NotImplementedError where the cluster has no such class for us.
    """
    if not said.class_name:
        raise NotImplementedError(f"actor {said.actor_id.hex()} is not written in Python: mobula calls Python's only")
    here = stock.current()
    key = table_key(said)
    found: Description | None = None if here is None else here.classes.get(key)
    if found is None:
        export = session.process().kv_get("fun", key)
        if export is None:
            raise NotImplementedError(
                f"the cluster's function table has nothing of class {said.module}.{said.class_name}, of actor "
                f"{said.actor_id.hex()}: its job is over, or loads its code from files (code_search_path), which mobula does not"
            )
        found = _described(said, pickle.loads(export))
        if here is not None:
            here.classes[key] = found
    return found


def table_key(said: rayhandle.RayHandle) -> bytes:
    """Where the function table has the class: its id is of what describes its constructor."""
    named = f"{said.module}__init__{said.class_name}{said.function_hash}".encode()
    return b"ActorClass:" + said.job_id.hex().encode() + b":" + hashlib.shake_128(named).digest(28)


def _described(said: rayhandle.RayHandle, table: dict[str, Any]) -> Description:
    # A worker ends over a call of what its class has not, so the list decides; what a missing base class has is in it alone.
    methods: dict[str, Method] = {name: takes_anything() for name in json.loads(table["actor_method_names"])}
    is_async = False
    try:
        loaded = describe(classes.load(table["class"]))
    except Exception as error:  # noqa: BLE001 - user code runs while a pickle is loaded: anything may come
        _log.warning(
            "class %s.%s of an actor that stock Ray made cannot be loaded here (%s: %s): "
            "its methods take anything and return one value",
            said.module,
            said.class_name,
            type(error).__name__,
            error,
        )
    else:
        methods |= {name: loaded.methods[name] for name in methods if name in loaded.methods}
        is_async = loaded.is_async
    return Description(said.class_name, said.module, methods, is_async)
