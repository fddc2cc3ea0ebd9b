"""What `runtime_env=` may ask for.

Owns the check of the dict and its form on the wire. `env_vars` is what mobula can do, of a session and of single tasks and
actors; the rest of what Ray knows is refused by name, and keys that nobody knows are a ValueError (Ray accepts those, and
does nothing).
"""

from __future__ import annotations

import json
import os
from typing import Any

from mobula._core import inherited

_LATER = frozenset(
    (
        "_inject_current_ray",
        "_ray_commit",
        "_ray_release",
        "conda",
        "config",
        "container",
        "excludes",
        "image_uri",
        "java_jars",
        "mpi",
        "nsight",
        "pip",
        "py_executable",
        "py_modules",
        "rocprof_sys",
        "uv",
        "worker_process_setup_hook",
        "working_dir",
    )
)


def check_runtime_env(env: dict[str, Any] | None) -> None:
    """Raises TypeError or ValueError when `env` is wrong, in Ray or here."""
    for key, value in (env or {}).items():
        if key == "env_vars":
            check_env_vars(value)
        elif key == "working_dir" and isinstance(value, str) and "://" not in value and not os.path.isdir(value):
            raise ValueError(f"runtime_env['working_dir']: {value!r} is not a folder")
        elif key not in _LATER:
            raise ValueError(f"runtime_env has no key {key!r}; mobula takes 'env_vars'")


def refuse_runtime_env(env: dict[str, Any] | None) -> None:
    """Raises NotImplementedError for what is right and cannot be had yet: everything but `env_vars`."""
    for key, value in (env or {}).items():
        if value and key != "env_vars":
            raise NotImplementedError(f"runtime_env[{key!r}] is not built into mobula yet; 'env_vars' is what it takes")


def check_env_vars(env_vars: object) -> None:
    """Raises TypeError when this is not a dict of str to str, ValueError for names no process can have."""
    if env_vars is None:
        return
    if not isinstance(env_vars, dict):
        raise TypeError(f"runtime_env['env_vars'] is a dict of str to str, not {env_vars!r}")
    for name, value in env_vars.items():
        if not isinstance(name, str) or not isinstance(value, str):
            raise TypeError(f"runtime_env['env_vars'] is a dict of str to str, but it has {name!r}: {value!r}")
        if not name or "=" in name or "\0" in name or "\0" in value:
            raise ValueError(f"runtime_env['env_vars']: {name!r} cannot be a variable of a process")


def encode(env: dict[str, Any] | None) -> bytes:
    """The form of TaskSpec.runtime_env: what the call gets beyond the session's environment, its caller's included.

    JSON, b"" for nothing. Equal environments are equal bytes: the core compares those.
    """
    env_vars = inherited.merged(inherited.own(), env or {}).get("env_vars")
    return json.dumps({"env_vars": env_vars}, sort_keys=True).encode() if env_vars else b""
