"""`init`: what it takes and refuses, and what a session is started with when it is not told."""

from __future__ import annotations

import inspect
import json
import os
import subprocess
import sys
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest
from driver_kit import ENV, HEAD, program, python

import mobula as ray

# Every parameter of Ray 2.60's init, with a value that asks for nothing that is missing.
ACCEPTED: dict[str, Any] = {
    "address": "local",
    "num_cpus": 1,
    "num_gpus": 0,
    "resources": {"special": 2},
    "labels": {"zone": "a"},
    "object_store_memory": 100 << 20,
    "local_mode": False,
    "ignore_reinit_error": True,
    "include_dashboard": False,
    "dashboard_host": "127.0.0.1",
    "dashboard_port": None,
    "job_config": None,
    "configure_logging": True,
    "logging_level": "info",
    "logging_format": "%(message)s",
    "logging_config": None,
    "log_to_driver": True,
    "namespace": "mine",
    "runtime_env": {},
    "enable_resource_isolation": False,
    "cgroup_path": None,
    "system_reserved_cpu": None,
    "system_reserved_memory": None,
    "proxy_server_url": None,
    "_enable_object_reconstruction": False,
    "_plasma_directory": None,
    "_object_spilling_directory": "/tmp",
    "object_spilling_directory": "/tmp",
    "_node_ip_address": "127.0.0.1",
    "_driver_object_store_memory": None,
    "_memory": 1 << 30,
    "_redis_username": "default",
    "_redis_password": "",
    "_temp_dir": None,
    "_metrics_export_port": 8080,
    "_system_config": None,
    "_tracing_startup_hook": None,
    "_node_name": "here",
    "_skip_env_hook": True,
}

REFUSED: dict[str, Any] = {
    "address": "ray://127.0.0.1:10001",
    "include_dashboard": True,
    "dashboard_port": 8265,
    "job_config": object(),
    "logging_config": object(),
    "runtime_env": {"conda": "some"},
    "enable_resource_isolation": True,
    "cgroup_path": "/sys/fs/cgroup",
    "system_reserved_cpu": 1.0,
    "system_reserved_memory": 1 << 30,
    "proxy_server_url": "http://localhost",
    "_plasma_directory": "/tmp",
    "_node_ip_address": "10.0.0.1",
    "_system_config": {"x": 1},
    "_tracing_startup_hook": "module:hook",
}


@pytest.fixture(autouse=True)
def _ended() -> Generator[None]:
    yield
    ray.shutdown()


def test_every_parameter_of_ray_is_known() -> None:
    named = set(inspect.signature(ray.init).parameters) - {"kwargs"}
    private = {"object_spilling_directory"}  # in Ray, too, a name of **kwargs
    assert named == {name for name in ACCEPTED if not name.startswith("_")} - private


def test_keywords_that_ask_for_nothing_are_accepted(tmp_path: Path) -> None:
    context = ray.init(**{**ACCEPTED, "_temp_dir": str(tmp_path)})
    assert os.listdir(tmp_path)
    assert ray.get_runtime_context().namespace == "mine"
    total = ray.cluster_resources()
    assert (total["CPU"], total["special"], total["object_store_memory"]) == (1, 2, 100 << 20)
    assert context is not None
    ray.shutdown()
    assert not os.listdir(tmp_path)


@pytest.mark.parametrize("keyword", REFUSED)
def test_keywords_that_ask_for_what_is_missing_are_refused_by_name(keyword: str) -> None:
    with pytest.raises(NotImplementedError, match=keyword) as raised:
        ray.init(**{keyword: REFUSED[keyword]})
    assert "\n" not in str(raised.value)
    assert not ray.is_initialized()


def test_reinit() -> None:
    with pytest.raises(RuntimeError, match="Unknown keyword argument"):
        ray.init(nonsense=1)
    first = ray.init(num_cpus=1)
    with pytest.raises(RuntimeError, match=r"ignore_reinit_error=True.*shutdown\(\)"):
        ray.init(num_cpus=2)
    again = ray.init(num_cpus=2, ignore_reinit_error=True)
    assert ray.cluster_resources()["CPU"] == 1
    assert again.address_info == first.address_info
    ray.shutdown()
    ray.shutdown()
    assert not ray.is_initialized()
    ray.init(num_cpus=2)
    assert ray.cluster_resources()["CPU"] == 2


