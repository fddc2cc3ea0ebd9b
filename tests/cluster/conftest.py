"""Stock Ray clusters for the tests of this folder: `stock_kit` starts them. The tests are skipped where there is no stock Ray,
unless somebody has named an interpreter that has it, as `make test-cluster` does."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from stock_kit import RAY_PYTHON, Cluster, NoStockRayError
from stock_kit import stock_cluster as start_cluster

__all__ = ["Cluster", "stock_cluster"]


@contextlib.contextmanager
def stock_cluster(*nodes: dict[str, Any], **wanted: Any) -> Iterator[Cluster]:
    """`stock_kit.stock_cluster`, or a test that is skipped."""
    with contextlib.ExitStack() as started:
        try:
            cluster = started.enter_context(start_cluster(*nodes, **wanted))
        except NoStockRayError as error:
            if os.environ.get(RAY_PYTHON):
                raise
            pytest.skip(str(error))
        yield cluster


@pytest.fixture(scope="package")
def one_node() -> Iterator[Cluster]:
    """One node with two CPUs and a store of 150 MiB; tokens are asked for. All tests of this folder share it."""
    with stock_cluster({"num_cpus": 2}) as cluster:
        yield cluster


@pytest.fixture(scope="package")
def two_nodes() -> Iterator[Cluster]:
    """Two nodes; the second has a resource of its own, `other`, by which a task is sent there, and the label
    rack=b."""
    with stock_cluster({"num_cpus": 2}, {"num_cpus": 2, "resources": {"other": 2}, "labels": {"rack": "b"}}) as cluster:
        yield cluster


@pytest.fixture
def cluster_of() -> Callable[..., contextlib.AbstractContextManager[Cluster]]:
    """Starts a cluster of the test's own: for tests that break it, or want it otherwise."""
    return stock_cluster
