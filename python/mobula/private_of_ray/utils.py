"""What stands for `ray._private.utils`: Ray's `ray.util.multiprocessing` asks whether a cluster runs on this machine."""

from __future__ import annotations

__all__ = ["get_ray_doc_version", "read_ray_address"]


def read_ray_address(temp_dir: str | None = None) -> str | None:
    """The address that a started cluster left on this machine. mobula leaves none: a session belongs to its driver."""
    return None


def get_ray_doc_version() -> str:
    """The part of an address in Ray's documentation that names the release."""
    from mobula.as_ray import RAY_VERSION

    return f"releases-{RAY_VERSION}"
