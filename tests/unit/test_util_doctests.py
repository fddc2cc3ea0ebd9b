"""Every example in the docstrings of mobula.util runs and says what it says."""

from __future__ import annotations

import doctest
import importlib
from collections.abc import Iterator

import pytest

import mobula

MODULES = (
    "actor_pool",
    "check_serialize",
    "completion",
    "debug",
    "metrics",
    "multiprocessing.pool",
    "multiprocessing.results",
    "node",
    "queue",
)


@pytest.fixture(scope="module", autouse=True)
def running() -> Iterator[None]:
    mobula.init(num_cpus=2, log_to_driver=False, object_store_memory=80 << 20)
    yield
    mobula.shutdown()


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_hold(name: str) -> None:
    result = doctest.testmod(importlib.import_module(f"mobula.util.{name}"))
    assert result.attempted
    assert not result.failed
