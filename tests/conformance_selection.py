"""A pytest plugin that runs only the conformance cases a list names, so that the suite itself is never edited, and on mobula
checks after each case that nothing is left (`mobula.testing`).

    pytest -p conformance_selection --conformance-selection=../conformance-core.txt      (in tests/conformance)

A line of the list that matches no case is an error: a case that was renamed must not fall out of the run unseen.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

import pytest


@dataclass
class Selection:
    """The list, parsed: what goes in, what stays out and why."""

    files: set[str] = field(default_factory=set)
    markers: set[str] = field(default_factory=set)
    without: dict[str, str] = field(default_factory=dict)

    @classmethod
    def read(cls, path: Path) -> Selection:
        selection = cls()
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            words = line.split(maxsplit=2)
            match words:
                case []:
                    continue
                case [first, *_] if first.startswith("#"):
                    continue
                case ["with", name]:
                    selection.files.add(name)
                case ["marked", name]:
                    selection.markers.add(name)
                case ["like", other]:
                    base = cls.read(path.with_name(other))
                    selection.files |= base.files
                    selection.markers |= base.markers
                    selection.without |= base.without
                case ["without", case, reason]:
                    selection.without[case] = reason
                case _:
                    raise pytest.UsageError(f"{path}:{number}: cannot read {line!r} (a `without` needs its reason)")
        return selection


def _case(item: pytest.Item) -> str:
    """`test_file.py::test_name`, without the parameters."""
    return f"{item.path.name}::{getattr(item, 'originalname', item.name)}"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option that names the list."""
    parser.addoption("--conformance-selection", metavar="FILE", help="list of the cases to run")


def pytest_configure(config: pytest.Config) -> None:
    """Ask mobula's own plugin for its checks. Real Ray's environment has no such plugin, and nothing of ours to check."""
    if os.environ.get("CONFORMANCE_BACKEND", "mobula") == "mobula":
        config.option.mobula_nothing_left = True


def _selection(config: pytest.Config) -> Selection | None:
    chosen = config.getoption("--conformance-selection")
    return Selection.read(config.invocation_params.dir / chosen) if chosen else None


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leave alone the files that hold no chosen case: what they import need not exist yet."""
    selection = _selection(config)
    if selection is None or not collection_path.name.startswith("test_") or collection_path.name in selection.files:
        return None
    text = collection_path.read_text(encoding="utf-8")
    return None if any(f"mark.{marker}" in text for marker in selection.markers) else True


# First of all hooks: what -k and -m take away afterwards is not missing from the suite.
@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(session: pytest.Session, config: pytest.Config, items: list[pytest.Item]) -> None:
    """Deselect what the list does not name."""
    selection = _selection(config)
    if selection is None:
        return
    kept, left_out = [], []
    seen: set[str] = set()
    for item in items:
        case, markers = _case(item), {mark.name for mark in item.iter_markers()}
        seen |= {case, item.path.name} | markers
        named = item.path.name in selection.files or markers & selection.markers
        (kept if named and case not in selection.without else left_out).append(item)
    # Only a run of the whole folder can tell, and only if every file could be imported.
    missing = (selection.files | selection.markers | set(selection.without)) - seen
    if missing and config.args == config.getini("testpaths") and not session.testsfailed:
        raise pytest.UsageError(f"the list names what the suite does not have: {', '.join(sorted(missing))}")
    config.hook.pytest_deselected(items=left_out)
    items[:] = kept
