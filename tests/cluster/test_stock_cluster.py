"""The fixtures themselves: what they start is a stock cluster, and it goes without trace."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import pytest

PROGRAM = """
import ray
ray.init(address="auto", log_to_driver=False)
@ray.remote
def double(n):
    return 2 * n
print(ray.__version__, len(ray.nodes()), ray.get(double.remote(21)))
"""


@pytest.mark.parametrize("token", [True, False])
def test_a_stock_driver_joins(cluster_of: Callable[..., Any], token: bool) -> None:
    with cluster_of({"num_cpus": 1}, token=token) as cluster:
        assert cluster.stock_driver(PROGRAM).split() == ["2.60.0", "1", "42"]
        assert os.path.exists(cluster.nodes[0]["raylet_socket"])
        assert bool(cluster.token) == token
        pids = [pid for several in cluster.nodes[0]["pids"].values() for pid in several]
    assert not [pid for pid in pids if os.path.exists(f"/proc/{pid}")]
