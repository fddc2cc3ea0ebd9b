"""The progress bars on the driver's terminal, and how log lines and prints pass them by.

Owns the bars (tqdm's), the place of each, and the one lock under which anything is written while bars are shown: bars are
cleared, the lines are written, the bars are drawn again. What a bar is told travels as one line of JSON with Ray's token in it
(2.60, python/ray/experimental/tqdm_ray.py), so Ray's own file, loaded in a worker, is understood too.

It refuses to make bars on its own: `mobula.experimental.tqdm_ray` does, and lines of workers that ask for one.
"""

from __future__ import annotations

import builtins
import contextlib
import json
import logging
import os
import sys
import threading
from collections.abc import Iterator
from typing import Any, Final, TypedDict

from mobula._core import forks

TOKEN: Final = "__ray_tqdm_magic_token__"

_print = builtins.print
_logger = logging.getLogger("mobula")


class State(TypedDict):
    """What a bar is told: all of it, every time, so a line that is lost costs nothing."""

    x: int
    pos: int
    desc: str
    total: int | None
    unit: str
    pid: int
    uuid: str
    closed: bool


def parse(line: str) -> State | None:
    """The state in a line that a worker printed; None for every other line, also one that only mentions the token.

    >>> parse("hello"), parse('{"__magic_token__": "__ray_tqdm_magic_token__"')
    (None, None)
    """
    if TOKEN not in line:
        return None
    try:
        told = json.loads(line)
        return State(
            x=told["x"],
            pos=int(told["pos"]),
            desc=str(told["desc"]),
            total=told["total"],
            unit=str(told["unit"]),
            pid=int(told["pid"]),
            uuid=str(told["uuid"]),
            closed=bool(told["closed"]),
        )
    except (ValueError, KeyError, TypeError):
        return None


class _Bar:
    """One bar on the screen, and the state that it shows."""

    def __init__(self, tqdm: Any, state: State, place: int) -> None:
        self.state = state
        self.place = place
        self._tqdm = tqdm(
            desc=_described(state),
            total=state["total"],
            initial=0,
            unit=state["unit"],
            position=place,
            dynamic_ncols=True,
            unit_scale=True,
        )
        self._tqdm.update(state["x"])

    def show(self, state: State) -> None:
        bar = self._tqdm
        bar.set_description(_described(state), refresh=False)
        bar.total = state["total"]
        bar.update(state["x"] - self.state["x"])
        self.state = state
        bar.refresh()

    def move(self, place: int) -> None:
        if place != self.place:
            self._tqdm.clear()
            self.place = place
            self._tqdm.pos = -place
            self._tqdm.refresh()

    def clear(self) -> None:
        self._tqdm.clear()

    def draw(self) -> None:
        self._tqdm.refresh()

    def close(self) -> None:
        self._tqdm.close()


def _described(state: State) -> str:
    if state["pid"] == os.getpid():
        return state["desc"]
    before, after = ("", "") if os.environ.get("RAY_COLOR_PREFIX") == "0" else ("\x1b[2m\x1b[36m", "\x1b[0m")
    return f"{before}(pid={state['pid']}) {after}{state['desc']}"


class Bars:
    """All bars of a driver. Safe in any thread; a print of a signal handler may come between two steps of its own thread."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._aside = 0
        # By process, in the order in which they came: the bars of one process stay together.
        self._bars: dict[int, dict[str, _Bar]] = {}

    def show(self, state: State) -> None:
        """Draws a bar anew, makes it, or closes it. Warns once where tqdm is not installed."""
        with self._lock:
            known = self._bars.get(state["pid"], {}).get(state["uuid"])
            if known is not None:
                known.show(state)  # the last step too, or a bar that is done would be left incomplete
                if state["closed"]:
                    self._drop(state["pid"], state["uuid"])
                return
            tqdm = _tqdm()
            if tqdm is None:
                return
            group = self._bars.setdefault(state["pid"], {})
            bar = group[state["uuid"]] = _Bar(tqdm, state, self._place_of(state))
            self._arrange()
            if state["closed"]:  # all that it was told came too late to be shown, but it shows where it ended
                bar.draw()
                self._drop(state["pid"], state["uuid"])

    def _drop(self, pid: int, uuid: str) -> None:
        with self.aside():  # or the ones below are drawn over the line that the closed one leaves
            self._bars[pid].pop(uuid).close()
            if not self._bars[pid]:
                del self._bars[pid]
            self._arrange()

    def _place_of(self, state: State) -> int:
        before = 0
        for pid, group in self._bars.items():
            if pid == state["pid"]:
                break
            before += _slots(group)
        return before + state["pos"]

    def _arrange(self) -> None:
        offset = 0
        for group in self._bars.values():
            for bar in group.values():
                bar.move(offset + bar.state["pos"])
            offset += _slots(group)

    @contextlib.contextmanager
    def aside(self) -> Iterator[None]:
        """No bar is on the screen inside of the block, and nobody else writes past them."""
        with self._lock:
            self._aside += 1
            if self._aside == 1:
                for bar in self._all():
                    bar.clear()
            try:
                yield
            finally:
                self._aside -= 1
                if not self._aside:
                    for bar in self._all():
                        bar.draw()

    def close_others(self) -> None:
        """Closes the bars of other processes: their session has ended, and nothing will be said of them any more."""
        with self._lock:
            for pid in [pid for pid in self._bars if pid != os.getpid()]:
                for uuid in list(self._bars[pid]):
                    self._drop(pid, uuid)

    def _all(self) -> list[_Bar]:
        return [bar for group in self._bars.values() for bar in group.values()]


def _slots(group: dict[str, _Bar]) -> int:
    return 1 + max((bar.state["pos"] for bar in group.values()), default=-1)


_bars: Bars | None = None
_making = threading.Lock()
_told_of_tqdm = False


def existing() -> Bars | None:
    """The bars of this process; None where none was ever made."""
    return _bars


def instance() -> Bars:
    """The bars of this process. With the first, `print` becomes `print_aside`, as in Ray; RAY_TQDM_PATCH_PRINT=0 leaves it."""
    global _bars
    with _making:
        if _bars is None:
            _bars = Bars()
            forks.on_child(_forget_in_child)
            if os.environ.get("RAY_TQDM_PATCH_PRINT", "1").strip().lower() not in ("0", "false"):
                builtins.print = print_aside
        return _bars


def _forget_in_child() -> None:
    # The bars are the parent's, and a thread that does not exist here may hold the lock.
    global _bars, _making
    _bars = None
    _making = threading.Lock()
    if builtins.print is print_aside:
        builtins.print = _print


def print_aside(*values: Any, **options: Any) -> None:
    """`print` that goes past the bars. What goes into other files than the process's two is printed as ever."""
    bars = _bars
    if bars is None or options.get("file") not in (None, sys.stdout, sys.stderr):
        _print(*values, **options)
        return
    with bars.aside():
        _print(*values, **options)


def _tqdm() -> Any:
    global _told_of_tqdm
    try:
        from tqdm.auto import tqdm
    except ImportError:
        if not _told_of_tqdm:
            _told_of_tqdm = True
            _logger.warning("tqdm is not installed, so progress bars are not shown: pip install tqdm")
        return None
    return tqdm
