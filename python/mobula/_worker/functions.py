"""The function table of a worker: export bytes become functions and actor classes, once each.

An export is a pickle of Ray's dictionary: of a function `function` (its pickle), `function_name` and `module`; of a class `class`
(its pickle), `class_name` and `module`. What cannot be loaded raises `FunctionLoadError`, which names the module.
The bytes are kept until the load has worked once, so a task that comes after the module was installed runs.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

from mobula.serialization import loads

FUNCTION_NAMESPACE = "fun"


class Table(Protocol):
    """Where an export is looked up that did not come with the task: the attached process."""

    def kv_get(self, namespace: str, key: bytes) -> bytes | None: ...


class FunctionLoadError(RuntimeError):
    """The code of a task or an actor cannot be loaded in this worker; `__cause__` says why.

    Usually a module that the driver has is not there: look at `working_dir`, `py_modules` and the worker's `sys.path`.
    """


class Function(NamedTuple):
    """A loaded remote function."""

    call: Callable[..., Any]
    name: str  # module and qualified name, "package.module.function"


class ActorClass(NamedTuple):
    """A loaded actor class."""

    cls: Callable[..., Any]
    name: str  # "Class", without the module
    full_name: str


def _failed(what: str, name: str, module: str, error: BaseException) -> FunctionLoadError:
    missing = getattr(error, "name", None) if isinstance(error, ImportError) else None
    return FunctionLoadError(
        f"{what} {name!r} of module {module!r} could not be loaded in the worker"
        + (f", because module {missing!r} is not there" if missing else "")
        + f": {type(error).__name__}: {error}. The worker looks for modules in {sys.path}."
    )


def _read(export: bytes) -> dict[str, Any]:
    table: dict[str, Any] = loads(export)
    return table


def load_function(export: bytes) -> Function:
    """The function of an export. Raises FunctionLoadError."""
    table = _read(export)
    name, module = str(table.get("function_name", "")), str(table.get("module", ""))
    try:
        call = loads(table["function"])
    except Exception as error:
        raise _failed("function", name, module, error) from error
    qualified = getattr(call, "__qualname__", None) or name
    return Function(call, f"{module}.{qualified}" if module else qualified)


def load_actor_class(export: bytes) -> ActorClass:
    """The class of an export. Raises FunctionLoadError."""
    table = _read(export)
    name, module = str(table.get("class_name", "")), str(table.get("module", ""))
    try:
        cls = loads(table["class"])
    except Exception as error:
        raise _failed("actor class", name, module, error) from error
    return ActorClass(cls, name or getattr(cls, "__name__", "actor"), f"{module}.{name}" if module else name)


class FunctionTable:
    """What this process has loaded, by function id. Safe in threads: loading twice is harmless, half of one is not seen."""

    def __init__(self, table: Table) -> None:
        self._table = table
        self._exports: dict[bytes, bytes] = {}
        self._functions: dict[bytes, Function] = {}

    def note(self, function_id: bytes, export: bytes) -> None:
        """Keep an export that came with a task: the core sends it once."""
        self._exports[function_id] = export

    def function(self, function_id: bytes) -> Function:
        """The function of this id. Raises FunctionLoadError."""
        found = self._functions.get(function_id)
        if found is None:
            found = self._functions[function_id] = load_function(self._export(function_id))
            self._exports.pop(function_id, None)
        return found

    def actor_class(self, function_id: bytes) -> ActorClass:
        """The class of this id; a process asks for one at most, so it is not kept. Raises FunctionLoadError."""
        return load_actor_class(self._export(function_id))

    def _export(self, function_id: bytes) -> bytes:
        export = self._exports.get(function_id)
        if export is None:
            export = self._table.kv_get(FUNCTION_NAMESPACE, function_id)
        if export is None:
            raise FunctionLoadError(f"the function table has no entry {function_id.hex()}: it was never exported in this session")
        return export
