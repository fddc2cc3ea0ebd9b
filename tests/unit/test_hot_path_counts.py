"""The hot paths take no more steps than they did: Python calls, C calls, operations on the socket (tests/bench/counts.py).

Where a step more is worth it, or there are fewer now: `python tests/bench/counts.py --update`, and the commit says why.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

BENCH = Path(__file__).parents[1] / "bench"
TOLERANCE = 1.02
#: Of the Python whose steps are kept. Later ones make fewer calls into Python, and count calls into C in other ways.
COUNTED = (3, 11)


def test_no_hot_path_takes_more_steps() -> None:
    ran = subprocess.run(
        [sys.executable, str(BENCH / "counts.py"), "--json"], capture_output=True, text=True, timeout=300, check=False
    )
    assert ran.returncode == 0, ran.stderr
    found = json.loads(ran.stdout)
    kept = json.loads((BENCH / "counts.json").read_text())
    assert found.keys() == kept.keys()
    for name, (calls, c_calls, operations) in found.items():
        most_calls, most_c_calls, most_operations = kept[name]
        assert operations <= most_operations, f"{name}: {operations} operations on the socket a call, {most_operations} before"
        assert calls <= most_calls * TOLERANCE, f"{name}: {calls} Python calls a call, {most_calls} before"
        if sys.version_info[:2] == COUNTED:
            assert c_calls <= most_c_calls * TOLERANCE, f"{name}: {c_calls} C calls a call, {most_c_calls} before"
