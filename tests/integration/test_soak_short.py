"""A few seconds of the soak, so that it still runs when somebody wants twenty minutes of it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

SOAK = Path(__file__).parents[1] / "soak" / "soak.py"


def test_a_few_seconds_of_the_soak() -> None:
    command = [sys.executable, str(SOAK), "--minutes", "0.1", "--seed", "3", "--threads", "1"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=110, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "| wrong results | 0 |" in done.stdout
    assert "| leaks | 0 |" in done.stdout
