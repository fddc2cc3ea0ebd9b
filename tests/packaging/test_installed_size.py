"""What an installation takes on disk: the package with its core, and what it depends on, without numpy."""

from __future__ import annotations

import importlib.metadata
import re
from pathlib import Path

import mobula

#: Issue 4 asks for 30 MB; Ray 2.60 takes 240. What grows beyond this says what for.
MOST_MB = 27


def _bytes_of(name: str) -> int:
    """Of an installed distribution, with the bytecode that pip has written."""
    found = importlib.metadata.distribution(name)
    return sum(path.stat().st_size for path in map(Path, map(found.locate_file, found.files or ())) if path.is_file())


def _needed(name: str, seen: set[str]) -> set[str]:
    """The distributions that an installation of `name` brings, without extras."""
    for text in importlib.metadata.requires(name) or ():
        required, _, marker = text.partition(";")
        found = re.match(r"[\w.-]+", required)
        assert found, text
        if marker.strip() or found[0].lower() in seen:
            continue
        seen.add(found[0].lower())
        _needed(found[0], seen)
    return seen


def test_an_installation_without_numpy_is_small() -> None:
    package = Path(mobula.__file__).parent
    own = sum(path.stat().st_size for path in package.rglob("*") if path.is_file())
    dependencies = {name: _bytes_of(name) for name in _needed("mobula", set())}
    assert set(dependencies) == {"protobuf", "msgpack", "cloudpickle", "click"}, "what is new is large, or not worth a dependency"
    table = {"mobula": own, **dependencies}
    print({name: round(size / 1e6, 2) for name, size in table.items()})
    assert sum(table.values()) <= MOST_MB * 10**6, table
