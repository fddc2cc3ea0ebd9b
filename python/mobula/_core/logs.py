"""What workers print, shown at the driver with Ray's prefix: `(name pid=123) text`.

Owns the wording. Ray 2.60, python/ray/_private/worker.py, print_worker_logs: cyan unless RAY_COLOR_PREFIX is 0, another
colour a process when it is 1; every line gets the prefix.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable

from mobula._core.pb import boundary_pb2 as pb

_CYAN = "\x1b[36m"
_RESET = "\x1b[0m"
_BY_PROCESS = ("\x1b[35m", "\x1b[36m", "\x1b[32m", "\x1b[90m", "\x1b[94m", "\x1b[92m", "\x1b[95m")


def render(line: pb.LogLine) -> str:
    """The text of one LogLine, which may hold several lines, ready to be printed."""
    choice = os.environ.get("RAY_COLOR_PREFIX")
    before, after = ("", "") if choice == "0" else (_CYAN, _RESET)
    if choice == "1":
        before = _BY_PROCESS[line.pid % len(_BY_PROCESS)]
    name = f"{line.name} " if line.name else ""
    prefix = f"{before}({name}pid={line.pid}){after} "
    text = line.text.decode("utf-8", "replace")
    return "".join([f"{prefix}{one}\n" for one in text.split("\n")])


def show(lines: Iterable[pb.LogLine]) -> None:
    """Prints log lines where the driver prints."""
    for is_error in (False, True):
        text = "".join([render(line) for line in lines if line.is_error == is_error])
        target = sys.stderr if is_error else sys.stdout
        if not text or target is None:
            continue
        try:
            target.write(text)
            target.flush()
        except (OSError, ValueError):
            pass  # the driver has closed its output; there is nobody to tell
