"""`import ray` gives mobula: programs written for Ray run with no changed line.

Owns the finder that answers for `ray` and everything below it, in this process and (told by the session's worker options) in
its workers. `ray.x.y` is a module of that name with the names of `mobula.x.y` in it, so `import ray.x.y`, `from ray.x import y`
and pickles that name `ray.x` all resolve; classes and functions are mobula's own objects, so both names may be mixed.
"""

from __future__ import annotations

import importlib
import importlib.machinery
import sys
from collections.abc import Sequence
from types import ModuleType
from typing import Any

from mobula import missing

#: The release of Ray whose API this is; programs compare `ray.__version__` with what they need.
RAY_VERSION = "2.60.0"

#: Modules of Ray that are found elsewhere than under the same name in mobula.
_ELSEWHERE = {
    "ray.cloudpickle": "cloudpickle",
    "ray.types": "mobula.object_ref",
    # So that pure-Python parts of an installed Ray, and libraries with a Ray engine, run: docs/compat.md.
    "ray._private": "mobula.private_of_ray",
    "ray._private.services": "mobula.private_of_ray.services",
    "ray._private.state": "mobula.private_of_ray.state",
    "ray._private.utils": "mobula.private_of_ray.utils",
    "ray.data": "mobula.private_of_ray.data",
    "ray._common": "mobula.no_telemetry",
    "ray._common.usage": "mobula.no_telemetry",
    "ray._common.usage.usage_lib": "mobula.no_telemetry",
}


class _RayModule(ModuleType):
    """A module of Ray's name with mobula's contents. What mobula has no name for is refused with a hint."""

    def __init__(self, name: str, ours: ModuleType) -> None:
        super().__init__(name, ours.__doc__)
        self.__mobula__ = ours

    def __getattr__(self, name: str) -> Any:
        # Asked only for what is not in the module yet: submodules, and names that mobula makes on first use.
        if name.startswith("__"):
            raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")
        try:
            found = getattr(self.__mobula__, name)
        except AttributeError:
            if counterpart(f"{self.__name__}.{name}") is None:
                raise AttributeError(missing.sentence(f"{self.__name__}.{name}"[len("ray.") :])) from None
            return importlib.import_module(f"{self.__name__}.{name}")
        if isinstance(found, ModuleType):
            return importlib.import_module(f"{self.__name__}.{name}")
        setattr(self, name, found)
        return found

    def __reduce__(self) -> tuple[Any, ...]:
        # cloudpickle pickles modules by name only if they are ModuleType exactly.
        return importlib.import_module, (self.__name__,)

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *dir(self.__mobula__)})


class _RayFinder:
    """Answers for `ray` and `ray.…` before any finder of files does."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname != "ray" and not fullname.startswith("ray."):
            return None
        home = counterpart(fullname)
        if home is None:
            # Without name=: `from ray.util import x` drops a ModuleNotFoundError that names x, and says less.
            raise ModuleNotFoundError(missing.sentence(fullname[len("ray.") :]))
        spec = importlib.machinery.ModuleSpec(
            fullname,
            self,  # type: ignore[arg-type]  # has what importlib asks for; importlib.abc would be loaded for its name only
            origin=f"mobula as {fullname}",
            is_package=True,
        )
        spec.loader_state = home
        return spec

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType:
        return _RayModule(spec.name, importlib.import_module(spec.loader_state))

    def exec_module(self, module: ModuleType) -> None:
        ours: ModuleType = module.__mobula__
        public = getattr(ours, "__all__", None)
        names = [name for name in vars(ours) if not name.startswith("_")] if public is None else list(public)
        module.__all__ = list(names)  # type: ignore[attr-defined]
        # Copied, not looked up: `ray.get` costs what `mobula.get` costs. Modules come by import, under Ray's name.
        for name in names:
            value = vars(ours).get(name)
            if name in vars(ours) and not isinstance(value, ModuleType):
                setattr(module, name, value)
        if module.__name__ == "ray":
            module.__version__ = RAY_VERSION  # type: ignore[attr-defined]


def counterpart(fullname: str) -> str | None:
    """The module that stands for a module of Ray; None where there is none."""
    if fullname in _ELSEWHERE:
        return _ELSEWHERE[fullname]
    if fullname.startswith("ray.cloudpickle."):
        return "cloudpickle.cloudpickle"
    ours = "mobula" + fullname[len("ray") :]
    if any(part.startswith("_") for part in ours.split(".")):
        return None
    import importlib.util  # not at the import of the package, which few programs follow by this

    try:
        return ours if importlib.util.find_spec(ours) is not None else None
    except ModuleNotFoundError:
        return None


def is_installed() -> bool:
    """Whether `import ray` gives mobula in this process.

    >>> import mobula.as_ray
    >>> mobula.as_ray.is_installed()
    False
    """
    return any(isinstance(finder, _RayFinder) for finder in sys.meta_path)


def install_as_ray() -> None:
    """From now on `import ray` gives mobula, in this process and in the workers of sessions that begin later.

    Also for `import ray.util.queue`, `from ray.exceptions import …` and functions pickled with `ray` in them. Calling it again
    changes nothing. `ray.__version__` is then the release of Ray whose API this is. Raises RuntimeError where the real ray has
    been imported already, or where a session runs whose workers do not know.

    >>> import subprocess, sys
    >>> code = "import mobula; mobula.install_as_ray(); import ray.util; print(ray.get is mobula.get)"
    >>> subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout
    'True\\n'
    """
    if is_installed():
        return
    real = sys.modules.get("ray")
    if real is not None:
        where = getattr(real, "__file__", None) or "no file"
        raise RuntimeError(
            f"the real ray is imported in this process already ({where}): call mobula.install_as_ray() before the first "
            "`import ray`, or run the program with `mobula run`"
        )
    from mobula.session import is_initialized

    if is_initialized():
        raise RuntimeError(
            "a session runs already, and its workers would not know ray by this name: call mobula.install_as_ray() before "
            "init(), or shutdown() first"
        )
    sys.meta_path.insert(0, _RayFinder())
