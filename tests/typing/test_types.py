"""mypy --strict and pyright on files that use the package as a user does: what they accept, and each line they refuse."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent


def mypy(file: Path) -> dict[int, str]:
    options = ["--strict", "--no-incremental", "--config-file=", "--no-error-summary", "--show-absolute-path"]
    command = [sys.executable, "-m", "mypy", *options, str(file)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode in (0, 1), done.stdout + done.stderr
    found = re.findall(rf"^{re.escape(str(file))}:(\d+): error: (.*)$", done.stdout, re.MULTILINE)
    assert bool(found) == bool(done.returncode), done.stdout + done.stderr
    return {int(line): text for line, text in found}


def pyright(file: Path) -> dict[int, str]:
    command = [str(Path(sys.executable).with_name("basedpyright")), "--pythonpath", sys.executable, "--outputjson", str(file)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode in (0, 1), done.stdout + done.stderr
    report = json.loads(done.stdout)["generalDiagnostics"]
    return {one["range"]["start"]["line"] + 1: one["message"] for one in report if one["severity"] == "error"}


@pytest.mark.parametrize("checker", [mypy, pyright])
def test_accepted(checker: object) -> None:
    assert checker(HERE / "accepted.py") == {}  # type: ignore[operator]


@pytest.mark.parametrize("checker", [mypy, pyright])
def test_refused(checker: object) -> None:
    file = HERE / "refused.py"
    wanted = {number for number, line in enumerate(file.read_text().splitlines(), 1) if "  # refused: " in line}
    assert set(checker(file)) == wanted  # type: ignore[operator]
