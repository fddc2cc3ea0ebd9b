"""The hook, the interpreter's command, `config`, and RuntimeEnv itself."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import mobula
from mobula.exceptions import RuntimeEnvSetupError
from mobula.runtime_env import RuntimeEnv, RuntimeEnvConfig

pytestmark = pytest.mark.timeout(120)


@mobula.remote
def variable(name: str) -> str | None:
    return os.environ.get(name)


@mobula.remote
def interpreter() -> Any:
    return sys.executable, sys.flags.dev_mode


def hook() -> None:
    """Sets a variable."""
    os.environ["HOOKED"] = mobula.get_runtime_context().get_worker_id()


def breaks() -> None:
    """Always fails."""
    raise ValueError("no luck today")


def test_the_hook_of_the_session_runs_in_every_worker_before_its_tasks(start: Callable[..., None]) -> None:
    start(runtime_env={"worker_process_setup_hook": hook})

    @mobula.remote
    def ask() -> bool:
        return os.environ["HOOKED"] == mobula.get_runtime_context().get_worker_id()

    assert mobula.get([ask.remote() for _ in range(4)]) == [True] * 4
    assert mobula.get_runtime_context().runtime_env["worker_process_setup_hook"] == "hook"


def test_a_hook_by_its_dotted_name(one_session: None, tmp_path: Path) -> None:
    (tmp_path / "hooks_of_mine.py").write_text("import os\ndef go():\n    os.environ['HOOKED'] = 'by name'\n")
    env = {"working_dir": str(tmp_path), "worker_process_setup_hook": "hooks_of_mine.go"}
    assert mobula.get(variable.options(runtime_env=env).remote("HOOKED")) == "by name"
    assert mobula.get(variable.remote("HOOKED")) is None


@pytest.mark.parametrize("broken", [breaks, "no_such_module.function"])
def test_a_hook_that_fails_is_told_as_that(one_session: None, broken: Any) -> None:
    env = {"worker_process_setup_hook": broken}
    with pytest.raises(RuntimeEnvSetupError, match=r"Failed to execute the setup hook method.*(no luck today|no_such_module)"):
        mobula.get(variable.options(runtime_env=env, max_retries=0).remote("A"))

    @mobula.remote(runtime_env=env)
    class Actor:
        def method(self) -> None:
            pass

    with pytest.raises(RuntimeEnvSetupError, match="setup hook"):
        mobula.get(Actor.remote().method.remote())


def test_a_hook_that_ends_its_process_does_not_go_on_for_ever(one_session: None) -> None:
    env = {"worker_process_setup_hook": lambda: os._exit(5)}
    with pytest.raises(mobula.exceptions.WorkerCrashedError, match="exited with code 5"):
        mobula.get(variable.options(runtime_env=env).remote("A"))


def test_another_command_in_the_interpreter_s_place(one_session: None) -> None:
    env = {"py_executable": f"{sys.executable} -X dev"}
    assert mobula.get(interpreter.options(runtime_env=env).remote()) == (sys.executable, True)
    assert mobula.get(interpreter.remote())[1] is False


def test_a_script_of_the_working_dir_in_the_interpreter_s_place(one_session: None, tmp_path: Path) -> None:
    (tmp_path / "wrapped").write_text(f'#!/bin/sh\nWRAPPED=yes exec {sys.executable} "$@"\n')
    (tmp_path / "wrapped").chmod(0o755)
    env = {"py_executable": "./wrapped", "working_dir": str(tmp_path)}
    assert mobula.get(variable.options(runtime_env=env).remote("WRAPPED")) == "yes"


@pytest.mark.parametrize(("command", "complaint"), [("no-such-program-here", "no program"), ("/bin/echo hello", "not a Python")])
def test_a_command_that_is_none_is_told_as_that(one_session: None, command: str, complaint: str) -> None:
    with pytest.raises(RuntimeEnvSetupError, match=complaint):
        mobula.get(interpreter.options(runtime_env={"py_executable": command}).remote())


def never_ready(tmp_path: Path) -> str:
    """A program in an interpreter's place that says it has begun, and never comes to an end."""
    slow = tmp_path / "slow"
    slow.write_text(f"#!/bin/sh\ntouch {tmp_path}/begun\nexec sleep 600\n")
    slow.chmod(0o755)
    return str(slow)


