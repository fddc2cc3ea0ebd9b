"""packaging/dev.lock: what the tests run with is pinned, by hash, and is what pyproject.toml asks for."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

ROOT = Path(__file__).resolve().parents[2]
HASH = re.compile(r"--hash=sha256:[0-9a-f]{64}$")
PYTHONS = ("3.10", "3.11", "3.12", "3.13", "3.14")


def _locked() -> Iterator[tuple[Requirement, list[str]]]:
    """Each requirement with the rest of its entry: its hashes."""
    lines = (ROOT / "packaging" / "dev.lock").read_text(encoding="utf-8").splitlines()
    text = "\n".join(line for line in lines if not line.lstrip().startswith("#"))
    for entry in text.replace("\\\n", " ").splitlines():
        requirement, *hashes = re.split(r"\s+(?=--hash)", entry.strip())
        yield Requirement(requirement), hashes


def test_everything_is_one_version_with_hashes() -> None:
    """Invariant: pip installs no file whose bytes were not known when the lock was made."""
    entries = list(_locked())
    assert len(entries) > 30
    for requirement, hashes in entries:
        assert re.fullmatch(r"==[^*,]+", str(requirement.specifier)), requirement
        assert hashes, requirement
        assert all(HASH.match(one) for one in hashes), (requirement, hashes)


@pytest.mark.skipif(sys.version_info < (3, 11), reason="tomllib")
@pytest.mark.parametrize("python", PYTHONS)
def test_it_is_what_the_package_asks_for(python: str) -> None:
    """Invariant: a range in pyproject.toml that the lock does not keep is seen; `make lock` mends it."""
    import tomllib

    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    project = settings["project"]
    wanted = [*settings["build-system"]["requires"], *project["dependencies"]]
    wanted += [one for extra in ("test", "dev") for one in project["optional-dependencies"][extra]]
    here = {"python_version": python, "python_full_version": f"{python}.0", "sys_platform": "linux"}
    pinned = {
        requirement.name: Version(str(requirement.specifier)[2:])
        for requirement, _ in _locked()
        if requirement.marker is None or requirement.marker.evaluate(here)
    }
    for text in wanted:
        requirement = Requirement(text)
        assert requirement.name in pinned, f"{text} is not in packaging/dev.lock: make lock"
        version = pinned[requirement.name]
        assert requirement.specifier.contains(version), f"packaging/dev.lock has {version}, pyproject.toml wants {text}: make lock"
