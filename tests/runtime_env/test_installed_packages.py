"""pip and uv: environments that are built once, shared by sessions, and whose failure says why. No package index is asked."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from wheel_kit import make_wheel

import mobula
from mobula.exceptions import RuntimeEnvSetupError

pytestmark = pytest.mark.timeout(180)
OFFLINE = ["--no-index", "--disable-pip-version-check"]


@mobula.remote
def imported(name: str) -> Any:
    module = __import__(name)
    return module.WORD, sys.prefix


def installed(*packages: object) -> dict[str, Any]:
    return {"pip": {"packages": [str(one) for one in packages], "pip_install_options": OFFLINE}}


def entries(tmp_path: Path) -> list[str]:
    folder = tmp_path / "cache" / "mobula" / "runtime_env"
    assert folder.stat().st_mode & 0o777 == 0o700
    return sorted(name for name in os.listdir(folder) if not name.endswith(".lock"))


def test_a_wheel_is_installed_for_those_who_ask(start: Callable[..., None], tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path, "thing_installed", "WORD = 'installed'")
    start()

    @mobula.remote
    def parent() -> Any:
        inherited = __import__("pytest")  # what the driver can import is there too

        program = shutil.which("python")
        return inherited.__name__, program, mobula.get(imported.remote("thing_installed"))

    name, program, (word, prefix) = mobula.get(parent.options(runtime_env=installed(wheel)).remote())
    assert (name, word) == ("pytest", "installed")
    assert os.path.basename(prefix) in entries(tmp_path)
    assert program == os.path.join(prefix, "bin", "python")
    with pytest.raises(mobula.exceptions.RayTaskError, match="thing_installed"):
        mobula.get(imported.remote("thing_installed"))


def test_sessions_share_what_was_built_and_a_changed_wheel_is_another(start: Callable[..., None], tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path, "thing_shared", "WORD = 1")
    start()
    first = mobula.get(imported.options(runtime_env=installed(wheel)).remote("thing_shared"))
    mobula.shutdown()
    mark = Path(first[1]) / "mobula-complete.json"
    built = mark.stat().st_ino
    start(runtime_env=installed(wheel))
    assert mobula.get(imported.remote("thing_shared")) == first
    assert mark.stat().st_ino == built
    mobula.shutdown()
    make_wheel(tmp_path, "thing_shared", "WORD = 2")
    start(runtime_env=installed(wheel))
    assert mobula.get(imported.remote("thing_shared"))[0] == 2
    assert len(entries(tmp_path)) == 2


def test_two_sessions_at_once_build_it_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    wheel = make_wheel(tmp_path, "thing_raced", "WORD = 7")
    driver = textwrap.dedent(f"""
        import mobula, sys
        mobula.init(num_cpus=1, runtime_env={installed(wheel)!r})
        @mobula.remote
        def ask():
            import thing_raced
            return thing_raced.WORD, sys.prefix
        print(mobula.get(ask.remote()))
    """)
    drivers = [subprocess.Popen([sys.executable, "-c", driver], stdout=subprocess.PIPE, text=True) for _ in range(2)]
    said = {one.communicate(timeout=120)[0] for one in drivers}
    assert len(said) == 1, said
    assert said.pop().startswith("(7, ")
    assert len(entries(tmp_path)) == 1


def test_what_does_not_exist_is_told_with_pip_s_own_words(start: Callable[..., None], tmp_path: Path) -> None:
    start(num_cpus=1)
    env = installed("no-such-package-anywhere")
    for _ in range(2):
        with pytest.raises(RuntimeEnvSetupError, match=r"pip install failed \(exit code 1\)[\s\S]*No matching distribution found"):
            mobula.get(imported.options(runtime_env=env).remote("x"))

    @mobula.remote(runtime_env=env)
    class Actor:
        def method(self) -> None:
            pass

    with pytest.raises(RuntimeEnvSetupError, match="No matching distribution"):
        mobula.get(Actor.remote().method.remote())
    assert os.listdir(tmp_path / "cache" / "mobula" / "runtime_env") == []


def test_a_session_that_cannot_be_set_up_says_so_in_its_tasks(start: Callable[..., None]) -> None:
    start(runtime_env=installed("no-such-package-anywhere"))
    with pytest.raises(RuntimeEnvSetupError, match="No matching distribution"):
        mobula.get(imported.remote("x"))


@pytest.fixture
def nowhere() -> Iterator[str]:
    """The address of an index at a port of this machine where nobody listens."""
    with socket.socket() as taken:  # bound and not listening, so that nobody else does
        taken.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{taken.getsockname()[1]}/simple"


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("pip", {"pip_install_options": ["--disable-pip-version-check", "--retries=1", "--index-url"]}),
        pytest.param(
            "uv",
            {"uv_pip_install_options": ["--no-cache", "--index-url"]},
            marks=pytest.mark.skipif(shutil.which("uv") is None, reason="there is no uv on PATH"),
        ),
    ],
    ids=["pip", "uv"],
)
def test_an_index_that_cannot_be_reached_is_told_as_that(
    start: Callable[..., None],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    nowhere: str,
    kind: str,
    options: dict[str, list[str]],
) -> None:
    """pip's own last words are that there is no such package. What needs no index works meanwhile and afterwards."""
    monkeypatch.setenv("UV_HTTP_RETRIES", "0")
    wheel = make_wheel(tmp_path, "thing_by_path", "WORD = 'by path'")
    start()
    [(name, given)] = options.items()
    asked = imported.options(runtime_env={kind: {"packages": ["some-package"], name: [*given, nowhere]}}).remote("x")
    assert mobula.get(imported.options(runtime_env=installed(wheel)).remote("thing_by_path"))[0] == "by path"
    with pytest.raises(RuntimeEnvSetupError, match=r"package index could not be reached\. .*--find-links[\s\S]*Connection refused"):
        mobula.get(asked)
    assert mobula.get(imported.options(runtime_env=installed(wheel)).remote("thing_by_path"))[0] == "by path"
    assert len(entries(tmp_path)) == 1, "nothing is kept of what failed"