def test_a_setup_that_takes_too_long_is_ended(start: Callable[..., None], tmp_path: Path) -> None:
    start(num_cpus=1)
    env = {"py_executable": never_ready(tmp_path), "config": {"setup_timeout_seconds": 1}}
    with pytest.raises(RuntimeEnvSetupError, match=r"longer than 1s.*setup_timeout_seconds"):
        mobula.get(interpreter.options(runtime_env=env).remote())


def test_a_setup_holds_no_processor_and_shutdown_does_not_wait_for_it(start: Callable[..., None], tmp_path: Path) -> None:
    start(num_cpus=1)
    ref = interpreter.options(runtime_env={"py_executable": never_ready(tmp_path)}).remote()
    while not (tmp_path / "begun").exists():
        assert mobula.get(variable.remote("NONE"), timeout=60) is None
    assert mobula.wait([ref], timeout=0) == ([], [ref])
    mobula.shutdown()  # the setup would go on for ten minutes


def test_a_session_with_another_interpreter(start: Callable[..., None]) -> None:
    start(runtime_env={"py_executable": f"{sys.executable} -X dev", "config": {"eager_install": False}})
    assert mobula.get(interpreter.remote()) == (sys.executable, True)

    @mobula.remote
    def nested() -> Any:
        return mobula.get(interpreter.remote())

    assert mobula.get(nested.remote()) == (sys.executable, True)


def test_runtime_env_is_a_dict_that_checks() -> None:
    env = RuntimeEnv(env_vars={"A": "1"}, pip=["b", "b", "a"], config={"setup_timeout_seconds": 10})
    assert env == {
        "env_vars": {"A": "1"},
        "pip": {"packages": ["b", "a"], "pip_check": False},
        "config": {"setup_timeout_seconds": 10, "eager_install": True, "log_files": []},
    }
    assert (env.has_pip(), env.has_uv(), env.env_vars(), env.working_dir()) == (True, False, {"A": "1"}, "")
    assert RuntimeEnv.deserialize(env.serialize()) == env
    assert isinstance(env["config"], RuntimeEnvConfig)
    env["py_executable"] = "python3"
    with pytest.raises(ValueError, match="at the same time"):
        env.serialize()


@pytest.mark.parametrize(
    ("given", "error"),
    [
        ({"nonsense": 1}, ValueError),
        ({"pip": 5}, TypeError),
        ({"pip": {"pip_check": True}}, ValueError),
        ({"pip": {"packages": ["a"], "what": 1}}, ValueError),
        ({"pip": {"packages": ["a"], "pip_version": 3}}, TypeError),
        ({"pip": "/none/such.txt"}, ValueError),
        ({"uv": {"packages": "a", "uv_check": 1}}, TypeError),
        ({"pip": ["a"], "uv": ["b"]}, ValueError),
        ({"working_dir": 5}, TypeError),
        ({"working_dir": "/none/such"}, ValueError),
        ({"working_dir": "s3://bucket/x.zip"}, NotImplementedError),
        ({"working_dir": "https://example.com/x.zip"}, NotImplementedError),
        ({"py_modules": "x"}, TypeError),
        ({"py_modules": ["/none/such"]}, ValueError),
        ({"py_modules": [5]}, TypeError),
        ({"excludes": "x"}, TypeError),
        ({"config": {"setup_timeout_seconds": 0}}, ValueError),
        ({"config": {"setup_timeout_seconds": "x"}}, TypeError),
        ({"config": {"eager_install": 1}}, TypeError),
        ({"config": {"unknown": 1}}, ValueError),
        ({"config": 5}, TypeError),
        ({"worker_process_setup_hook": 5}, TypeError),
        ({"py_executable": 5}, TypeError),
        ({"conda": "x"}, NotImplementedError),
        ({"container": {"image": "x"}}, NotImplementedError),
        ({"image_uri": "x"}, NotImplementedError),
        ({"nsight": "default"}, NotImplementedError),
        ({"java_jars": ["x"]}, NotImplementedError),
    ],
    ids=str,
)
def test_what_is_wrong_is_refused_when_it_is_given(given: dict[str, Any], error: type[Exception]) -> None:
    with pytest.raises(error, match=next(iter(given)) if error is NotImplementedError else None):
        RuntimeEnv(**given)
    with pytest.raises(error):
        mobula.remote(runtime_env=given)(lambda: None)
