"""What becomes of an attachment in a child that the user forks.

Owns the rule: the child has copies of our descriptors but not our threads, and two processes on one stream would tear it.
So the child lets go of every descriptor without a word, and any call there says what to do. A child may start a session of
its own.
"""

from __future__ import annotations

import os
from collections.abc import Callable

SENTENCE = (
    "this process was forked from one that uses mobula, and a session cannot be shared by fork; start processes with "
    "multiprocessing's 'spawn' method, use mobula tasks instead, or call mobula.init() here for a session of its own"
)

_hooks: list[Callable[[], None]] = []
_registered = False


def on_child(hook: Callable[[], None]) -> None:
    """Calls `hook` in every child forked from now on. It runs alone: no other thread exists, locks may be held for ever."""
    global _registered
    _hooks.append(hook)
    if not _registered:
        _registered = True
        os.register_at_fork(after_in_child=_run)


def forget(hook: Callable[[], None]) -> None:
    """Takes a hook back."""
    if hook in _hooks:
        _hooks.remove(hook)


def _run() -> None:
    hooks = list(_hooks)
    _hooks.clear()
    for hook in hooks:
        hook()
