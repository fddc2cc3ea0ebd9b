"""Sessions whose cache and folder are this test's own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import mobula


@pytest.fixture
def one_session() -> Iterator[None]:
    """A session without an environment of its own."""
    mobula.init(num_cpus=2, object_store_memory=1 << 28)
    yield
    mobula.shutdown()


@pytest.fixture
def start(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Callable[..., None]]:
    """Starts a session of the test's own, with the keywords of init()."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))

    def init(**keywords: Any) -> None:
        mobula.init(**{"num_cpus": 2, "object_store_memory": 1 << 28, **keywords})

    yield init
    mobula.shutdown()
