"""The two hashes that ids are made of, from CPython's own modules.

`hashlib` prefers OpenSSL's, whose library takes 4 ms to load in each driver and zygote, and a tenth more for so few bytes. An
interpreter that was built without its own has OpenSSL's here.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hashlib import sha256, shake_128
else:

    def _found(name: str, *modules: str) -> Any:
        for module in modules:
            try:
                return getattr(importlib.import_module(module), name)
            except (ImportError, AttributeError):  # noqa: PERF203 - another release's, or left out of this one
                continue
        raise ImportError(f"this Python has no {name}")

    sha256 = _found("sha256", "_sha2", "_sha256", "hashlib")  # 3.12 joined them
    shake_128 = _found("shake_128", "_sha3", "hashlib")

__all__ = ["sha256", "shake_128"]
