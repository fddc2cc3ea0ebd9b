"""init(): which keywords there are, which values are refused and how, and what defaults come from. Starts nothing."""

from __future__ import annotations

import inspect
import os
import warnings
from pathlib import Path
from typing import Any

import pytest
from api_kit import Unattached, attached

import mobula
from mobula import init_options, resources, session
from mobula.context import RayContext

__all__ = ["attached"]

MIB = 1 << 20


@pytest.fixture(autouse=True)
def _no_ray_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("RAY_")]:
        monkeypatch.delenv(name)


def read(**given: Any) -> init_options.Settings:
    parameters = inspect.signature(mobula.init).parameters
    values = {name: p.default for name, p in parameters.items() if p.kind is not p.VAR_KEYWORD}
    private = {name: value for name, value in given.items() if name not in values}
    return init_options.read({**values, **{n: v for n, v in given.items() if n in values}}, private)


def test_the_keywords_are_rays() -> None:
    # Written down from ray.init of 2.60, in its order.
    assert list(inspect.signature(mobula.init).parameters) == [
        "address", "num_cpus", "num_gpus", "resources", "labels", "object_store_memory", "local_mode", "ignore_reinit_error",
        "include_dashboard", "dashboard_host", "dashboard_port", "job_config", "configure_logging", "logging_level",
        "logging_format", "logging_config", "log_to_driver", "namespace", "runtime_env", "enable_resource_isolation",
        "cgroup_path", "system_reserved_cpu", "system_reserved_memory", "proxy_server_url", "kwargs",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "given",
    [
        {"include_dashboard": False},
        {"include_dashboard": None, "dashboard_host": "0.0.0.0"},
        {"log_to_driver": False},
        {"ignore_reinit_error": True},
        {"logging_level": "error", "logging_format": "%(message)s"},
        {"configure_logging": False},
        {"object_store_memory": 100 * MIB},
        {"_temp_dir": "/tmp/x"},
        {"address": "local"},
        {"runtime_env": {"env_vars": {"A": "1"}}},
        {"runtime_env": {"pip": ["x"], "working_dir": "/tmp", "worker_process_setup_hook": "os.getpid"}},
        {"_system_config": {}},
        {"_redis_password": "x", "_metrics_export_port": 1, "_node_name": "n", "_skip_env_hook": True},
    ],
    ids=str,
)
def test_keywords_that_ask_for_nothing_are_accepted(given: dict[str, Any]) -> None:
    read(**given)


@pytest.mark.parametrize(
    ("given", "error"),
    [
        ({"no_such": 1}, RuntimeError),
        ({"local_mode": True}, RuntimeError),
        ({"num_cpus": -1}, ValueError),
        ({"num_cpus": "2"}, TypeError),
        ({"num_gpus": -1}, ValueError),
        ({"resources": {"CPU": 2}}, ValueError),
        ({"resources": {"memory": 2}}, ValueError),
        ({"resources": {"x": -1}}, ValueError),
        ({"resources": {"x": "1"}}, TypeError),
        ({"resources": [1]}, TypeError),
        ({"object_store_memory": 1000}, ValueError),
        ({"object_store_memory": "x"}, TypeError),
        ({"namespace": 5}, TypeError),
        ({"namespace": ""}, ValueError),
        ({"runtime_env": 5}, TypeError),
        ({"runtime_env": {"nonsense": 1}}, ValueError),
        ({"runtime_env": {"env_vars": {"a": 1}}}, TypeError),
        ({"runtime_env": {"conda": "x"}}, NotImplementedError),
        ({"labels": 5}, TypeError),
        ({"labels": {"a": 1}}, TypeError),
        ({"address": 5}, TypeError),
        ({"_system_config": 5}, TypeError),
        ({"logging_level": "bogus"}, ValueError),
        ({"_memory": -1}, ValueError),
        ({"address": "somewhere"}, ValueError),
        ({"address": "ray://host:10001"}, NotImplementedError),
        ({"include_dashboard": True}, NotImplementedError),
        ({"dashboard_port": 8265}, NotImplementedError),
        ({"job_config": object()}, NotImplementedError),
        ({"logging_config": object()}, NotImplementedError),
        ({"enable_resource_isolation": True}, NotImplementedError),
        ({"_system_config": {"x": 1}}, NotImplementedError),
        ({"_node_ip_address": "10.0.0.1"}, NotImplementedError),
    ],
    ids=str,
)
def test_what_is_refused_and_how(given: dict[str, Any], error: type[Exception]) -> None:
    with pytest.raises(error) as caught:
        read(**given)
    if error is NotImplementedError:
        keyword, value = next(iter(given.items()))
        assert (next(iter(value)) if keyword == "runtime_env" else keyword) in str(caught.value)