def test_requirements_and_the_check(start: Callable[..., None], tmp_path: Path) -> None:
    make_wheel(tmp_path, "thing_listed", "WORD = 'listed'", requires="no-such-package-anywhere")
    (tmp_path / "requirements.txt").write_text(f"# what is needed\n--no-index\n--find-links {tmp_path}\nthing_listed==1.0\n")
    start()
    env: dict[str, Any] = {"pip": {"packages": str(tmp_path / "requirements.txt"), "pip_install_options": ["--no-deps", *OFFLINE]}}
    assert mobula.get(imported.options(runtime_env=env).remote("thing_listed"))[0] == "listed"
    env["pip"]["pip_check"] = True
    with pytest.raises(RuntimeEnvSetupError, match=r"pip check failed[\s\S]*no-such-package-anywhere"):
        mobula.get(imported.options(runtime_env=env).remote("thing_listed"))


def test_requirements_in_the_working_dir(start: Callable[..., None], tmp_path: Path) -> None:
    project = tmp_path / "project"
    project.mkdir()
    wheel = make_wheel(tmp_path, "thing_inside", "WORD = 'inside'")
    (project / "needs.txt").write_text(f"{wheel}\n")
    start(runtime_env={"working_dir": str(project), **installed("-r ${RAY_RUNTIME_ENV_CREATE_WORKING_DIR}/needs.txt")})
    assert mobula.get(imported.remote("thing_inside"))[0] == "inside"


def test_the_cache_keeps_its_bound(start: Callable[..., None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MOBULA_RUNTIME_ENV_CACHE_GB", "0")
    one, two = make_wheel(tmp_path, "thing_one", "WORD = 1"), make_wheel(tmp_path, "thing_two", "WORD = 2")
    start()
    mobula.get(imported.options(runtime_env=installed(one)).remote("thing_one"))
    mobula.get(imported.options(runtime_env=installed(two)).remote("thing_two"))
    assert len(entries(tmp_path)) == 2, "what a session uses stays"
    mobula.shutdown()
    start()
    mobula.get(imported.options(runtime_env=installed(one, two)).remote("thing_one"))
    assert len(entries(tmp_path)) == 1


def test_uv_without_uv_says_what_to_do(start: Callable[..., None], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    start()
    with pytest.raises(RuntimeEnvSetupError, match=r"needs the program 'uv'.*pip install uv"):
        mobula.get(imported.options(runtime_env={"uv": ["thing"]}).remote("thing"))


@pytest.mark.skipif(shutil.which("uv") is None, reason="there is no uv on PATH")
def test_uv_installs_a_wheel(start: Callable[..., None], tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path, "thing_by_uv", "WORD = 'uv'")
    start()
    env = {"uv": {"packages": [str(wheel)], "uv_pip_install_options": ["--no-cache", "--offline"]}}
    assert mobula.get(imported.options(runtime_env=env).remote("thing_by_uv"))[0] == "uv"
