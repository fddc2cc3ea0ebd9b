"""What workers print, shown at the driver with Ray's prefix: `(name pid=123) text`.

Owns the wording. Ray 2.60, python/ray/_private/worker.py, print_worker_logs: cyan unless RAY_COLOR_PREFIX is 0, another
colour a process when it is 1; every line gets the prefix. Which lines are shown is for dedup.py.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterable

from mobula._core import bars
from mobula._core.dedup import Deduplicator, Line, Rules, Shown
from mobula._core.pb import boundary_pb2 as pb

_TOKEN = bars.TOKEN.encode()  # the search for it takes about two percent of showing one line, less of many
_YELLOW = "\x1b[33m"
_CYAN = "\x1b[36m"
_GREEN = "\x1b[32m"
_RESET = "\x1b[0m"
_BY_PROCESS = ("\x1b[35m", "\x1b[36m", "\x1b[32m", "\x1b[90m", "\x1b[94m", "\x1b[92m", "\x1b[95m")


def render(shown: Shown) -> str:
    """One line, ready to be printed."""
    line = shown.line
    choice = os.environ.get("RAY_COLOR_PREFIX")
    before, after = ("", "") if choice == "0" else (_CYAN, _RESET)
    if choice == "1":
        before = _BY_PROCESS[line.pid % len(_BY_PROCESS)]
    name = f"{line.name} " if line.name else ""
    at = f", ip={line.node}" if line.node else ""
    prefix = f"{before}({name}pid={line.pid}{at}){after}"
    if not line.pid:  # the core itself, as Ray's raylet has it, or such a raylet
        prefix = f"({line.name}{at})" if choice == "0" else f"{_YELLOW}({line.name}{at}){_RESET}"
    note = f"{_GREEN}{shown.note}{_RESET}" if shown.note and choice != "0" else shown.note
    return f"{prefix} {line.text}{note}\n"


def split(message: pb.LogLine) -> list[Line]:
    """The lines of one message."""
    return [Line(message.pid, message.name, text, message.node) for text in message.text.decode("utf-8", "replace").split("\n")]


class Printer:
    """Prints log lines where the driver prints. Used by one thread."""

    def __init__(self, rules: Rules | None = None) -> None:
        self._rules = rules
        self._streams: dict[bool, Deduplicator] = {}  # by is_error; made when the first line comes: workers never get one

    def show(self, messages: Iterable[pb.LogLine]) -> None:
        """Shows what came, as far as it is to be shown."""
        if not self._streams:
            rules = self._rules or Rules.from_environment()
            self._streams = {is_error: Deduplicator(rules) for is_error in (False, True)}
        for is_error, stream in self._streams.items():
            lines: list[Line] = []
            for message in messages:
                if message.is_error == is_error:
                    lines += _without_bars(split(message)) if _TOKEN in message.text else split(message)
            _write(is_error, stream.take(lines))

    def tick(self) -> None:
        """Shows what was held back long enough."""
        for is_error, stream in self._streams.items():
            _write(is_error, stream.due())

    def finish(self) -> None:
        """Shows all that was held back."""
        for is_error, stream in self._streams.items():
            _write(is_error, stream.flush())
        shown = bars.existing()
        if shown is not None:
            shown.close_others()


def _without_bars(lines: list[Line]) -> list[Line]:
    """Draws the progress bars that some lines are about, and gives the others."""
    others = []
    for line in lines:
        state = bars.parse(line.text)
        if state is None:
            others.append(line)
        else:
            bars.instance().show(state)
    return others


def _write(is_error: bool, shown: list[Shown]) -> None:
    target = sys.stderr if is_error else sys.stdout
    if not shown or target is None:
        return
    drawn = bars.existing()
    try:
        with drawn.aside() if drawn is not None else contextlib.nullcontext():
            target.write("".join([render(one) for one in shown]))
            target.flush()
    except (OSError, ValueError):
        pass  # the driver has closed its output; there is nobody to tell
