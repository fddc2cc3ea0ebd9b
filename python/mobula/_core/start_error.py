"""The one error of a core that does not start."""

from __future__ import annotations


class CoreStartError(RuntimeError):
    """mobula-core could not be started. The text is one sentence that names the fact, then what the core said, if it did."""


class ClusterJoinError(CoreStartError, ConnectionError):
    """The cluster that `init(address=)` names did not take this driver in. The text says why, and what to do."""


class SessionJoinError(CoreStartError, ConnectionError):
    """The session on this machine that `init(address=)` names did not take this driver in. The text says why."""


def last_words(text: str, lines: int = 12) -> str:
    """The end of what a process wrote on stderr, as the tail of a sentence; "" when it wrote nothing."""
    tail = text.strip().splitlines()[-lines:]
    return ". It said:\n  " + "\n  ".join(tail) if tail else ""
