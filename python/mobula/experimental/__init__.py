"""What Ray has under `ray.experimental` and programs use: progress bars. Owns the names only."""

from __future__ import annotations

import importlib
from typing import Any

from mobula import missing

__all__: list[str] = []

_MODULES = ("tqdm_ray",)


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return importlib.import_module(f"mobula.experimental.{name}")
    if name.startswith("__"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    raise AttributeError(missing.sentence(f"experimental.{name}", asked_of="mobula"))


def __dir__() -> list[str]:
    return sorted({*globals(), *_MODULES})
