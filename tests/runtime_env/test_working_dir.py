"""working_dir and py_modules: copies that later edits do not reach."""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from wheel_kit import make_wheel

import mobula

pytestmark = pytest.mark.timeout(120)


@mobula.remote
def look(name: str) -> tuple[str, bool, str]:
    with open(name) as file:
        return os.getcwd(), sys.path[0] == os.getcwd(), file.read()


@mobula.remote
def listed() -> list[str]:
    return sorted(os.path.relpath(os.path.join(where, name)) for where, _, names in os.walk(".") for name in names)


@mobula.remote
def imported(name: str) -> Any:
    return __import__(name).WORD


@mobula.remote
def environment() -> dict[str, Any]:
    return mobula.get_runtime_context().runtime_env


def write(root: Path, **files: str) -> Path:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


def test_the_session_s_folder_is_copied_and_later_edits_are_not_seen(start: Callable[..., None], tmp_path: Path) -> None:
    project = write(tmp_path / "project", note="old")
    (project / "side.py").write_text("WORD = 'old'")
    start(runtime_env={"working_dir": str(project)})
    (project / "note").write_text("new")
    (project / "side.py").write_text("WORD = 'new'")
    where, first, text = mobula.get(look.remote("note"))
    assert (first, text, mobula.get(imported.remote("side"))) == (True, "old", "old")
    assert where != str(project)
    shown = mobula.get(environment.remote())
    assert shown == mobula.get_runtime_context().runtime_env
    assert shown["working_dir"].startswith("gcs://_ray_pkg_")
    mobula.shutdown()
    assert not os.path.exists(where), "the copy goes with the session"


def test_a_folder_of_a_task_is_its_own_and_its_children_inherit_it(one_session: None, tmp_path: Path) -> None:
    project = write(tmp_path / "project", note="mine")

    @mobula.remote
    def parent() -> Any:
        return os.getcwd(), mobula.get(look.remote("note"))

    env = {"working_dir": str(project)}
    where, seen = mobula.get(parent.options(runtime_env=env).remote())
    assert seen == (where, True, "mine")
    assert mobula.get(mobula.remote(lambda: os.getcwd()).remote()) == os.getcwd()
    # The same content is the same environment, and so the same worker; other content is another folder.
    assert mobula.get(look.options(runtime_env=env).remote("note"))[0] == where
    write(project, note="changed")
    assert mobula.get(look.options(runtime_env=env).remote("note"))[2] == "changed"


def test_an_actor_takes_the_environment_that_the_context_shows(one_session: None, tmp_path: Path) -> None:
    project = write(tmp_path / "project", note="for actors")
    shown = mobula.get(environment.options(runtime_env={"working_dir": str(project)}).remote())

    @mobula.remote
    class Reader:
        def read(self) -> str:
            with open("note") as file:
                return file.read()

    assert mobula.get(Reader.options(runtime_env=shown).remote().read.remote()) == "for actors"


def test_child_processes_of_a_worker_import_from_it(one_session: None, tmp_path: Path) -> None:
    (tmp_path / "project").mkdir()
    (tmp_path / "project" / "below.py").write_text("print('from below')")

    @mobula.remote(runtime_env={"working_dir": str(tmp_path / "project")})
    def ask() -> str:
        return subprocess.run([sys.executable, "-c", "import below"], capture_output=True, text=True, check=True, cwd="/").stdout

    assert mobula.get(ask.remote()) == "from below\n"


def test_what_is_ignored_is_not_there(one_session: None, tmp_path: Path) -> None:
    files = ("a.txt", "a.log", "keep.log", "data/big.bin", "data/sub/small.txt", "deep/data/x", "secret", "deep/b.tmp", ".git/HEAD")
    for name in files:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    (tmp_path / ".gitignore").write_text("# logs\n*.log\n!keep.log\n/data/*.bin\n")
    (tmp_path / ".rayignore").write_text("secret\n")
    (tmp_path / "deep" / ".gitignore").write_text("*.tmp\n")
    env = {"working_dir": str(tmp_path), "excludes": ["/deep/data/"]}
    expected = [".gitignore", ".rayignore", "a.txt", "data/sub/small.txt", "deep/.gitignore", "keep.log"]
    assert mobula.get(listed.options(runtime_env=env).remote()) == expected


