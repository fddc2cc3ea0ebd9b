"""The runtime environment that code of this process runs in, and which its calls inherit.

Owns two values: the session's environment, and what this process was started with beyond it. Both are constant for what runs
here: a worker runs only what asks for its own environment, because no process can be cleaned of one.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

#: Keys that choose a worker's interpreter. Each of them replaces the others.
INTERPRETER = ("pip", "uv", "py_executable")

_session: dict[str, Any] = {}
_own = b""


def of_session(env: Mapping[str, Any], own: bytes = b"") -> None:
    """Says what init was given; "env_vars" are set before any worker starts. `own` is what calls have to carry all the same."""
    global _session, _own
    _session, _own = dict(env), own


def become(own: bytes) -> None:
    """Says what this worker was started with: TaskSpec.runtime_env of whatever it runs."""
    global _own
    _own = own


def own() -> dict[str, Any]:
    """What this process has beyond the session's environment."""
    loaded: dict[str, Any] = json.loads(_own) if _own else {}
    return loaded


def for_calls() -> dict[str, Any]:
    """What calls made here get beyond what every worker has of the session: this process's own, and the interpreter.

    The session's variables, folders and hook are there in every worker; its interpreter only where it is asked for.
    """
    return merged(interpreter_of(_session), own())


def interpreter_of(env: Mapping[str, Any]) -> dict[str, Any]:
    """The part of an environment that chooses the interpreter, with the settings for setting it up."""
    part = {key: env[key] for key in INTERPRETER if env.get(key)}
    if part and env.get("config"):
        part["config"] = env["config"]
    return part


def whole() -> dict[str, Any]:
    """Everything that holds here, in the form that `runtime_env=` takes."""
    return merged(_session, own())


def merged(parent: Mapping[str, Any], child: Mapping[str, Any]) -> dict[str, Any]:
    """What a child gets: its own keys, else its parent's; of `env_vars` each variable for itself (Ray: _merge_runtime_env)."""
    variables = {**(parent.get("env_vars") or {}), **(child.get("env_vars") or {})}
    both = {**parent, **child}
    if any(child.get(key) for key in INTERPRETER):
        both = {key: value for key, value in both.items() if key in child or key not in INTERPRETER}
    both.pop("env_vars", None)
    if variables:
        both["env_vars"] = variables
    return both
