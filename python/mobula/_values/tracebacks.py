"""The text of a user's exception: its own frames, chained causes, groups and notes, without the frames of this package."""

from __future__ import annotations

import os
import traceback

_PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep
_FIRST_LINE = "Traceback (most recent call last)"


def text(exception: BaseException) -> str:
    """The traceback as Python would print it, our frames left out. Never raises ``Exception``."""
    try:
        described = traceback.TracebackException.from_exception(exception)
        _hide_ours(described)
        made = "".join(described.format())
    except Exception as failure:  # noqa: BLE001 - the user's __str__, __cause__ or a source file that is not text
        kind = type(exception)
        made = f"{kind.__module__}.{kind.__qualname__}: (its text cannot be made: {failure!r})"
    # Python leaves the first line out where there is no frame; whoever shows the text puts the function's name there.
    return made if _FIRST_LINE in made.partition("\n")[0] else f"{_FIRST_LINE}:\n{made}"


def _hide_ours(described: traceback.TracebackException) -> None:
    pending = [described]
    seen = set()
    while pending:
        one = pending.pop()
        if id(one) in seen:
            continue
        seen.add(id(one))
        if one.stack is not None:
            kept = [frame for frame in one.stack if not frame.filename.startswith(_PACKAGE)]
            one.stack = traceback.StackSummary.from_list(kept)
        pending += [next_one for next_one in (one.__cause__, one.__context__) if next_one is not None]
        pending += getattr(one, "exceptions", None) or []  # Python 3.11 and later
