"""Handles that leave the task that made them."""

from __future__ import annotations

import pytest

import mobula


@pytest.fixture
def session():  # type: ignore[no-untyped-def]
    with mobula.init(num_cpus=2, log_to_driver=False):
        yield


def test_an_actor_lives_on_when_its_handle_is_all_that_its_task_returned(session: None) -> None:
    """The driver's handle is counted before the result that brought it is let go, however soon that is."""

    @mobula.remote
    class Counter:
        def __init__(self) -> None:
            self.value = 0

        def add(self) -> int:
            self.value += 1
            return self.value

    @mobula.remote
    def make() -> object:
        return Counter.remote()

    for _ in range(10):
        counter = mobula.get(make.remote())
        assert mobula.get([counter.add.remote(), counter.add.remote()], timeout=60) == [1, 2]
