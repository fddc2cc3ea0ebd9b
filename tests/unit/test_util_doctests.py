"""Every example in the docstrings of mobula.util, and of what it has from elsewhere, runs and says what it says."""

from __future__ import annotations

import doctest
import importlib
from collections.abc import Iterator

import pytest

import mobula

MODULES = (
    "placement_group",
    "strategies",
    "util.actor_pool",
    "util.annotations",
    "util.check_serialize",
    "util.completion",
    "util.dask",
    "util.debug",
    "util.joblib",
    "util.metrics",
    "util.multiprocessing.pool",
    "util.multiprocessing.results",
    "util.node",
    "util.queue",
)


@pytest.fixture(scope="module", autouse=True)
def running() -> Iterator[None]:
    mobula.init(num_cpus=2, log_to_driver=False, object_store_memory=80 << 20)
    yield
    mobula.shutdown()


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_hold(name: str) -> None:
    result = doctest.testmod(importlib.import_module(f"mobula.{name}"))
    assert result.attempted
    assert not result.failed
