"""Ctrl-C at random instants of a driver: everything works afterwards, nothing is lost or done twice, nothing piles up."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

INTERRUPTS = 300


@pytest.mark.parametrize("seed", [1, 2])
def test_three_hundred_interrupts(place: str, seed: int) -> None:
    script = Path(__file__).with_name("interrupted_driver.py")
    command = [sys.executable, str(script), str(INTERRUPTS), str(seed)]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=110)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["taken"] == INTERRUPTS
    assert told["steps"] > 20, "some steps are not hit"
    assert told["wrong"] == told["lost"] == told["unseen"] == []
    assert told["doubled"] == 0
    assert not told["unordered"]
    assert told["counts"] == {}
    assert done.stderr == "", "an interrupt that a finalizer swallowed, or an invariant of the core that broke"
