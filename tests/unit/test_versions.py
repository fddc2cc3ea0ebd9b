"""The version is written once for Python and once for Go; the core refuses a package of another version."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def _match(path: str, pattern: str) -> str:
    found = re.search(pattern, (ROOT / path).read_text(encoding="utf-8"), re.MULTILINE)
    assert found is not None, f"{path} has no line like {pattern}"
    return found[1]


def test_the_core_and_the_package_have_the_same_version() -> None:
    python = _match("python/mobula/_version.py", r'^__version__ = "([^"]+)"$')
    go = _match("coreworker/version/version.go", r'^const Version = "([^"]+)"$')
    assert python == go


def test_the_changelog_knows_the_version() -> None:
    python = _match("python/mobula/_version.py", r'^__version__ = "([^"]+)"$')
    heads = re.findall(r"^## \[([^\]]+)\]", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert heads[0] == "Unreleased"
    assert python in heads
