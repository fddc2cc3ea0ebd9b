"""The wheel, as a user gets it: built, installed into an environment of its own, used, and gone without trace."""

from __future__ import annotations

import os
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import psutil
import pytest

ROOT = Path(__file__).resolve().parents[2]

PROGRAM = """
import pathlib, sys
import mobula as ray
assert pathlib.Path(ray.__file__).is_relative_to(sys.prefix), ray.__file__
assert ray.__version__ == sys.argv[1], ray.__version__

@ray.remote
def double(x):
    return 2 * x

ray.init(num_cpus=2)
assert ray.get([double.remote(i) for i in range(10)]) == list(range(0, 20, 2))
ref = double.remote(double.remote(1))
ray.cancel(ref)
ray.shutdown()
"""


def run(*command: str | Path, cwd: Path = ROOT, temporary: Path | None = None) -> None:
    # The tests' own path must not help the new environment find anything.
    env = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "XDG_RUNTIME_DIR")}
    if temporary is not None:
        env["TMPDIR"] = str(temporary)
    done = subprocess.run([str(word) for word in command], cwd=cwd, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"


def processes_of(home: Path) -> list[psutil.Process]:
    """Processes whose program or command line lies in that environment."""
    found = []
    for process in psutil.process_iter():
        try:
            words = [process.exe(), *process.cmdline()]
        except psutil.Error:
            continue
        if any(word.startswith(str(home)) for word in words):
            found.append(process)
    return found


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("wheel")
    run(sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", out, ROOT)
    (path,) = out.glob("*.whl")
    return path


def test_it_is_for_every_python_and_one_platform(wheel: Path) -> None:
    version, python, abi, platform = wheel.stem.split("-")[1:]
    assert (python, abi) == ("py3", "none")
    assert platform.startswith("manylinux_2_17_")
    assert "musllinux" in platform
    assert f'__version__ = "{version}"' in (ROOT / "python/mobula/_version.py").read_text(encoding="utf-8")


def test_it_holds_the_core_as_a_program_and_no_tests(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        core = archive.getinfo("mobula/bin/mobula-core")
        names = archive.namelist()
    assert (core.external_attr >> 16) & 0o111 == 0o111
    assert "mobula/py.typed" in names
    assert {name.split("/")[0].split("-")[0] for name in names} == {"mobula"}


@pytest.mark.timeout(300)
def test_it_works_in_an_environment_of_its_own(wheel: Path, tmp_path: Path) -> None:
    home = tmp_path / "env"
    run(sys.executable, "-m", "venv", home)
    run(home / "bin/python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check", wheel)
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    run(home / "bin/python", "-c", PROGRAM, wheel.stem.split("-")[1], cwd=tmp_path, temporary=temporary)
    end = time.monotonic() + 10
    while (left := processes_of(home)) and time.monotonic() < end:
        time.sleep(0.05)
    assert not left
    assert not list(temporary.iterdir())