def test_gitignore_can_be_switched_off_as_in_ray(one_session: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_RUNTIME_ENV_IGNORE_GITIGNORE", "1")
    monkeypatch.setenv("RAY_OVERRIDE_RUNTIME_ENV_DEFAULT_EXCLUDES", "")
    for name in (".gitignore", ".rayignore", "a.log", "b.tmp", "venv"):
        (tmp_path / name).write_text({".gitignore": "*.log", ".rayignore": "*.tmp"}.get(name, ""))
    assert mobula.get(listed.options(runtime_env={"working_dir": str(tmp_path)}).remote()) == [
        ".gitignore",
        ".rayignore",
        "a.log",
        "venv",
    ]


def test_modes_links_and_empty_folders_are_copied(one_session: None, tmp_path: Path) -> None:
    project = write(tmp_path / "project", real="content")
    (project / "run.sh").write_text("#!/bin/sh\necho ran\n")
    (project / "run.sh").chmod(0o755)
    (project / "link").symlink_to("real")
    (project / "loop").symlink_to(".")
    (project / "empty").mkdir()

    @mobula.remote(runtime_env={"working_dir": str(project)})
    def ask() -> Any:
        ran = subprocess.run(["./run.sh"], capture_output=True, text=True, check=True).stdout
        return ran, Path("link").read_text(), Path("link").is_symlink(), sorted(os.listdir())

    assert mobula.get(ask.remote()) == ("ran\n", "content", False, ["empty", "link", "real", "run.sh"])


@pytest.mark.parametrize("suffix", [".zip", ".tar.gz"])
def test_an_archive_is_unpacked(one_session: None, tmp_path: Path, suffix: str) -> None:
    archive = tmp_path / f"project{suffix}"
    (tmp_path / "note").write_text("packed")
    if suffix == ".zip":
        with zipfile.ZipFile(archive, "w") as packed:
            packed.write(tmp_path / "note", "note")
    else:
        with tarfile.open(archive, "w:gz") as tar:
            tar.add(tmp_path / "note", "note")
    assert mobula.get(look.options(runtime_env={"working_dir": str(archive)}).remote("note"))[2] == "packed"


def test_a_broken_archive_is_an_error_of_the_setup(one_session: None, tmp_path: Path) -> None:
    (tmp_path / "broken.zip").write_bytes(b"no zip")
    with pytest.raises(mobula.exceptions.RuntimeEnvSetupError, match=r"broken\.zip"):
        look.options(runtime_env={"working_dir": str(tmp_path / "broken.zip")}).remote("x")


def test_a_folder_that_is_too_large_is_refused_in_words(
    start: Callable[..., None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAY_max_grpc_message_size", str(1 << 20))
    project = write(tmp_path / "project", small="x")
    (project / "large").write_bytes(bytes(1 << 20))
    with pytest.raises(
        mobula.exceptions.RuntimeEnvSetupError, match=r"1\.00MiB\) exceeds the maximum size of 1\.00MiB.*'excludes'"
    ):
        start(runtime_env={"working_dir": str(project)})
    assert not mobula.is_initialized()
    start(runtime_env={"working_dir": str(project), "excludes": ["large"]})
    assert mobula.get(listed.remote()) == ["small"]


def test_a_folder_used_in_place(one_session: None, tmp_path: Path) -> None:
    write(tmp_path, note="in place")
    env = {"working_dir": f"local://{tmp_path}"}
    assert mobula.get(look.options(runtime_env=env).remote("note")) == (str(tmp_path), True, "in place")
    with pytest.raises(ValueError, match="no such folder"):
        look.options(runtime_env={"working_dir": "local:///none/such"}).remote("note")
    with pytest.raises(ValueError, match="no package of this session"):
        look.options(runtime_env={"working_dir": f"gcs://_ray_pkg_{'0' * 40}.zip"}).remote("note")


def test_modules_of_all_kinds_are_importable(one_session: None, tmp_path: Path) -> None:
    (tmp_path / "package_one").mkdir()
    (tmp_path / "package_one" / "__init__.py").write_text("WORD = 1")
    (tmp_path / "single_two.py").write_text("WORD = 2")
    wheel = make_wheel(tmp_path, "wheel_three", "WORD = 3")
    (tmp_path / "loaded_four.py").write_text("WORD = 4")
    module = ModuleType("loaded_four")
    module.__file__ = str(tmp_path / "loaded_four.py")
    env = {"py_modules": [str(tmp_path / "package_one"), tmp_path / "single_two.py", str(wheel), module]}
    names = ["package_one", "single_two", "wheel_three", "loaded_four"]
    assert mobula.get([imported.options(runtime_env=env).remote(name) for name in names]) == [1, 2, 3, 4]
    with pytest.raises(mobula.exceptions.RayTaskError):
        mobula.get(imported.remote("single_two"))


def test_the_task_s_folder_comes_before_its_modules(one_session: None, tmp_path: Path) -> None:
    project = tmp_path / "project"
    project.mkdir()
    (project / "both.py").write_text("WORD = 'folder'")
    (tmp_path / "both.py").write_text("WORD = 'module'")
    env = {"working_dir": str(project), "py_modules": [str(tmp_path / "both.py")]}
    assert mobula.get(imported.options(runtime_env=env).remote("both")) == "folder"


def test_merging_is_rays(start: Callable[..., None], tmp_path: Path) -> None:
    one, two = write(tmp_path / "one", note="1"), write(tmp_path / "two", note="2")
    start(runtime_env={"working_dir": str(one), "env_vars": {"A": "job", "B": "job"}})
    task = environment.options(runtime_env={"working_dir": str(two), "env_vars": {"B": "task"}})
    shown = mobula.get(task.remote())
    assert shown["env_vars"] == {"A": "job", "B": "task"}
    assert shown["working_dir"] != mobula.get_runtime_context().runtime_env["working_dir"]
    read = look.options(runtime_env={"working_dir": str(two)})
    assert [mobula.get(call.remote("note"))[2] for call in (look, read)] == ["1", "2"]


def test_what_a_task_makes_read_only_goes_with_the_session_too(start: Callable[..., None], tmp_path: Path) -> None:
    write(tmp_path / "project", note="x")
    start(runtime_env={"working_dir": str(tmp_path / "project")})

    @mobula.remote
    def lock() -> str:
        os.makedirs("locked/below")
        Path("locked/below/file").write_text("x")
        for folder in ("locked/below", "locked"):
            os.chmod(folder, 0o500)
        return os.getcwd()

    where = mobula.get(lock.remote())
    assert os.path.isdir(where)
    mobula.shutdown()
    assert not os.path.exists(where)
