"""Stock Ray clusters, started from an environment of their own by `cluster/stock_cluster.py`: for the tests of the folder cluster,
the conformance cases on stock workers, and the benchmarks.

Owns the start and the end of such a cluster; nothing of it is left afterwards.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
#: Names an interpreter that has ray==2.60.0, where it is not the one that `make .venv-ray/.made` makes. Who does wants no test
#: skipped.
RAY_PYTHON = "MOBULA_TEST_RAY_PYTHON"
START_PATIENCE_S = 90.0


class NoStockRayError(Exception):
    """There is no interpreter that has stock Ray; the text says how to get one."""


def ray_python() -> Path:
    """The interpreter that runs stock Ray. Raises NoStockRayError where that environment was not made."""
    named = os.environ.get(RAY_PYTHON)
    path = Path(named) if named else ROOT / ".venv-ray" / "bin" / "python"
    if not path.exists():
        raise NoStockRayError(f"{path} is not there: run `make .venv-ray/.made`, or name one that has ray in {RAY_PYTHON}")
    return path


class Cluster:
    """A running cluster: its address, its nodes and where their sockets are. See `stock_cluster.describe`."""

    def __init__(self, process: subprocess.Popen[bytes], told: dict[str, Any]) -> None:
        self.process = process
        self.address: str = told["address"]
        self.folder: str = told["folder"]
        self.session_dir: str = told["session_dir"]
        self.token: str = told["token"]
        self.nodes: list[dict[str, Any]] = told["nodes"]

    @property
    def environment(self) -> dict[str, str]:
        """What a driver needs in its environment to be let in."""
        return {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": self.token} if self.token else {"RAY_AUTH_MODE": "disabled"}

    def stock_driver(self, program: str, *arguments: str, timeout: float = 60.0) -> str:
        """What a program prints that runs on stock Ray, beside the cluster's first node; AssertionError if it fails."""
        found = subprocess.run(
            [str(ray_python()), "-c", program, *arguments],
            env={**os.environ, **self.environment, "RAY_ADDRESS": self.address},
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )
        assert found.returncode == 0, found.stderr
        return found.stdout


@contextlib.contextmanager
def stock_cluster(*nodes: dict[str, Any], token: bool = True, **wanted: Any) -> Iterator[Cluster]:
    """A cluster of these nodes (keywords of Ray's node start, such as `num_cpus`); nothing of it is left afterwards.

    The token is made for it alone; `token=False` switches authentication off. `wanted`: `env` for the servers, `system_config`,
    `dashboard`. Raises NoStockRayError.
    """
    python = ray_python()
    wanted |= {"nodes": list(nodes) or [{}], "token": secrets.token_hex(32) if token else None}
    process = subprocess.Popen(
        [str(python), str(ROOT / "tests" / "cluster" / "stock_cluster.py"), json.dumps(wanted)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    watchdog = threading.Timer(START_PATIENCE_S, process.terminate)
    folder = None
    try:
        watchdog.start()
        line = process.stdout.readline()
        watchdog.cancel()
        assert line, f"the stock cluster did not start (exit status {process.wait()}); its stderr says why"
        cluster = Cluster(process, json.loads(line))
        folder = cluster.folder
        yield cluster
    finally:
        watchdog.cancel()
        process.stdin.close()
        status = process.wait(timeout=60)
        process.stdout.close()
    assert status == 0, f"the stock cluster ended with {status}; its stderr says why"
    assert not os.path.exists(folder), "the stock cluster left its folder"
