"""`RuntimeEnv`, the dict that checks what is put into it."""

from __future__ import annotations

import json
from collections.abc import Callable
from copy import deepcopy
from typing import Any, NoReturn

from mobula.runtime_env.checks import RuntimeEnvConfig, check_together, normalized


class RuntimeEnv(dict[str, Any]):
    """What a task, an actor or a session asks of its worker processes, checked when it is made. Usable wherever a dict is.

    >>> from mobula.runtime_env import RuntimeEnv
    >>> RuntimeEnv(env_vars={"A": "1"}, pip=["tqdm"])["pip"]
    {'packages': ['tqdm'], 'pip_check': False}
    """

    def __init__(
        self,
        *,
        py_modules: list[Any] | None = None,
        py_executable: str | None = None,
        working_dir: str | None = None,
        pip: str | list[str] | dict[str, Any] | None = None,
        conda: str | dict[str, Any] | None = None,
        container: dict[str, Any] | None = None,
        env_vars: dict[str, str] | None = None,
        worker_process_setup_hook: Callable[[], object] | str | None = None,
        nsight: str | dict[str, str] | None = None,
        rocprof_sys: str | dict[str, Any] | None = None,
        config: dict[str, Any] | RuntimeEnvConfig | None = None,
        _validate: bool = True,
        image_uri: str | None = None,
        uv: str | list[str] | dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__()
        given = dict(locals())
        for name in ("self", "_validate", "kwargs", "__class__"):
            given.pop(name, None)
        for key, value in {**kwargs, **given}.items():
            if value is None:
                continue
            if _validate:
                self[key] = value
            else:
                super().__setitem__(key, value)
        if _validate:
            check_together(self)

    def __setitem__(self, key: str, value: Any) -> None:
        checked = normalized(key, value)
        if checked is not None:
            super().__setitem__(key, checked)

    def __getattr__(self, name: str) -> NoReturn:
        # Only for what is not there; `__reduce_ex__` and the like must not be taken for a part of Ray.
        if name.startswith("_"):
            raise AttributeError(name)
        from mobula import missing

        raise AttributeError(missing.sentence(f"runtime_env.RuntimeEnv.{name}"))

    def set(self, name: str, value: Any) -> None:
        """The same as `env[name] = value`."""
        self[name] = value

    def to_dict(self) -> dict[str, Any]:
        """A plain, deep copy."""
        copy = deepcopy(dict(self))
        if "config" in copy:
            copy["config"] = dict(copy["config"])
        return copy

    def serialize(self) -> str:
        """As JSON. Raises what the constructor raises when something wrong was put in."""
        return json.dumps(RuntimeEnv(**self), sort_keys=True)

    @classmethod
    def deserialize(cls, serialized_runtime_env: str) -> RuntimeEnv:
        """The other way round."""
        return cls(_validate=False, **json.loads(serialized_runtime_env))

    def has_working_dir(self) -> bool:
        """Whether there is a working_dir."""
        return self.get("working_dir") is not None

    def working_dir(self) -> str:
        """The working_dir, "" for none."""
        return str(self.get("working_dir", ""))

    def working_dir_uri(self) -> str | None:
        """The working_dir, None for none."""
        return self.get("working_dir")

    def py_modules(self) -> list[Any]:
        """The py_modules."""
        return list(self.get("py_modules") or ())

    def py_modules_uris(self) -> list[Any]:
        """The py_modules."""
        return self.py_modules()

    def py_executable(self) -> str | None:
        """The command of the interpreter, None for the driver's."""
        return self.get("py_executable")

    def env_vars(self) -> dict[str, str]:
        """The variables."""
        return dict(self.get("env_vars") or {})

    def has_pip(self) -> bool:
        """Whether pip is to install something."""
        return bool(self.get("pip"))

    def pip_config(self) -> dict[str, Any]:
        """What pip is to do, {} for nothing."""
        return dict(self.get("pip") or {})

    def has_uv(self) -> bool:
        """Whether uv is to install something."""
        return bool(self.get("uv"))

    def uv_config(self) -> dict[str, Any]:
        """What uv is to do, {} for nothing."""
        return dict(self.get("uv") or {})

    def has_conda(self) -> bool:
        """False: conda is refused."""
        return bool(self.get("conda"))

    def image_uri(self) -> str | None:
        """None: images are refused."""
        return self.get("image_uri")

    def plugins(self) -> list[tuple[str, Any]]:
        """Nothing: there are no plugins, and their keys are refused."""
        return []
