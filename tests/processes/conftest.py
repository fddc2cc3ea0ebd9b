"""Every test here has a folder of its own for sessions, and leaves none in it."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator

import pytest


@pytest.fixture
def place(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A private folder with a short path (a socket's path has 107 bytes), where sessions of this test go."""
    with tempfile.TemporaryDirectory(prefix="mt-", dir="/tmp") as folder:
        monkeypatch.setenv("XDG_RUNTIME_DIR", folder)
        yield folder
        assert os.listdir(folder) == [], "a session left its folder"
