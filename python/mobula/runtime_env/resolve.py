"""From what a program asks for to what a call carries: folders are copied into the session, a hook is kept there.

Owns the form of TaskSpec.runtime_env. The copying is done in the thread that submits, at the first call with the options that
ask for it, or in `init`: the core never waits for it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from typing import Any

from mobula._core import inherited
from mobula._env import places
from mobula.exceptions import RuntimeEnvSetupError
from mobula.runtime_env.checks import checked

# Keys whose values lie in the session's folder.
_COPIED = {"working_dir", "py_modules", "worker_process_setup_hook"}


def encode(env: Mapping[str, Any] | None) -> bytes:
    """The form of TaskSpec.runtime_env: what the call gets beyond the session's environment, its caller's included.

    JSON, b"" for nothing. Equal environments are equal bytes: the core compares those.
    """
    parent = inherited.for_calls()
    if not env and not parent:
        return b""
    if env:
        from mobula import init_options, session

        if session.in_cluster():
            init_options.refuse_environment(env)
    own = resolve(env, _session_dir() if _COPIED & env.keys() else "") if env else {}
    both = inherited.merged(parent, own)
    return json.dumps(both, sort_keys=True).encode() if both else b""


def _session_dir() -> str:
    from mobula import session

    return os.path.dirname(session.process().session.socket_path)


def resolve(env: Mapping[str, Any], session_dir: str) -> dict[str, Any]:
    """The environment with URIs of copies in place of paths, and names in place of functions: it can be written as JSON.

    Raises RuntimeEnvSetupError when a copy cannot be made, ValueError for a URI that names nothing.
    """
    out = checked(env)
    excludes = out.pop("excludes", None) or []
    if "working_dir" in out:
        out["working_dir"] = _working_dir(out["working_dir"], session_dir, excludes)
    if "py_modules" in out:
        out["py_modules"] = [_module(one, session_dir, excludes) for one in out["py_modules"]]
    if "worker_process_setup_hook" in out:
        _keep_hook(out, session_dir)
    if "config" in out:
        out["config"] = dict(out["config"])
    return out


def _working_dir(given: str, session_dir: str, excludes: list[str]) -> str:
    if places.is_uri(given):
        places.path_of(given, session_dir)
        return given
    from mobula._env import package

    if os.path.isdir(given):
        return package.add_folder(given, session_dir, [*package.default_excludes(), *excludes])
    return package.add_archive(given, session_dir)


def _module(given: str, session_dir: str, excludes: list[str]) -> str:
    if places.is_uri(given):
        places.path_of(given, session_dir)
        return given
    from mobula._env import package

    if os.path.isdir(given):
        return package.add_folder(given, session_dir, excludes, inside=os.path.basename(given))
    return package.add_archive(given, session_dir) if given.endswith(package.WHEEL) else package.add_file(given, session_dir)


def _keep_hook(env: dict[str, Any], session_dir: str) -> None:
    """The hook travels in a variable, as in Ray: so whatever inherits the variables inherits the hook."""
    from mobula._env.enter import HOOK_PREFIX, HOOK_VARIABLE

    hook = env["worker_process_setup_hook"]
    value = hook
    if not isinstance(hook, str):
        from mobula._env import package
        from mobula.serialization import dumps

        try:
            data = dumps(hook)
        except Exception as error:
            raise RuntimeEnvSetupError(f"Failed to export the setup function: {error}") from error
        value = HOOK_PREFIX + package.keep_bytes(data, session_dir)
        env["worker_process_setup_hook"] = getattr(hook, "__name__", type(hook).__name__)
    variables = env.get("env_vars") or {}
    # The environment that a worker shows has both; given back as it is, the variable is the hook.
    if not (HOOK_VARIABLE in variables and isinstance(hook, str)):
        env["env_vars"] = {**variables, HOOK_VARIABLE: value}


def of_session(env: Mapping[str, Any], session_dir: str) -> dict[str, Any]:
    """The environment that `init` was given, resolved."""
    return resolve(env, session_dir)


def worker_options(env: Mapping[str, Any]) -> dict[str, Any]:
    """What the core and all workers are told of the session's environment, as `LaunchConfig.prepare` gives it."""
    interpreter = inherited.interpreter_of(env)
    return {
        "env": dict(env.get("env_vars") or {}),
        "runtime_env": dict(env),
        "session_env": json.dumps(interpreter, sort_keys=True) if interpreter else "",
        "lazy_install": bool(interpreter) and not env.get("config", {}).get("eager_install", True),
    }
