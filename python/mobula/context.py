"""What `init` returns: a description of the session that ends it when used in a `with` block.

Owns `RayContext` with Ray's fields. It holds nothing open itself.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any

from mobula._version import __version__


def _python_version() -> str:
    return ".".join(map(str, sys.version_info[:3]))


@dataclass(eq=False)
class RayContext(Mapping[str, Any]):
    """The session that `init` started or found.

    `with mobula.init() as context:` shuts it down at the end of the block. Reading it like a dict is Ray's old way to
    `address_info`, and warns.
    """

    dashboard_url: str | None = ""  # there is no dashboard
    python_version: str = field(default_factory=_python_version)
    ray_version: str = __version__
    ray_commit: str = ""
    address_info: dict[str, Any] = field(default_factory=dict, repr=False)

    def disconnect(self) -> None:
        """The same as `shutdown()`."""
        from mobula import session

        session.shutdown()

    def __enter__(self) -> RayContext:  # noqa: PYI034 - Self is not in the standard library of 3.10
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.disconnect()

    def __getitem__(self, key: str) -> Any:
        warnings.warn(f'ctx["{key}"] is deprecated: use ctx.address_info["{key}"]', DeprecationWarning, stacklevel=2)
        return self.address_info[key]

    def __len__(self) -> int:
        return len(self.address_info)

    def __iter__(self) -> Iterator[str]:
        return iter(self.address_info)
