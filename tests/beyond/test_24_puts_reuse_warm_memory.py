"""Row 24: once the room of an object was given back, the next one is written to it, and so to memory that was touched before.

The first touch of a page costs ten times the copy into it, so what is counted is page faults: they do not depend on how busy
the machine is, as a speed does. `make bench` has the speed.
"""

from __future__ import annotations

import resource
from typing import Any

import numpy as np
import pytest
from beyond_kit import until

import mobula

MB = 1 << 20
PAGES = 40 * MB // resource.getpagesize()


def faults_of(call: Any) -> int:
    before = resource.getrusage(resource.RUSAGE_THREAD).ru_minflt
    call()
    return resource.getrusage(resource.RUSAGE_THREAD).ru_minflt - before


@pytest.fixture
def _session() -> Any:
    mobula.init(num_cpus=1, object_store_memory=500 * MB)
    yield
    mobula.shutdown()


def all_given_back() -> bool:
    process = mobula.session.process()
    return bool(process.inspect().arena_used == 0)


@pytest.mark.usefixtures("_session")
def test_a_put_after_a_drop_touches_no_new_page() -> None:
    array = np.ones(40 * MB, np.uint8)
    assert faults_of(lambda: mobula.put(array)) >= PAGES // 2  # or this test counts nothing
    for _ in range(5):
        until("the core was told that the last ref is gone", all_given_back)
        assert faults_of(lambda: mobula.put(array)) < PAGES // 50


@pytest.mark.usefixtures("_session")
def test_a_put_after_a_view_touches_no_new_page() -> None:
    array = np.ones(40 * MB, np.uint8)
    mobula.get(mobula.put(array))
    for _ in range(5):
        until("the core was told that the last view is gone", all_given_back)
        assert faults_of(lambda: mobula.put(array)) < PAGES // 50
        view = mobula.get(mobula.put(array))
        assert view[-1] == 1
        del view
