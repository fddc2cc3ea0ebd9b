"""mobula.testing finds what it is there to find: checks that always pass would defend nothing."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from integration_kit import Gate

import mobula
from mobula import testing
from mobula.testing import sessions

pytest_plugins = ["pytester"]

TESTS = Path(__file__).parents[1]


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(testing, "waited", lambda findings: findings())


@mobula.remote
def wait_for(gate: Gate) -> None:
    gate.wait()


def started() -> subprocess.Popen[bytes]:
    child = subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert child.stdin is not None
    assert child.stdout is not None
    child.stdin.write(b"\n")
    child.stdin.flush()
    assert child.stdout.readline() == b"\n"  # it runs
    return child


def test_a_process_that_was_left_is_named() -> None:
    """Invariant: no child outlives the block that started it."""
    children: list[subprocess.Popen[bytes]] = []
    try:
        with pytest.raises(testing.LeftBehind, match=r"left behind: process \d+: cat") as info, testing.nothing_left():
            children.append(started())
    finally:
        children[0].communicate()
    assert len(info.value.findings) == 1


def test_a_session_that_works_on_is_not_at_rest(tmp_path: Path) -> None:
    """Invariant: what runs or is queued is seen, and what is allowed is not complained about."""
    with mobula.init(num_cpus=1):
        gate = Gate(tmp_path)
        refs = [wait_for.remote(gate) for _ in range(2)]
        mobula.wait(refs, timeout=0)  # looked at when they were submitted: the checks ask on another connection
        with pytest.raises(testing.LeftBehind, match="does not come to rest: tasks_pending=2"):
            testing.at_rest()
        gate.open()
        mobula.get(refs)
        assert mobula.session.process().inspect().tasks_submitted == 2
        assert mobula.session.process().inspect().task_outcomes == 2


def test_an_outcome_too_many_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """Invariant: each submitted task has exactly one outcome."""
    with mobula.init(num_cpus=1):
        process = mobula.session.process()
        counts = process.inspect(validate=True)
        assert (counts.tasks_submitted, counts.task_outcomes, counts.broken) == (0, 0, "")
        counts.tasks_submitted, counts.task_outcomes = 3, 4
        running = sessions.watch.running()
        assert running is not None
        with monkeypatch.context() as patch:
            patch.setattr(running.started.process, "inspect", lambda validate: counts)
            assert "3 tasks, 0 of them pending, and 4 outcomes" in running.restless(frozenset())


def _impatient_there(pytester: pytest.Pytester) -> None:
    pytester.makeconftest("from mobula import testing\ntesting.waited = lambda findings: findings()")


def test_the_plugin_is_silent_until_it_is_asked(pytester: pytest.Pytester) -> None:
    """Invariant: who has mobula installed and does not ask for the checks is not checked."""
    _impatient_there(pytester)
    pytester.makepyfile("""
        import subprocess
        import pytest
        started = []
        def leave():
            started.append(subprocess.Popen(["sleep", "1000"]))
        def test_unasked():
            leave()
        def test_asked(mobula_nothing_left):
            leave()
        @pytest.mark.mobula_leaves("process")
        def test_allowed(mobula_nothing_left):
            leave()
        def test_tidies_up():
            for one in started:
                one.kill()
                one.wait()
    """)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    done = subprocess.run(command, check=False, cwd=pytester.path, capture_output=True, text=True)
    assert "4 passed, 1 error" in done.stdout, done.stdout + done.stderr
    assert "left behind: process" in done.stdout


def test_a_conformance_case_is_checked(pytester: pytest.Pytester) -> None:
    """Invariant: a case of the conformance suite that leaves something on mobula does not pass, though the suite knows nothing
    of the checks."""
    _impatient_there(pytester)
    pytester.makepyfile("""
        import subprocess
        started = []
        def test_leaves():
            started.append(subprocess.Popen(["sleep", "1000"]))
        def test_tidies_up():
            started[0].kill()
            started[0].wait()
    """)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "conformance_selection"]
    environment = os.environ | {"PYTHONPATH": str(TESTS), "CONFORMANCE_BACKEND": "mobula"}
    done = subprocess.run(command, check=False, cwd=pytester.path, capture_output=True, text=True, env=environment)
    assert "2 passed, 1 error" in done.stdout, done.stdout + done.stderr
    assert "left behind: process" in done.stdout
