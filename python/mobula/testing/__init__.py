"""Checks for programs that use mobula: after a test nothing may be lost, doubled or left behind.

Owns `nothing_left` for any test runner; `mobula.testing.plugin` offers the same to pytest, where each test that takes the
fixture `mobula_nothing_left` is checked, or with `--mobula-nothing-left` every test. An addition: Ray has nothing like it.
docs/reliability.md says what is looked at.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from mobula.testing.machine import Machine, waited
from mobula.testing.sessions import Watched, watch

__all__ = ["LeftBehind", "at_rest", "nothing_left"]


class LeftBehind(AssertionError):
    """Something outlived what made it. `findings` lists it, one sentence for each.

    Raised by `nothing_left` and `at_rest`, never by the library itself.
    """

    def __init__(self, what: str, findings: Iterable[str]) -> None:
        self.findings = list(dict.fromkeys(findings))
        super().__init__(f"{what}: {'; '.join(self.findings)}")


@contextmanager
def nothing_left(*allowed: str) -> Iterator[None]:
    """Checks what the block leaves: a session that runs on comes to rest, one that has ended is gone without trace.

    `allowed` names what may stay: a count (`"tasks_running"`, `"objects"`, `"pins"`, `"canceled"`, …) or how a finding
    begins (`"descriptor"`). Waits up to thirty seconds for what is on its way out. After an exception in the block nothing is
    checked, for its traceback keeps locals alive.

    Raises LeftBehind, which lists what there still is.

    >>> import mobula, mobula.testing
    >>> with mobula.testing.nothing_left(), mobula.init(num_cpus=1):
    ...     mobula.get(mobula.put("hello"))
    'hello'
    """
    watch.begin()
    yield
    at_rest(*allowed)
    findings = left(allowed)
    if findings:
        raise LeftBehind("left behind", findings)


def at_rest(*allowed: str) -> None:
    """Waits until the session of this process, if one runs, has nothing to do and holds nothing that nobody refers to.

    Raises LeftBehind when that has not come true within thirty seconds. `allowed` as in `nothing_left`.

    >>> import mobula, mobula.testing
    >>> with mobula.init(num_cpus=1):
    ...     ref = mobula.put(1)
    ...     mobula.testing.at_rest()
    """
    if not watch.begun:
        watch.begin()
    running = watch.running()
    if running is not None:
        findings = waited(lambda: running.restless(frozenset(allowed)))
        if findings:
            raise LeftBehind("the session does not come to rest", findings)


def left(allowed: tuple[str, ...] = ()) -> list[str]:
    """What sessions that ended since the last look left, and what this process itself has started and not ended."""
    ended: list[Watched] = watch.ended
    watch.ended = []
    findings = [f"folder {one.session_dir}" for one in ended if one.session_dir and os.path.exists(one.session_dir)]
    if watch.live is None:  # else that one's processes and descriptors are in the way
        if ended:
            findings += waited(lambda: [what for what in ended[0].left() if not what.startswith(allowed)])
        before = watch.before
        kinds = ("process", "/dev/shm")
        findings += waited(
            lambda: [what for what in before.new_since(Machine()) if what.startswith(kinds) and not what.startswith(allowed)]
        )
    return findings
