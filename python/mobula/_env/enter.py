"""The first steps of a worker in its runtime environment: import path, working directory, and the hook.

A worker is made with the driver's import path and working directory. What its environment asks for beyond that is done here,
in the new process, before it runs anything of the user's.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from importlib import import_module
from typing import Any

from mobula._env import places
from mobula.exceptions import RuntimeEnvSetupError

#: The variable that carries the hook to workers and what they call; Ray's name for it.
HOOK_VARIABLE = "__RAY_WORKER_PROCESS_SETUP_HOOK_ENV_VAR"
#: What its value begins with when the hook was given as a callable.
HOOK_PREFIX = "ray_runtime_env_func::"


def enter(env: Mapping[str, Any], session_dir: str) -> None:
    """Goes to the working_dir and makes it and the py_modules importable, here and in child processes.

    Raises RuntimeEnvSetupError when what the environment names is not there.
    """
    try:
        folders = [places.path_of(uri, session_dir) for uri in env.get("py_modules") or ()]
        if env.get("working_dir"):
            home = places.path_of(env["working_dir"], session_dir)
            os.chdir(home)
            folders.insert(0, home)
    except (OSError, ValueError) as error:
        raise RuntimeEnvSetupError(str(error)) from error
    if folders:
        sys.path[:0] = folders
        before = os.environ.get("PYTHONPATH")
        os.environ["PYTHONPATH"] = os.pathsep.join([*folders, *([before] if before else [])])


def activate() -> None:
    """In a virtual environment: lets child processes find its programs, as its `activate` script would."""
    if sys.prefix != sys.base_prefix:
        os.environ["VIRTUAL_ENV"] = sys.prefix
        os.environ["PATH"] = os.pathsep.join([os.path.join(sys.prefix, "bin"), os.environ.get("PATH", os.defpath)])


def run_hook(session_dir: str) -> None:
    """Calls the worker_process_setup_hook, if there is one. Raises RuntimeEnvSetupError from whatever it raised."""
    hook = os.environ.get(HOOK_VARIABLE)
    if not hook:
        return
    name = hook
    try:
        if hook.startswith(HOOK_PREFIX):
            from mobula.serialization import loads

            function = loads(places.kept_bytes(hook.removeprefix(HOOK_PREFIX), session_dir))
            name = getattr(function, "__qualname__", hook)
        else:
            module, _, attribute = hook.rpartition(".")
            function = getattr(import_module(module), attribute)
        function()
    except Exception as error:
        raise RuntimeEnvSetupError(
            f"Failed to execute the setup hook method, worker_process_setup_hook {name!r}: {type(error).__name__}: {error}"
        ) from error
