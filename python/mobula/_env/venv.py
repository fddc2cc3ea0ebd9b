"""Virtual environments with what `pip` or `uv` of a runtime_env asks for, built once and kept in the cache.

Owns the commands and what is told when one fails. An environment inherits what the driver can import: of an interpreter by
`--system-site-packages`, of a driver that runs in a virtual environment itself by a .pth file, because that switch would lead
past it.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import re
import shlex
import shutil
import site
import subprocess
import sys
import sysconfig
from collections.abc import Mapping, Sequence
from typing import Any

from mobula._env import cache
from mobula.exceptions import RuntimeEnvSetupError

_PIP_OPTIONS = ("--disable-pip-version-check", "--no-cache-dir")
_UV_OPTIONS = ("--no-cache",)
_LAST_LINES = 20
# What pip, and uv, say of a request that nobody answered. What pip says last is that there is no such package.
_UNREACHED = re.compile(r"after connection broken by|[Ff]ailed to fetch: .*\n.*error sending request")
_NO_INDEX = (
    "The package index could not be reached. Look at the network, name an index that answers (PIP_INDEX_URL or UV_INDEX_URL, "
    "--index-url in pip_install_options or uv_pip_install_options), or install from files: wheels by their paths, or --no-index "
    "with --find-links."
)
_FORMAT = 1  # of what is in the cache: another number, other entries
_REQUIREMENT_FILE = re.compile(r"(?:-r|-c|--requirement|--constraint)[\s=]*(.+)")


def build(kind: str, wanted: Mapping[str, Any]) -> tuple[str, int]:
    """The interpreter of an environment that has what `wanted` (the value of runtime_env's `kind`) lists, and its lock.

    Raises RuntimeEnvSetupError with the last lines of whatever failed.
    """
    name = f"{kind}-{_address(kind, wanted)}"
    try:
        folder, lock = cache.entry(name, lambda folder: _make(kind, wanted, folder))
    except OSError as error:
        raise RuntimeEnvSetupError(f"The environment for runtime_env[{kind!r}] could not be made: {error}") from error
    return os.path.join(folder, "bin", "python"), lock


def _address(kind: str, wanted: Mapping[str, Any]) -> str:
    """A name for all that decides what the environment will be."""
    parts = {
        "format": _FORMAT,
        "kind": kind,
        "wanted": dict(wanted),
        "files": [_content(one) for one in wanted["packages"]],
        "python": [sys.executable, sys.version, sys.prefix, *_inherited()],
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:40]


def _content(requirement: str) -> str:
    """The content of a file that a requirement names, so that a changed one counts as another; "" where it names none."""
    listed = _REQUIREMENT_FILE.fullmatch(requirement.strip())
    path = os.path.expandvars(listed[1].strip() if listed else requirement.split(" @ ")[-1].removeprefix("file://"))
    if not os.path.isfile(path):
        return ""
    with open(path, "rb") as file:
        data = file.read()
    nested = ""
    if listed:
        for line in data.decode(errors="replace").splitlines():
            inner = _REQUIREMENT_FILE.fullmatch(line.strip())
            if inner:
                nested += _content("-r " + os.path.join(os.path.dirname(path), inner[1].strip()))
    return hashlib.sha256(data + nested.encode()).hexdigest()


def _inherited() -> list[str]:
    """The folders of the driver's own packages that `--system-site-packages` does not reach."""
    if sys.prefix == sys.base_prefix:
        return []
    return [folder for folder in site.getsitepackages() if os.path.isdir(folder)]


def _make(kind: str, wanted: Mapping[str, Any], folder: str) -> None:
    uv = _find_uv(wanted) if kind == "uv" else None
    has_pip = importlib.util.find_spec("pip") is not None
    needs_pip = kind == "pip" or uv is None
    # pip comes along from where the driver's packages are; only without one there it is put into each environment.
    without_pip = ["--without-pip"] if has_pip or not needs_pip else []
    _run("python -m venv", [sys.executable, "-m", "venv", "--system-site-packages", *without_pip, folder])
    python = os.path.join(folder, "bin", "python")
    inherited = _inherited()
    if inherited:
        own = sysconfig.get_path("purelib", "venv" if "venv" in sysconfig.get_scheme_names() else "posix_prefix", {"base": folder})
        with open(os.path.join(own, "mobula_driver.pth"), "w", encoding="utf-8") as file:
            file.writelines(f"import site; site.addsitedir({path!r})\n" for path in inherited)
    requirements = os.path.join(folder, "requirements.txt")
    with open(requirements, "w", encoding="utf-8") as file:
        file.writelines(f"{one}\n" for one in wanted["packages"])
    if kind == "pip":
        _pip(python, folder, requirements, wanted)
    else:
        _uv(python, folder, requirements, wanted, uv)


def _pip(python: str, folder: str, requirements: str, wanted: Mapping[str, Any]) -> None:
    pip = [python, "-m", "pip"]
    if wanted.get("pip_version"):
        _run("pip install", [*pip, "install", _PIP_OPTIONS[0], f"pip{wanted['pip_version']}"], folder)
    options = wanted.get("pip_install_options", _PIP_OPTIONS)
    _run("pip install", [*pip, "install", "-r", requirements, *options], folder)
    if wanted.get("pip_check"):
        _run("pip check", [*pip, "check", _PIP_OPTIONS[0]], folder)


def _find_uv(wanted: Mapping[str, Any]) -> str | None:
    """The program `uv`; None when the wanted version of it is to be installed first."""
    if wanted.get("uv_version"):
        return None
    found = shutil.which("uv")
    if found is None:
        raise RuntimeEnvSetupError(
            "runtime_env['uv'] needs the program 'uv', and there is none on PATH: install it (pip install uv), give "
            "'uv_version' to have it installed into the environment, or use runtime_env['pip']"
        )
    return found


def _uv(python: str, folder: str, requirements: str, wanted: Mapping[str, Any], uv: str | None) -> None:
    if uv is None:
        _run("pip install uv", [python, "-m", "pip", "install", *_PIP_OPTIONS, f"uv{wanted['uv_version']}"], folder)
        command = [python, "-m", "uv"]
    else:
        command = [uv]
    options = [os.path.expandvars(one) for one in wanted.get("uv_pip_install_options", _UV_OPTIONS)]
    _run("uv pip install", [*command, "pip", "install", "--python", python, "-r", requirements, *options], folder)
    if wanted.get("uv_check"):
        _run("uv pip check", [*command, "pip", "check", "--python", python], folder)


def _run(what: str, command: Sequence[str], folder: str | None = None) -> None:
    """Runs a command in a folder where nothing can be imported by mistake."""
    environment = {name: value for name, value in os.environ.items() if name not in ("PYTHONHOME", "PYTHONPATH", "VIRTUAL_ENV")}
    done = subprocess.run(
        command,
        cwd=folder or "/",
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
    )
    if done.returncode != 0:
        text = done.stdout.decode(errors="replace").rstrip()
        how = f"exit code {done.returncode}" if done.returncode > 0 else f"signal {-done.returncode}"
        found = [f"{what} failed ({how}): {shlex.join(command)}", *text.splitlines()[-_LAST_LINES:]]
        if _UNREACHED.search(text):
            found.insert(0, _NO_INDEX)
        raise RuntimeEnvSetupError("\n".join(found))
