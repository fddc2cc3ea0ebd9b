"""Programs that say `import ray` run unchanged; README.md here tells what they are."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
SAYS = {
    "monte_carlo_pi": "pi is about 3.1",
    "parameter_server": "both ways found [2.0, -3.0, 0.5, 1.0]",
    "tree_reduce": "three trees agree: 528",
    "map_reduce": "most common: [('the', 15)]",
    "batch_prediction": "predicted 768 rows",
    "web_crawler": "crawled 31 pages, each once",
    "lock_step": "three were signaled, and never more than 4 ran",
}


def test_every_program_is_here() -> None:
    assert sorted(SAYS) == sorted(path.stem for path in HERE.glob("*.py") if not path.name.startswith("test_"))


@pytest.mark.parametrize("name", SAYS)
def test_it_runs_unchanged(name: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "mobula", "run", str(HERE / f"{name}.py")],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(HERE.parents[1] / "python")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == SAYS[name] + "\n"
