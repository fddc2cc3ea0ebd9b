"""joblib's loops and Dask's graphs as mobula tasks."""

from __future__ import annotations

import operator
import os
import time
from typing import Any

import pytest

import mobula

joblib = pytest.importorskip("joblib")
dask = pytest.importorskip("dask")

from mobula.util.dask import disable_dask_on_ray, enable_dask_on_ray, ray_dask_get, ray_dask_get_sync  # noqa: E402
from mobula.util.joblib import register_ray  # noqa: E402


@pytest.fixture(autouse=True)
def _session() -> Any:
    mobula.init(num_cpus=2)
    yield
    mobula.shutdown()


def parallel(*calls: Any, **options: Any) -> Any:
    register_ray()
    with joblib.parallel_config("ray", **options):
        return joblib.Parallel()(calls)


def test_joblib_runs_in_workers_and_keeps_order() -> None:
    pids = parallel(*[joblib.delayed(lambda n: (n, os.getpid()))(n) for n in range(50)], n_jobs=2)
    assert [n for n, _ in pids] == list(range(50))
    assert os.getpid() not in {pid for _, pid in pids}


def test_joblib_counts_the_sessions_cpus() -> None:
    register_ray()
    with joblib.parallel_config("ray", n_jobs=-1):
        assert joblib.effective_n_jobs(-1) == 2


def test_joblib_gets_the_error_itself_and_cancels_the_rest() -> None:
    def work(n: int) -> int:
        if n == 0:
            raise ZeroDivisionError("the first one")
        time.sleep(600)
        return n

    with pytest.raises(ZeroDivisionError, match="the first one"):
        parallel(*[joblib.delayed(work)(n) for n in range(4)], n_jobs=2)
    assert mobula.get(mobula.remote(lambda: 1).remote(), timeout=60) == 1


def test_joblib_takes_options_of_tasks() -> None:
    def gpus() -> int:
        return len(mobula.get_runtime_context().get_assigned_resources())

    assert parallel(joblib.delayed(gpus)(), joblib.delayed(gpus)(), n_jobs=2, ray_remote_args={"num_cpus": 2}) == [1, 1]


def test_a_graph_of_dask() -> None:
    graph = {"a": 1, "b": (operator.add, "a", 2), "c": (sum, ["a", "b", 10]), "alias": "c", "unused": (1 / 2,)}
    assert ray_dask_get(graph, ["c", ["alias", "a"]]) == [14, [14, 1]]
    assert ray_dask_get_sync(graph, ["b"]) in ([3], (3,))
    with pytest.raises(KeyError):
        ray_dask_get(graph, "nothing")


def test_delayed_functions_run_in_workers() -> None:
    @dask.delayed
    def pid() -> int:
        return os.getpid()

    @dask.delayed
    def total(*parts: int) -> int:
        return sum(parts)

    assert pid().compute(scheduler=ray_dask_get) != os.getpid()
    with enable_dask_on_ray():
        assert total(*[dask.delayed(operator.mul)(n, n) for n in range(10)]).compute() == 285
    disable_dask_on_ray()


def test_an_error_in_a_graph_is_the_functions_own() -> None:
    with pytest.raises(ZeroDivisionError):
        dask.delayed(operator.truediv)(1, 0).compute(scheduler=ray_dask_get)


def test_bags_and_arrays() -> None:
    bag = pytest.importorskip("dask.bag")
    assert bag.from_sequence(range(20), npartitions=4).map(lambda n: n * n).sum().compute(scheduler=ray_dask_get) == 2470
    array = pytest.importorskip("dask.array")
    assert float(array.ones((300, 300), chunks=100).sum().compute(scheduler=ray_dask_get)) == 90_000
