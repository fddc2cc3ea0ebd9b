"""Helpers around the core API, under Ray's names.

Here so far: custom serializers. What else Ray has under `ray.util` is an AttributeError that says so.
"""

from __future__ import annotations

from typing import Any

from mobula.serialization import deregister_serializer, register_serializer

__all__ = ["deregister_serializer", "register_serializer"]


def __getattr__(name: str) -> Any:
    raise AttributeError(
        f"mobula.util has no {name!r}: of ray.util it has {', '.join(__all__)}; docs/differences.md lists what is missing"
    )
