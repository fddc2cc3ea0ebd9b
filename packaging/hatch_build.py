"""Hatchling's hook: puts mobula-core into the wheel and gives the wheel its platform tag.

The wheel holds no compiled Python, so one wheel a platform serves every Python 3. An editable install gets the
binary too: it is built into the source tree, where the package finds it as it does in a wheel.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


def _core_binary(root: str) -> ModuleType:
    """Load packaging/core_binary.py by path: the folder is not a package, and hatchling does not put it on sys.path."""
    path = Path(root) / "packaging" / "core_binary.py"
    spec = importlib.util.spec_from_file_location("mobula_core_binary", path)
    if spec is None or spec.loader is None:
        raise FileNotFoundError(path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class CoreBinaryHook(BuildHookInterface):  # type: ignore[misc]
    """Builds the core before the wheel's files are collected."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Build the binary; hatchling then finds it by the `artifacts` line of pyproject.toml."""
        core = _core_binary(self.root)
        try:
            tag = core.wheel_tag()
            core.build()
        except core.BuildError as error:
            # A traceback through pip, hatchling and this file would bury the one sentence that helps.
            self.app.abort(f"mobula: {error}")
        build_data["pure_python"] = False
        build_data["tag"] = tag