def test_context_manager() -> None:
    with ray.init(num_cpus=1) as context:
        assert ray.is_initialized()
        assert ray.get(ray.put(1)) == 1
        assert context.address_info
    assert not ray.is_initialized()


def test_no_cpus() -> None:
    ray.init(num_cpus=0)
    assert "CPU" not in ray.cluster_resources()

    @ray.remote(num_cpus=0)
    def free() -> int:
        return 1

    @ray.remote
    class Actor:
        def method(self) -> int:
            return 2

    assert ray.get(free.remote(), timeout=60) == 1
    # An actor's default is 0 CPUs while it runs, and 1 to be placed, as in Ray: not here.
    waiting = Actor.remote().method.remote()
    assert ray.wait([waiting], timeout=0.2) == ([], [waiting])
    assert ray.get(Actor.options(num_cpus=0).remote().method.remote(), timeout=60) == 2
    ray.shutdown()  # with the call that waits


def _seen(*before: str) -> dict[str, float]:
    code = HEAD + "import json\nray.init()\nprint(json.dumps(ray.cluster_resources()))\n"
    done = subprocess.run([*before, sys.executable, "-c", code], env=ENV, check=True, capture_output=True, text=True, timeout=30)
    found: dict[str, float] = json.loads(done.stdout)
    return found


def test_cpus_follow_affinity() -> None:
    cpus = sorted(os.sched_getaffinity(0))
    assert _seen()["CPU"] <= len(cpus)
    assert _seen("taskset", "-c", str(cpus[0]))["CPU"] == 1


def test_cpus_follow_the_cgroups_quota(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from mobula import resources

    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(16)))
    monkeypatch.setattr(resources, "_cgroup_folders", lambda _: [tmp_path])
    (tmp_path / "cpu.max").write_text("250000 100000\n")
    assert resources.default_cpus() == 2
    (tmp_path / "cpu.max").write_text("50000 100000\n")
    assert resources.default_cpus() == 1
    (tmp_path / "cpu.max").write_text("max 100000\n")
    assert resources.default_cpus() == 16


def test_logging_level_and_a_quiet_program(tmp_path: Path) -> None:
    for extra in ("", 'ray.init(logging_level="debug")\n', "ray.init(logging_level=10, configure_logging=False)\n"):
        done = program(tmp_path, extra + "@ray.remote\ndef f(): return 1\nprint(ray.get(f.remote()))\n")
        assert (done.code, done.out, done.err) == (0, "1\n", "")


def test_omp_num_threads_and_nothing_else(tmp_path: Path) -> None:
    source = """
        import os
        ray.init(num_cpus=4)
        def environment(): return dict(os.environ)
        task = ray.remote(environment)
        here = environment()
        def changed(ref):
            there = ray.get(ref)
            return sorted((k, there.get(k)) for k in {*here, *there} if here.get(k) != there.get(k) and not k.startswith("MOBULA_"))
        @ray.remote
        class Actor:
            def environment(self): return dict(os.environ)
        print(changed(task.remote()), changed(task.options(num_cpus=3).remote()), changed(task.options(num_cpus=0.5).remote()),
              changed(Actor.remote().environment.remote()), changed(Actor.options(num_cpus=2).remote().environment.remote()))
        """
    env = {name: value for name, value in os.environ.items() if name != "OMP_NUM_THREADS"}
    assert "OMP_NUM_THREADS" not in env
    done = program(tmp_path, source)
    ones, threes, twos = ([("OMP_NUM_THREADS", n)] for n in "132")
    assert done.out.split("\n")[0] == f"{ones} {threes} {ones} {ones} {twos}", done.err
    assert program(tmp_path, source, env={"OMP_NUM_THREADS": "7"}).out == "[] [] [] [] []\n"


def test_the_temp_dir_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    done = python(["-c", HEAD + f"ray.init(_temp_dir={str(tmp_path / 'file')!r})"])
    assert done.code == 1
    assert str(tmp_path / "file") in done.err.splitlines()[-1]
    assert "_temp_dir" in done.err.splitlines()[-1] or "folder" in done.err.splitlines()[-1]
