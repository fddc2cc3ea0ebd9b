"""docs/api.md lists every option and keyword there is, and calls refused what is refused."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import mobula
from mobula import options

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "api.md").read_text(encoding="utf-8")
TABLES = {
    heading: [line for line in body.splitlines() if line.startswith("| `")]
    for heading, body in re.findall(r"^## (.+?)\n(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL)
}


def listed(heading: str, column: int) -> dict[str, str]:
    """Name and what the page says of it in one column; without those that have nothing there."""
    found = {}
    for line in TABLES[heading]:
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if cells[column]:
            found.update(dict.fromkeys(re.findall(r"`([^`]+)`", cells[0]), cells[column]))
    return found


def test_every_public_name_is_listed() -> None:
    names = listed("Names of the package", 1)
    there = {name for name, word in names.items() if word.startswith("works")}
    assert there == set(mobula.__all__) - {"__version__"}
    assert not [name for name in names.keys() - there if hasattr(mobula, name)]


@pytest.mark.parametrize(
    ("column", "known"),
    [(1, options.TASK_OPTIONS), (2, options.ACTOR_OPTIONS), (3, options.CALL_OPTIONS)],
    ids=["tasks", "actors", "methods"],
)
def test_every_option_is_listed(column: int, known: dict[str, Any]) -> None:
    assert listed("Options of tasks and actors", column).keys() == known.keys()


def test_every_keyword_of_init_is_listed() -> None:
    known = {name for name, one in inspect.signature(mobula.init).parameters.items() if one.kind is not one.VAR_KEYWORD}
    assert listed("Keywords of `init`", 1).keys() == known


class Plain:
    """For options of actors and methods."""

    def method(self) -> None:
        """Nothing."""


REFUSED: dict[tuple[int, str], Callable[[], Any]] = {
    (2, "enable_tensor_transport"): lambda: mobula.remote(enable_tensor_transport=True)(Plain),
    (3, "tensor_transport"): lambda: options.check_call_options({"tensor_transport": "nccl"}, is_generator=False),
}


def test_what_the_page_calls_refused_is_refused() -> None:
    said = {
        (column, name)
        for column in (1, 2, 3)
        for name, word in listed("Options of tasks and actors", column).items()
        if word.startswith("refused")
    }
    assert said == REFUSED.keys()
    for call in REFUSED.values():
        with pytest.raises(NotImplementedError):
            call()


ASKED: dict[str, Any] = {
    "include_dashboard": True,
    "dashboard_port": 8265,
    "proxy_server_url": "http://localhost",
    "job_config": {},
    "logging_config": {},
    "enable_resource_isolation": True,
    "cgroup_path": "/x",
    "system_reserved_cpu": 1.0,
    "system_reserved_memory": 1,
    "address": "127.0.0.1:6379",
}


def test_what_the_page_calls_refused_by_init_is_refused() -> None:
    said = {name for name, word in listed("Keywords of `init`", 1).items() if "refused" in word}
    assert said == ASKED.keys()
    for keyword, value in ASKED.items():
        with pytest.raises(NotImplementedError, match=keyword):
            mobula.init(**{keyword: value})
    assert not mobula.is_initialized()
