"""The pytest plugin: after a test nothing of its session may be left that nobody refers to.

    def test_mine(mobula_nothing_left): ...                this test is checked
    pytest --mobula-nothing-left                           every test is, also by `mobula_nothing_left = true` in the settings
    @pytest.mark.mobula_leaves("tasks_running")            this one's work is meant to outlive it

pytest finds it by itself where mobula is installed. Without the fixture or the option it does nothing but say that they exist.
"""

from __future__ import annotations

from collections.abc import Generator

import pytest

FIXTURE = OPTION = "mobula_nothing_left"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Adds the option and the setting."""
    text = "check after every test that no task, object, process, descriptor or file of a mobula session is left"
    parser.getgroup("mobula").addoption("--mobula-nothing-left", dest=OPTION, action="store_true", default=None, help=text)
    parser.addini(OPTION, text, type="bool", default=False)


def pytest_configure(config: pytest.Config) -> None:
    """Names the marker."""
    config.addinivalue_line("markers", "mobula_leaves(*what): the test's work outlives it: these counts are not checked")


@pytest.fixture
def mobula_nothing_left() -> None:
    """Has this test checked when it is through; see `mobula.testing.nothing_left`."""


def _checked(item: pytest.Item) -> bool:
    wanted = item.config.getoption(OPTION)
    everywhere = item.config.getini(OPTION) if wanted is None else wanted
    return bool(everywhere) or FIXTURE in getattr(item, "fixturenames", ())


def _allowed(item: pytest.Item) -> tuple[str, ...]:
    return tuple(str(what) for mark in item.iter_markers("mobula_leaves") for what in mark.args)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Notes what there was before the test."""
    if _checked(item):
        from mobula.testing.sessions import watch

        watch.begin()
    return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    """Checks the session that still runs, once the test's function is through and its locals are gone."""
    result = yield
    if _checked(item):
        from mobula import testing

        try:
            testing.at_rest(*_allowed(item))
        except testing.LeftBehind as error:
            pytest.fail(str(error), pytrace=False)
    return result


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Item) -> Generator[None, object, object]:
    """Checks the sessions that ended in this test, and what the test itself left."""
    result = yield
    if _checked(item):
        from mobula import testing

        findings = testing.left(_allowed(item))
        if findings:
            pytest.fail(str(testing.LeftBehind("left behind", findings)), pytrace=False)
    return result
