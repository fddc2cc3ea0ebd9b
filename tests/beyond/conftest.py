"""One session of four processors for all cases of a file, and signals between its processes.

The checks of mobula.testing run after each case: whatever was canceled left nothing queued, running, parked or leased.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from beyond_kit import Flags

import mobula


@pytest.fixture(scope="module", autouse=True)
def _session() -> Iterator[None]:
    mobula.init(num_cpus=4, include_dashboard=False, log_to_driver=False)
    yield
    mobula.shutdown()


@pytest.fixture
def flags(tmp_path: Path) -> Flags:
    """Named signals that tasks, actors and the test can raise and wait for."""
    return Flags(tmp_path)
