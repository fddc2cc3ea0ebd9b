"""Sessions for the tests of this folder: a shared one for each module, or a fresh one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

import mobula


@pytest.fixture(scope="module")
def shared() -> Iterator[Any]:
    """A session with four CPUs that the module's tests share; gives its Process."""
    mobula.init(num_cpus=4, object_store_memory=1 << 30)
    yield mobula.session.process()
    mobula.shutdown()


@pytest.fixture
def fresh() -> Iterator[Callable[..., Any]]:
    """Starts a session of the test's own, with the keywords of init(); gives its Process."""

    def start(**keywords: Any) -> Any:
        mobula.init(**{"num_cpus": 2, "object_store_memory": 1 << 28, **keywords})
        return mobula.session.process()

    yield start
    mobula.shutdown()
