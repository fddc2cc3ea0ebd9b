"""Stock Ray clusters for the tests of this folder, started from an environment of their own by `stock_cluster.py`."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
#: An interpreter that has ray==2.60.0, where it is not the one that `make .venv-ray/.made` makes.
RAY_PYTHON = "MOBULA_TEST_RAY_PYTHON"
START_PATIENCE_S = 90.0


def ray_python() -> Path | None:
    """The interpreter that runs stock Ray; None where that environment was not made."""
    path = Path(os.environ.get(RAY_PYTHON) or ROOT / ".venv-ray" / "bin" / "python")
    return path if path.exists() else None


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
        """What a program prints that runs on stock Ray, beside the cluster's first node; it fails the test if it fails."""
        python = ray_python()
        assert python is not None
        found = subprocess.run(
            [str(python), "-c", program, *arguments],
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
    `dashboard`.
    """
    python = ray_python()
    if python is None:
        pytest.skip(f"no stock Ray: run `make .venv-ray/.made`, or name an interpreter that has it in {RAY_PYTHON}")
    wanted |= {"nodes": list(nodes) or [{}], "token": secrets.token_hex(32) if token else None}
    process = subprocess.Popen(
        [str(python), str(Path(__file__).with_name("stock_cluster.py")), json.dumps(wanted)],
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


@pytest.fixture(scope="package")
def one_node() -> Iterator[Cluster]:
    """One node with two CPUs and a store of 150 MiB; tokens are asked for. All tests of this folder share it."""
    with stock_cluster({"num_cpus": 2}) as cluster:
        yield cluster


@pytest.fixture(scope="package")
def two_nodes() -> Iterator[Cluster]:
    """Two nodes; the second has a resource of its own, `other`, by which a task is sent there."""
    with stock_cluster({"num_cpus": 2}, {"num_cpus": 2, "resources": {"other": 2}}) as cluster:
        yield cluster


@pytest.fixture
def cluster_of() -> Callable[..., contextlib.AbstractContextManager[Cluster]]:
    """Starts a cluster of the test's own: for tests that break it, or want it otherwise."""
    return stock_cluster
