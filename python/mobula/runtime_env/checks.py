"""What `runtime_env=` may ask for.

Owns the check of each key and the form it is kept in. Values that Ray refuses raise Ray's exceptions, keys that nobody knows
are a ValueError (Ray accepts those, and does nothing), and what one machine without services cannot do is refused by name.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from types import ModuleType
from typing import Any, ClassVar

from mobula._env.places import is_uri

DEFAULT_SETUP_TIMEOUT = 600

#: Keys of Ray's that are refused, and what to use instead.
REFUSED = {
    "conda": "conda environments are not made here: use 'pip' or 'uv', or 'py_executable' with the interpreter of one you made",
    "container": "there are no containers on one machine without services: start the whole program in one",
    "image_uri": "there are no containers on one machine without services: start the whole program in one",
    "java_jars": "workers run Python only",
    "nsight": "profilers are not started here: use 'py_executable', for example 'nsys profile … python'",
    "_nsight": "profilers are not started here: use 'py_executable', for example 'nsys profile … python'",
    "rocprof_sys": "profilers are not started here: use 'py_executable', for example 'rocprof-sys-python'",
    "_rocprof_sys": "profilers are not started here: use 'py_executable', for example 'rocprof-sys-python'",
    "mpi": "there is no MPI here: call mpirun in a task",
}
# Ray's marks of the build that made an environment: they ask for nothing.
_MARKS = ("_ray_commit", "_ray_release", "_inject_current_ray")


class RuntimeEnvConfig(dict[str, Any]):
    """How an environment is set up: how long it may take, and whether the session's is set up at once.

    `setup_timeout_seconds` -1 stands for no limit.

    >>> RuntimeEnvConfig(setup_timeout_seconds=10)["eager_install"]
    True
    """

    known_fields: ClassVar[set[str]] = {"setup_timeout_seconds", "eager_install", "log_files"}

    def __init__(
        self, setup_timeout_seconds: int = DEFAULT_SETUP_TIMEOUT, eager_install: bool = True, log_files: list[str] | None = None
    ) -> None:
        super().__init__()
        for name, value, kind in (
            ("setup_timeout_seconds", setup_timeout_seconds, int),
            ("eager_install", eager_install, bool),
            ("log_files", log_files or [], list),
        ):
            if not isinstance(value, kind):
                raise TypeError(f"{name} must be of type {kind.__name__}, got: {type(value)}")
        if setup_timeout_seconds <= 0 and setup_timeout_seconds != -1:
            raise ValueError(f"setup_timeout_seconds must be greater than zero or equals to -1, got: {setup_timeout_seconds}")
        if not all(isinstance(one, str) for one in log_files or ()):
            raise TypeError(f"log_files must be a list of strings or None, got {log_files!r}")
        self.update(setup_timeout_seconds=setup_timeout_seconds, eager_install=eager_install, log_files=log_files or [])

    def to_dict(self) -> dict[str, Any]:
        """A plain copy."""
        return dict(self)


def check_runtime_env(env: Mapping[str, Any] | None) -> None:
    """Raises TypeError or ValueError when `env` is wrong, NotImplementedError when it asks for what cannot be had here."""
    checked(env)


def checked(env: Mapping[str, Any] | None) -> dict[str, Any]:
    """The environment with each key in the form it is kept in; keys that ask for nothing are left out."""
    out = {}
    for key, value in (env or {}).items():
        kept = None if value is None else normalized(key, value)
        if kept is not None:
            out[key] = kept
    check_together(out)
    return out


def normalized(key: str, value: Any) -> Any:
    """The form in which the value of a key is kept; None when it asks for nothing. Raises what `check_runtime_env` raises."""
    if key in REFUSED:
        if value:
            raise NotImplementedError(f"runtime_env[{key!r}] cannot be had in mobula: {REFUSED[key]}")
        return None
    if key in _MARKS:
        return None
    check = _CHECKS.get(key)
    if check is None:
        raise ValueError(f"runtime_env has no key {key!r}; mobula takes {', '.join(map(repr, _CHECKS))}")
    return check(value)


def check_together(env: Mapping[str, Any]) -> None:
    """ValueError for keys that exclude each other."""
    asked = [key for key in ("pip", "uv", "py_executable") if env.get(key)]
    if len(asked) > 1:
        raise ValueError(
            f"The fields {' and '.join(map(repr, asked))} of runtime_env cannot be specified at the same time: each of them "
            "chooses the interpreter"
        )


def check_env_vars(env_vars: object) -> dict[str, str] | None:
    """Raises TypeError when this is not a dict of str to str, ValueError for names no process can have."""
    if not isinstance(env_vars, dict):
        raise TypeError(f"runtime_env['env_vars'] is a dict of str to str, not {env_vars!r}")
    for name, value in env_vars.items():
        if not isinstance(name, str) or not isinstance(value, str):
            raise TypeError(f"runtime_env['env_vars'] is a dict of str to str, but it has {name!r}: {value!r}")
        if not name or "=" in name or "\0" in name or "\0" in value:
            raise ValueError(f"runtime_env['env_vars']: {name!r} cannot be a variable of a process")
    return env_vars or None


def _check_working_dir(value: object) -> str:
    if isinstance(value, os.PathLike):
        value = os.fspath(value)
    if not isinstance(value, str):
        raise TypeError(f"runtime_env['working_dir'] is a folder or an archive, as text; not {value!r}")
    if is_uri(value):
        return _check_uri("working_dir", value)
    path = os.path.abspath(value)
    if os.path.isdir(path) or (os.path.isfile(path) and path.endswith((".zip", ".tar.gz", ".tgz", ".tar.xz"))):
        return path
    raise ValueError(f"runtime_env['working_dir']: {value!r} is not a folder, nor a .zip, .tar.gz, .tgz or .tar.xz file")


def _check_uri(key: str, value: str) -> str:
    if value.startswith(("gcs://_ray_pkg_", "local://")):
        return value
    raise NotImplementedError(
        f"runtime_env[{key!r}]: {value!r} would have to be downloaded, which mobula does not do: download it, and give the "
        "path of the folder or archive"
    )


def _check_py_modules(value: object) -> list[Any]:
    if not isinstance(value, list):
        raise TypeError(f"runtime_env['py_modules'] is a list of paths and modules, not {value!r}")
    return [_check_module(one) for one in value]


def _check_module(value: object) -> str:
    """A module as the path of its code."""
    if isinstance(value, os.PathLike):
        value = os.fspath(value)
    if isinstance(value, ModuleType):
        folders = list(getattr(value, "__path__", ()))
        if len(folders) > 1:
            raise ValueError(f"runtime_env['py_modules']: module {value.__name__!r} is spread over several folders: {folders}")
        path = folders[0] if folders else value.__file__
        if path is None:
            raise ValueError(f"runtime_env['py_modules']: module {value.__name__!r} has no file")
        value = path
    if not isinstance(value, str):
        raise TypeError(f"runtime_env['py_modules']: an entry is a path or a module, not {value!r}")
    if is_uri(value):
        return _check_uri("py_modules", value)
    path = os.path.abspath(value)
    if not os.path.isdir(path) and not (os.path.isfile(path) and path.endswith((".py", ".whl"))):
        raise ValueError(f"runtime_env['py_modules']: {value!r} is not a folder, a .py file or a .whl file")
    return path


def _check_excludes(value: object) -> list[str] | None:
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        raise TypeError(f"runtime_env['excludes'] is a list of patterns, not {value!r}")
    return value or None


def _check_pip(value: object) -> dict[str, Any] | None:
    fields = {"pip_check": bool, "pip_version": str, "pip_install_options": list}
    out = _check_installer("pip", value, fields)
    return out and {**out, "pip_check": out.get("pip_check", False)}


def _check_uv(value: object) -> dict[str, Any] | None:
    out = _check_installer("uv", value, {"uv_check": bool, "uv_version": str, "uv_pip_install_options": list})
    return out and {**out, "uv_check": out.get("uv_check", False)}


def _check_installer(key: str, value: object, fields: Mapping[str, type]) -> dict[str, Any] | None:
    name = f"runtime_env[{key!r}]"
    if isinstance(value, (str, list)):
        value = {"packages": value}
    if not isinstance(value, dict):
        raise TypeError(f"{name} is a list of requirements, the path of a requirements.txt, or a dict, not {value!r}")
    unknown = sorted(set(value) - {"packages", *fields})
    if unknown:
        raise ValueError(f"{name} can only have these fields: packages, {', '.join(fields)}, but got: {', '.join(unknown)}")
    if "packages" not in value:
        raise ValueError(f"{name} must include field 'packages', but got {value}")
    for field, kind in fields.items():
        if field in value and not isinstance(value[field], kind):
            raise TypeError(f"{name}[{field!r}] must be of type {kind.__name__}, got {type(value[field])}")
        if kind is list and not all(isinstance(one, str) for one in value.get(field, ())):
            raise TypeError(f"{name}[{field!r}] must be a list of texts, got {value[field]!r}")
    packages = value["packages"]
    if isinstance(packages, str):
        packages = _read_requirements(packages)
    elif not isinstance(packages, list):
        raise ValueError(f"{name}['packages'] must be of type str or list, got: {type(packages)}")
    elif not all(isinstance(one, str) for one in packages):
        raise TypeError(f"{name}['packages'] must be a list of texts, got {packages!r}")
    packages = list(dict.fromkeys(_absolute(one) for one in packages))
    return {**value, "packages": packages} if packages else None


def _read_requirements(path: str) -> list[str]:
    if not os.path.isfile(path):
        raise ValueError(f"{path} is not a valid file")
    with open(path, encoding="utf-8") as file:
        return file.read().strip().split("\n")


def _absolute(requirement: str) -> str:
    """pip does not run where the driver does, so a path is given from the root."""
    if os.sep in requirement and "://" not in requirement and os.path.exists(requirement):
        return os.path.abspath(requirement)
    for option in ("-r ", "--requirement ", "-c ", "--constraint "):
        if requirement.startswith(option) and os.path.isfile(requirement[len(option) :].strip()):
            return option + os.path.abspath(requirement[len(option) :].strip())
    return requirement


def _check_py_executable(value: object) -> str | None:
    if not isinstance(value, str):
        raise TypeError(f"runtime_env['py_executable'] is the command of an interpreter, as text; not {value!r}")
    return value.strip() or None


def _check_hook(value: object) -> Callable[[], object] | str:
    if not callable(value) and not isinstance(value, str):
        raise TypeError(f"runtime_env['worker_process_setup_hook'] is a function or the dotted name of one, not {value!r}")
    if isinstance(value, str) and "." not in value.strip("."):
        raise ValueError(f"runtime_env['worker_process_setup_hook']: {value!r} is no dotted name: 'module.function'")
    return value


def _check_config(value: object) -> RuntimeEnvConfig:
    if isinstance(value, RuntimeEnvConfig):
        return value
    if not isinstance(value, dict):
        raise TypeError(f"runtime_env['config'] must be of type dict or RuntimeEnvConfig, got: {type(value)}")
    unknown = sorted(set(value) - RuntimeEnvConfig.known_fields)
    if unknown:
        raise ValueError(
            f"runtime_env['config'] has no {', '.join(unknown)}; it takes {', '.join(sorted(RuntimeEnvConfig.known_fields))}"
        )
    return RuntimeEnvConfig(**value)


_CHECKS: dict[str, Callable[[Any], Any]] = {
    "env_vars": check_env_vars,
    "working_dir": _check_working_dir,
    "py_modules": _check_py_modules,
    "excludes": _check_excludes,
    "pip": _check_pip,
    "uv": _check_uv,
    "py_executable": _check_py_executable,
    "worker_process_setup_hook": _check_hook,
    "config": _check_config,
}
