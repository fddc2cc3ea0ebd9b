"""The core with faults: where it is, and how it is built."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PATH = ROOT / "build" / "mobula-core-faults"


def build() -> Path:
    """Builds it, which costs nothing where nothing has changed; its path. Raises CalledProcessError, or FileNotFoundError
    where there is no Go."""
    PATH.parent.mkdir(exist_ok=True)
    command = ["go", "build", "-tags", "faults", "-trimpath", "-buildvcs=false", "-o", str(PATH), "./cmd/mobula-core"]
    subprocess.run(command, cwd=ROOT, env={**os.environ, "CGO_ENABLED": "0"}, check=True)
    return PATH


if __name__ == "__main__":
    try:
        print(build())
    except (OSError, subprocess.CalledProcessError) as error:
        sys.exit(f"error: the core with faults was not built: {error}")
