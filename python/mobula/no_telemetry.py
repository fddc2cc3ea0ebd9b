"""What stands for `ray._common.usage.usage_lib`: Ray's own helpers report there which library is used. mobula reports nothing."""

from __future__ import annotations

__all__ = ["record_extra_usage_tag", "record_library_usage"]


def record_library_usage(library_usage: str) -> None:
    """Nothing is recorded, and nothing sent."""


def record_extra_usage_tag(key: object, value: str, gcs_client: object = None) -> None:
    """Nothing is recorded, and nothing sent."""
