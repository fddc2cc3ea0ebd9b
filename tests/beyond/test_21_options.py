"""Row 21, an addition. Ray 2.60 accepts `runtime_env={"nonsense": 1}`, `num_gpus=1.5` and `max_concurrency=0`, and refuses
fractions in the totals of custom resources. Here: options are checked when they are given, with a sentence that names the
option, and totals may be any amount.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

import mobula


@pytest.fixture(scope="module", autouse=True)
def _session() -> Iterator[None]:
    mobula.init(num_cpus=2, resources={"part": 0.75}, log_to_driver=False)
    yield
    mobula.shutdown()


class Actor:
    def answer(self) -> int:
        return 42


def answer() -> int:
    return 42


@pytest.mark.parametrize("given", ["remote", "options"])
@pytest.mark.parametrize("kind", [Actor, answer])
@pytest.mark.parametrize(
    ("option", "value", "names"),
    [("num_gpus", 1.5, "num_gpus"), ("num_gpus", 2.0001, "num_gpus"), ("runtime_env", {"nonsense": 1}, "nonsense")],
)
def test_refused_where_it_is_given(kind: Callable[..., Any], given: str, option: str, value: Any, names: str) -> None:
    remote = mobula.remote(kind)
    give = (lambda **options: mobula.remote(**options)(kind)) if given == "remote" else remote.options
    with pytest.raises(ValueError, match=names):
        give(**{option: value})


@pytest.mark.parametrize("size", [0, -1])
def test_an_actor_that_could_run_nothing(size: int) -> None:
    with pytest.raises(ValueError, match="max_concurrency"):
        mobula.remote(Actor).options(max_concurrency=size)
    with pytest.raises(ValueError, match="max_concurrency"):
        mobula.remote(max_concurrency=size)(Actor)


def test_a_runtime_env_of_the_session() -> None:
    mobula.shutdown()
    with pytest.raises(ValueError, match="nonsense"):
        mobula.init(num_cpus=2, runtime_env={"nonsense": 1})
    mobula.init(num_cpus=2, resources={"part": 0.75}, log_to_driver=False)


def test_totals_may_be_fractions() -> None:
    assert mobula.cluster_resources()["part"] == 0.75
    ask = mobula.remote(num_cpus=0)(answer)
    quarter = ask.options(resources={"part": 0.25})
    assert mobula.get([quarter.remote() for _ in range(6)]) == [42] * 6
    with pytest.raises(mobula.exceptions.GetTimeoutError):
        mobula.get(held := ask.options(resources={"part": 0.8}).remote(), timeout=0.2)
    mobula.cancel(held)
