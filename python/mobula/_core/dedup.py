"""Which of the lines that workers print are shown when many of them print the same.

Owns Ray's rules (2.60, seen at its drivers) and Ray's variables. Two lines are the same when their words without digits are. A
line that a second process prints within the window is held back; when the window ends the last of them is shown once, with how
many it stands for. What one process alone repeats is shown. It refuses to know what a line looks like on the screen: logs.py
does that. Unlike Ray it does not wait for the next line to end a window.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable
from typing import NamedTuple

_DIGIT = re.compile(r"\d")
_MOST = 10_000  # patterns that are remembered; Ray remembers all of a window

_HINT = " (mobula deduplicates logs by default, as Ray does. Set RAY_DEDUP_LOGS=0 to disable log deduplication.)"


class Line(NamedTuple):
    """One printed line, and who printed it."""

    pid: int  # 0: no worker
    name: str
    text: str
    node: str = ""  # address of the node; "" for the driver's own

    @property
    def source(self) -> tuple[str, int]:
        return self.node, self.pid

    @property
    def reported(self) -> bool:
        """Whether a raylet of a cluster says it: of the same of these one is enough, even of one raylet."""
        return not self.pid and self.name == "raylet"


class Shown(NamedTuple):
    """A line to show, and what is to be said after it."""

    line: Line
    note: str = ""


class _Pattern:
    """What is known of the lines of one pattern in the current window."""

    __slots__ = ("count", "last", "since", "sources")

    def __init__(self, since: float, line: Line) -> None:
        self.since = since
        self.last = line
        self.count = 0  # held back
        self.sources = {line.source}


class Rules(NamedTuple):
    """What RAY_DEDUP_LOGS and its like ask for."""

    enabled: bool = True
    window: float = 5.0
    allow: re.Pattern[str] | None = None
    skip: re.Pattern[str] | None = None

    @classmethod
    def from_environment(cls) -> Rules:
        """Reads the variables. Raises ValueError for one that is no number or regular expression."""
        text = os.environ.get("RAY_DEDUP_LOGS_AGG_WINDOW_S") or "5"
        try:
            window = float(text)
        except ValueError:
            raise ValueError(f"RAY_DEDUP_LOGS_AGG_WINDOW_S takes a number of seconds, not {text!r}") from None
        enabled = os.environ.get("RAY_DEDUP_LOGS", "1").strip().lower() not in ("0", "false", "no")
        return cls(enabled, window, _expression("RAY_DEDUP_LOGS_ALLOW_REGEX"), _expression("RAY_DEDUP_LOGS_SKIP_REGEX"))


def _expression(variable: str) -> re.Pattern[str] | None:
    text = os.environ.get(variable)
    if not text:
        return None
    try:
        return re.compile(text)
    except re.error as error:
        raise ValueError(f"{variable} is no regular expression, {error}: {text!r}") from None


class Deduplicator:
    """The lines of one stream (stdout or stderr) of all workers."""

    _hinted = False  # the explanation is given once a process

    def __init__(self, rules: Rules, clock: Callable[[], float] = time.monotonic) -> None:
        self._rules = rules
        self._clock = clock
        self._recent: dict[str, _Pattern] = {}  # by pattern, the oldest window first
        self._held = 0  # patterns with something held back

    def take(self, lines: list[Line]) -> list[Shown]:
        """What to show now that these lines came."""
        rules = self._rules
        if not rules.enabled:
            return [Shown(line) for line in lines]
        now = self._clock()
        shown: list[Shown] = []
        for line in lines:
            text = line.text
            if rules.allow is not None and rules.allow.search(text):
                shown.append(Shown(line))
            elif rules.skip is not None and rules.skip.search(text):
                continue
            elif self._shows(line, " ".join([word for word in text.split() if not _DIGIT.search(word)]), now):
                shown.append(Shown(line))
        shown.extend(self._expired(now))
        return shown

    def _shows(self, line: Line, key: str, now: float) -> bool:
        """Whether a line is shown at once; if not, it is counted."""
        if not key or not (line.pid or line.reported):
            return True  # the digits are all it says, or it is mobula's own
        pattern = self._recent.get(key)
        if pattern is None:
            self._recent[key] = _Pattern(now, line)
            return True
        pattern.sources.add(line.source)
        if len(pattern.sources) == 1 and not line.reported:
            return True
        self._held += not pattern.count
        pattern.count += 1
        pattern.last = line
        return False

    def due(self) -> list[Shown]:
        """What to show because its window is over."""
        return self._expired(self._clock()) if self._held else []

    def flush(self) -> list[Shown]:
        """All that is held back: nobody will ask again."""
        return self._expired(float("inf"))

    def _expired(self, now: float) -> list[Shown]:
        shown: list[Shown] = []
        while self._recent:
            key, pattern = next(iter(self._recent.items()))
            if now - pattern.since < self._rules.window and len(self._recent) <= _MOST:
                break
            del self._recent[key]
            if pattern.count:
                self._held -= 1
                shown.append(self._told(pattern))
            if pattern.count > 1 and now != float("inf"):
                # It goes on being the same: the next ones wait for the next window.
                pattern.since, pattern.count = now, 0
                self._recent[key] = pattern
        return shown

    def _told(self, pattern: _Pattern) -> Shown:
        if pattern.count == 1:
            return Shown(pattern.last)
        note = f" [repeated {pattern.count}x across cluster]"
        if not Deduplicator._hinted:
            Deduplicator._hinted = True
            note += _HINT
        return Shown(pattern.last, note)
