"""Pages that name the test of a promise name one that is there, and docs/api.md names one for every option that works."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from mobula import options

ROOT = Path(__file__).resolve().parents[2]
TESTS = ROOT / "tests"
PAGES = sorted((ROOT / "docs").glob("*.md"))
NAMED = re.compile(r"`(?:tests/)?((?:[a-z_]+/)?test_\w+\.py)(?:::(\w+))?`")
HEADING = "## Which test holds what"


def source(path: str, test: str) -> str:
    """The text of a test file, or of one test in it."""
    text = (TESTS / path).read_text(encoding="utf-8")
    if not test:
        return text
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and node.name == test:
            return ast.get_source_segment(text, node) or ""
    raise AssertionError(f"tests/{path} has no {test}")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_what_a_page_names_is_there(page: Path) -> None:
    for path, test in NAMED.findall(page.read_text(encoding="utf-8")):
        assert (TESTS / path).is_file(), f"{page.name} names tests/{path}"
        source(path, test)


def rows() -> list[tuple[list[str], list[tuple[str, str]]]]:
    """Of the table of options: the options of a row, and the tests."""
    text = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
    table = text.split(HEADING)[1].split("\n| promise |")[0]
    cells = [line.strip("|").split("|") for line in table.splitlines() if line.startswith("| `")]
    return [(re.findall(r"`([^`]+)`", left), NAMED.findall(right)) for left, right in cells]


def test_every_option_that_works_has_a_test_that_names_it() -> None:
    held = {name for names, _ in rows() for name in names}
    known = options.TASK_OPTIONS.keys() | options.ACTOR_OPTIONS.keys() | options.CALL_OPTIONS.keys()
    assert held == known - {"_labels", "enable_tensor_transport", "tensor_transport"}  # nothing is promised of these
    for names, tests in rows():
        assert tests
        for name in names:
            assert any(re.search(rf"\b{name}\b", source(*one)) for one in tests), (name, tests)
