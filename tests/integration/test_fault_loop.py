"""Points of the core that fail on purpose: a share of what `make faults` does."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from mobula._core import binary

#: What the whole loop has found: tried every time.
FOUND = ("from.allocate:lose:1", "zygote.request:fail:1")
#: Those of one day: the core's, the messages', the driver's side, the workers'.
ACTIONS = (("fail", "lose"), ("delay", "double"), ("shim-fail", "shim-cut"), ("worker-fail", "worker-cut"))
FOLDER = Path(__file__).parents[1] / "fault_points"


def test_the_product_has_no_faults() -> None:
    """Invariant: without the build tag nothing of the injection is in the core, whatever the environment says."""
    assert b"MOBULA_FAULTS" not in Path(binary.PACKAGED).read_bytes()


@pytest.mark.timeout(420)
@pytest.mark.skipif(shutil.which("go") is None, reason="the core with faults is built on demand, by Go")
def test_no_failing_point_hangs_falsifies_or_leaves_anything(place: str) -> None:
    """Invariant: whichever one message is lost, late or doubled, and whichever one system call fails, every result is right or
    an error that says what happened, what runs at most once does, the session comes to rest and ends without trace.

    Other points every day: all of them take minutes.
    """
    subprocess.run([sys.executable, str(FOLDER / "faulty_core.py")], check=True, timeout=110)
    core = FOLDER.parents[1] / "build" / "mobula-core-faults"
    assert b"MOBULA_FAULTS" in core.read_bytes()
    day = int(time.time() // 86400)
    first, actions = 1 + day * 3 % 40, ACTIONS[day % len(ACTIONS)]
    command = [sys.executable, str(FOLDER / "loop.py"), str(core), "--verbose", "--first", str(first), "--seconds", "4"]
    command += [word for action in actions for word in ("--action", action)]
    command += [word for spec in FOUND for word in ("--pinned", spec)]
    environment = {**os.environ, "XDG_RUNTIME_DIR": place}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"| calls | {actions[0]} |" in done.stdout
