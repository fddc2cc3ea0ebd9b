"""What every suite here has: `tests/` on the path and a private place for sessions. The setting mobula_nothing_left has
each test checked by mobula.testing."""

from __future__ import annotations

import os
import signal
import sys
import tempfile
from collections.abc import Iterator
from typing import Any

import hypothesis
import pytest

# A shell starts what runs behind its back with SIGINT ignored, and the programs of the tests would inherit that.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# How long an example takes says more about the machine than about what is tested.
hypothesis.settings.register_profile("mobula", deadline=None)
hypothesis.settings.load_profile("mobula")


@pytest.fixture
def place(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A private folder with a short path (a socket's path has 107 bytes), where sessions of this test go."""
    with tempfile.TemporaryDirectory(prefix="mt-", dir="/tmp") as folder:
        monkeypatch.setenv("XDG_RUNTIME_DIR", folder)
        yield folder
        assert os.listdir(folder) == [], "a session left its folder"


@pytest.fixture(scope="module", autouse=True)
def _ends_its_sessions() -> Iterator[None]:
    """A session that a module leaves behind would drain the finalizers' notes that the next module looks at, and be taken for
    its own by the next one. One that began by itself, at first use, is easily overlooked."""
    import mobula

    yield
    left = mobula.is_initialized()
    mobula.shutdown()
    assert not left, "a test of this module left its session running: end it with mobula.shutdown()"


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """How many bytecodes the tests of interrupts have interrupted."""
    kit = sys.modules.get("bytecodes")
    for line in kit.told() if kit is not None else ():
        terminalreporter.write_line(line)