def test_a_cluster_in_the_environment_is_joined(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_ADDRESS", "10.0.0.1:6379")
    assert read().address == "10.0.0.1:6379"
    assert read(address="local").address == ""
    assert read(address="auto").address == "10.0.0.1:6379"
    with pytest.raises(ValueError, match="num_cpus"):
        read(num_cpus=2)
    monkeypatch.setenv("RAY_ADDRESS", "ray://10.0.0.1:10001")
    with pytest.raises(NotImplementedError, match="RAY_ADDRESS"):
        read()


def test_the_total_of_the_node() -> None:
    settings = read(
        num_cpus=2, num_gpus=1, resources={"gizmo": 3, "half": 0.5, "none": 0}, object_store_memory=100 * MIB, _memory=5
    )
    assert settings.total == {
        "CPU": 2.0, "GPU": 1.0, "gizmo": 3.0, "half": 0.5, "memory": 5.0, "object_store_memory": 100.0 * MIB,
        "node:127.0.0.1": 1.0, "node:__internal_head__": 1.0,
    }  # fmt: skip
    assert "CPU" not in read(num_cpus=0).total


def test_namespaces_are_random_unless_given() -> None:
    assert read(namespace="lab").namespace == "lab"
    assert read().namespace != read().namespace


def test_variables_that_init_honours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_LOG_TO_DRIVER", "0")
    monkeypatch.setenv("RAY_NAMESPACE", "from-env")
    assert read().log_to_driver is False
    assert read().namespace == "from-env"
    assert read(log_to_driver=True).log_to_driver is True


def test_a_second_init_is_refused_unless_ignored(attached: Unattached, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(RuntimeError, match="ignore_reinit_error=True"):
        mobula.init()
    monkeypatch.setattr(session, "address_info", lambda: {"node_id": "ab"})
    assert mobula.init(ignore_reinit_error=True).address_info == {"node_id": "ab"}


def test_the_context_is_rays() -> None:
    context = RayContext(address_info={"node_id": "ab", "address": "x"})
    assert context.ray_version == mobula.__version__
    assert context.python_version.count(".") == 2
    assert isinstance(context.dashboard_url, str)
    with pytest.warns(DeprecationWarning, match="address_info"):
        assert context["node_id"] == "ab"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert dict(context) == context.address_info
        assert len(context) == 2
    with context as entered:
        assert entered is context


# ------------------------------------------------------------------------------------------ defaults


def test_cpus_come_from_affinity_and_quota(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(8)))
    outer = tmp_path / "outer"
    inner = outer / "inner"
    inner.mkdir(parents=True)
    monkeypatch.setattr(resources, "_cgroup_folders", lambda controller: iter([inner, outer]))
    assert resources.default_cpus() == 8
    (inner / "cpu.max").write_text("max 100000\n")
    assert resources.default_cpus() == 8
    (outer / "cpu.max").write_text("350000 100000\n")
    assert resources.default_cpus() == 3
    (outer / "cpu.max").write_text("50000 100000\n")
    assert resources.default_cpus() == 1
    (outer / "cpu.max").unlink()
    (outer / "cpu.cfs_quota_us").write_text("200000")
    (outer / "cpu.cfs_period_us").write_text("100000")
    assert resources.default_cpus() == 2
    (outer / "cpu.cfs_quota_us").write_text("-1")
    assert resources.default_cpus() == 8


def test_memory_is_what_the_cgroup_leaves(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(resources, "_meminfo", lambda: {"MemAvailable": 8000 * MIB})
    monkeypatch.setattr(resources, "_cgroup_folders", lambda controller: iter([tmp_path]))
    assert resources.available_memory() == 8000 * MIB
    (tmp_path / "memory.max").write_text(str(1000 * MIB))
    (tmp_path / "memory.current").write_text(str(400 * MIB))
    assert resources.available_memory() == 600 * MIB
    (tmp_path / "memory.max").write_text("max")
    assert resources.available_memory() == 8000 * MIB


def test_the_store_has_a_share_of_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    assert resources.default_store_bytes(1000 * MIB) == 300 * MIB
    assert resources.default_store_bytes(10 * MIB) == 75 * MIB
    assert resources.default_store_bytes(10**13) == 200 * 10**9
    monkeypatch.setenv("RAY_DEFAULT_OBJECT_STORE_MEMORY_PROPORTION", "0.5")
    assert resources.default_store_bytes(1000 * MIB) == 500 * MIB


def test_this_machine_can_be_read() -> None:
    assert resources.default_cpus() >= 1
    assert resources.available_memory() > MIB
