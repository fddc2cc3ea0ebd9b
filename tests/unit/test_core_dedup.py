"""Lines that several workers print alike are shown once and counted: Ray's rules."""

from __future__ import annotations

import pytest

from mobula._core import dedup, logs
from mobula._core.dedup import Deduplicator, Line, Rules


class Desk:
    """A deduplicator with a clock of the test's own."""

    def __init__(self, **rules: object) -> None:
        self.now = 100.0
        self.deduplicator = Deduplicator(Rules(**rules), lambda: self.now)  # type: ignore[arg-type]

    def prints(self, pid: int, *texts: str) -> list[str]:
        return told(self.deduplicator.take([Line(pid, "f", text) for text in texts]))

    def due(self) -> list[str]:
        return told(self.deduplicator.due())

    def flush(self) -> list[str]:
        return told(self.deduplicator.flush())


def told(shown: list[dedup.Shown]) -> list[str]:
    return [f"{one.line.pid}: {one.line.text}{one.note}" for one in shown]


@pytest.fixture(autouse=True)
def _hinted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Deduplicator, "_hinted", True)


def test_what_one_process_repeats_is_shown() -> None:
    desk = Desk()
    assert desk.prints(1, "same", "same") == ["1: same", "1: same"]
    assert desk.flush() == []


def test_what_a_second_process_repeats_is_counted() -> None:
    desk = Desk()
    assert desk.prints(1, "loss 0.5 at step 1") == ["1: loss 0.5 at step 1"]
    assert desk.prints(2, "loss 0.6 at step 1") == []
    assert desk.prints(1, "loss 0.4 at step 2", "another line") == ["1: another line"]
    assert desk.due() == []
    desk.now += 5
    assert desk.due() == ["1: loss 0.4 at step 2 [repeated 2x across cluster]"]
    assert desk.due() == []


def test_a_single_repetition_is_shown_as_it_is() -> None:
    desk = Desk()
    desk.prints(1, "hello")
    assert desk.prints(2, "hello") == []
    desk.now += 5
    assert desk.due() == ["2: hello"]
    assert desk.prints(3, "hello") == ["3: hello"]  # a new window


def test_it_goes_on_counting_after_a_window_with_repetitions() -> None:
    desk = Desk()
    desk.prints(1, "hello")
    desk.prints(2, "hello", "hello")
    desk.now += 5
    assert desk.prints(1, "hello") == ["1: hello [repeated 3x across cluster]"]
    assert desk.prints(1, "hello", "hello") == []
    desk.now += 5
    assert desk.due() == ["1: hello [repeated 2x across cluster]"]


def test_lines_of_digits_alone_are_all_shown() -> None:
    desk = Desk()
    assert desk.prints(1, "42", "") == ["1: 42", "1: "]
    assert desk.prints(2, "42", "0xff", "") == ["2: 42", "2: 0xff", "2: "]


def test_the_end_shows_what_is_held_back() -> None:
    desk = Desk()
    desk.prints(1, "a", "b")
    desk.prints(2, "a", "a", "b")
    assert desk.flush() == ["2: a [repeated 2x across cluster]", "2: b"]
    assert desk.flush() == []


def test_the_hint_is_given_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Deduplicator, "_hinted", False)
    desk = Desk()
    desk.prints(1, "a", "b")
    desk.prints(2, "a", "a", "b", "b")
    first, second = desk.flush()
    assert "RAY_DEDUP_LOGS=0" in first
    assert second == "2: b [repeated 2x across cluster]"


def test_allowed_and_skipped_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_DEDUP_LOGS_ALLOW_REGEX", "ABC")
    monkeypatch.setenv("RAY_DEDUP_LOGS_SKIP_REGEX", "noise")
    desk = Desk(**Rules.from_environment()._asdict())
    assert desk.prints(1, "ABC", "noise") == ["1: ABC"]
    assert desk.prints(2, "ABC", "some noise", "x") == ["2: ABC", "2: x"]


def test_it_can_be_switched_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_DEDUP_LOGS", "0")
    desk = Desk(**Rules.from_environment()._asdict())
    desk.prints(1, "a")
    assert desk.prints(2, "a", "a") == ["2: a", "2: a"]


def test_the_window_is_a_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_DEDUP_LOGS_AGG_WINDOW_S", "0.5")
    assert Rules.from_environment().window == 0.5


@pytest.mark.parametrize(
    ("variable", "value"),
    [("RAY_DEDUP_LOGS_AGG_WINDOW_S", "soon"), ("RAY_DEDUP_LOGS_ALLOW_REGEX", "("), ("RAY_DEDUP_LOGS_SKIP_REGEX", "[")],
)
def test_wrong_variables_are_said(monkeypatch: pytest.MonkeyPatch, variable: str, value: str) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(ValueError, match=variable):
        Rules.from_environment()


def test_it_remembers_so_many_patterns_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dedup, "_MOST", 3)
    desk = Desk()
    desk.prints(1, "a", "b")
    desk.prints(2, "a")
    assert desk.prints(1, "c", "d", "e") == ["1: c", "1: d", "1: e", "2: a"]
    assert len(desk.deduplicator._recent) == 3


def test_what_mobula_says_itself_is_shown() -> None:
    desk = Desk()
    assert desk.prints(0, "lost", "lost") == ["0: lost", "0: lost"]
    assert desk.prints(0, "lost") == ["0: lost"]


def test_workers_of_two_nodes_may_have_one_pid() -> None:
    take = Desk().deduplicator.take
    assert told(take([Line(1, "f", "same", "10.0.0.2"), Line(1, "f", "same", "10.0.0.3")])) == ["1: same"]


def test_what_a_raylet_repeats_is_shown_once() -> None:
    desk = Desk()
    assert told(desk.deduplicator.take([Line(0, "raylet", "same")] * 3)) == ["0: same"]
    assert desk.flush() == ["0: same [repeated 2x across cluster]"]
    own = Desk().deduplicator.take([Line(0, "mobula", "same")] * 2)
    assert told(own) == ["0: same", "0: same"]


def test_prefixes_name_another_node(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_COLOR_PREFIX", "0")
    assert logs.render(dedup.Shown(Line(7, "f", "x", "10.0.0.2"))) == "(f pid=7, ip=10.0.0.2) x\n"
    assert logs.render(dedup.Shown(Line(0, "raylet", "x", "10.0.0.2"))) == "(raylet, ip=10.0.0.2) x\n"
